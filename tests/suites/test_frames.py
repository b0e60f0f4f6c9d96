"""Embeddings of moments, against whole embeddings of what lies around them."""

import numpy as np
import pytest

from tests.support.sounds import PARITY, RATE, noise
from tests.support.tiny_bundles import tiny_embed
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.suites.frames import check_times, embed_at

SOUND = noise(4.0)


def test_a_moment_is_what_lies_around_it(bundle: Bundle) -> None:
    moments = np.array([0.5, 1.3, 3.5])
    around = [SOUND[round((at - 0.5) * RATE) : round((at + 0.5) * RATE)] for at in moments]
    assert np.abs(embed_at(bundle, SOUND, moments) - tiny_embed(around)).max() < PARITY


def test_a_short_window_is_repeated_as_a_short_sound_is(bundle: Bundle) -> None:
    (found,) = embed_at(bundle, SOUND, np.array([2.0]), window_s=0.25)
    assert np.abs(found - tiny_embed([SOUND[round(1.875 * RATE) : round(2.125 * RATE)]])[0]).max() < PARITY


def test_a_window_stays_within_the_sound(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []
    whole = Bundle.encode

    def counted(self: Bundle, windows: np.ndarray) -> np.ndarray:
        encoded.append(windows)
        return whole(self, windows)

    monkeypatch.setattr(Bundle, "encode", counted)
    found = embed_at(bundle, SOUND, np.array([0.0, 0.2, 0.5, 3.5, 3.9, 4.0]))
    first, last = tiny_embed([SOUND[:RATE], SOUND[-RATE:]])
    assert np.abs(found[:3] - first).max() < PARITY
    assert np.abs(found[3:] - last).max() < PARITY
    assert len(encoded) == 2, "windows at the same place are embedded once"


def test_a_sound_shorter_than_a_window(bundle: Bundle) -> None:
    found = embed_at(bundle, SOUND[: RATE // 3], np.array([0.0, 0.3]))
    assert np.abs(found - tiny_embed([SOUND[: RATE // 3]])).max() < PARITY


@pytest.mark.parametrize(
    ("hop_s", "window_s", "told"),
    [
        (0.0, None, "hop_s is 0.0: it must be 0.001 to 60 s"),
        (float("nan"), None, "hop_s is nan"),
        (1.0, 1.5, "window_s is 1.5: it must be 0.01 to 1 s, the bundle's own window, or None"),
        (1.0, 0, "window_s is 0:"),
    ],
)
def test_times_out_of_range(bundle: Bundle, hop_s: float, window_s: float | None, told: str) -> None:
    with pytest.raises(TinyclapError) as caught:
        check_times(hop_s, window_s, bundle)
    assert told in str(caught.value)
