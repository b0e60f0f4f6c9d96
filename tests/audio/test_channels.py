"""Several channels as one."""

import numpy as np
import pytest

from tinyclap.audio import channels
from tinyclap.errors import TinyclapError

RNG = np.random.default_rng(0)
SOUND = RNG.standard_normal(1000)


def test_the_mean_or_one_of_them() -> None:
    frames = np.stack([SOUND, 3 * SOUND], axis=1)
    np.testing.assert_allclose(channels.mixed(frames), 2 * SOUND)
    np.testing.assert_allclose(channels.mixed(frames, 2), 3 * SOUND)


@pytest.mark.parametrize("channel", [0, 3, -1])
def test_a_channel_that_is_not_there(channel: int) -> None:
    with pytest.raises(TinyclapError, match=f"channel is {channel}; it has 2 channels, counted from 1"):
        channels.mixed(np.zeros((10, 2)), channel)


@pytest.mark.parametrize(
    ("frames", "louder"),
    [
        (np.stack([SOUND, -SOUND], axis=1), 1),
        (np.stack([SOUND, -1.02 * SOUND], axis=1), 2),
        (np.stack([SOUND, SOUND], axis=1), None),
        (np.stack([SOUND, RNG.standard_normal(1000)], axis=1), None),
        (np.stack([SOUND, -0.5 * SOUND], axis=1), None),  # half of it remains
        (np.zeros((1000, 2)), None),
        (SOUND[:, None], None),
        (np.stack([SOUND, np.full(1000, np.nan)], axis=1), None),
    ],
    ids=["opposite", "the second louder", "the same", "other sound", "half as loud", "silence", "mono", "no numbers"],
)
def test_which_would_cancel(frames: np.ndarray, louder: int | None) -> None:
    assert channels.louder_of_opposite(frames) == louder
