"""Embeddings of windows, and when these are."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.sounds import RATE, noise, write
from tinyclap.audio import windows
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle


@pytest.mark.parametrize(
    ("seconds", "hop_s", "expected"),
    [
        (0.4, None, [(0.0, 0.4)]),
        (2.0, None, [(0.0, 1.0), (1.0, 2.0)]),
        (2.5, None, [(0.0, 1.0), (1.0, 2.0), (1.5, 2.5)]),
        (2.2, 0.5, [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0), (1.2, 2.2)]),
        (4.5, 2.0, [(0.0, 1.0), (2.0, 3.0), (3.5, 4.5)]),
    ],
)
def test_each_window_is_embedded_as_it_is_alone(
    bundle: Bundle, seconds: float, hop_s: float | None, expected: list[tuple[float, float]]
) -> None:
    sound = noise(seconds)
    times, embeddings = bundle.embed_windows(sound, hop_s, sample_rate=RATE)
    assert times.tolist() == [list(pair) for pair in expected]
    assert embeddings.dtype == np.float32
    pieces = [sound[round(start * RATE) : round(end * RATE)] for start, end in expected]
    np.testing.assert_allclose(embeddings, bundle.embed(pieces, sample_rate=RATE), atol=1e-6)


@pytest.mark.parametrize("hop_s", [None, 0.7, 1.0, 3.0])
def test_a_file_that_is_read_in_pieces_gives_the_same(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hop_s: float | None
) -> None:
    path = write(tmp_path / "a.wav", noise(9.3), subtype="FLOAT")
    whole = bundle.embed_windows(path, hop_s)
    monkeypatch.setattr(windows, "STRETCH_S", 2.0)
    times, embeddings = bundle.embed_windows(path, hop_s)
    np.testing.assert_array_equal(times, whole[0])
    np.testing.assert_allclose(embeddings, whole[1], atol=1e-5)


def test_their_mean_by_level_is_the_embedding_of_the_whole(bundle: Bundle) -> None:
    sound = noise(3.6)
    times, embeddings = bundle.embed_windows(sound, sample_rate=RATE)
    levels = [windows.level(sound[round(start * RATE) : round(end * RATE)]) for start, end in times]
    mean = np.average(embeddings, axis=0, weights=levels)
    np.testing.assert_allclose(mean / np.linalg.norm(mean), bundle.embed(sound, sample_rate=RATE)[0], atol=1e-6)


@pytest.mark.parametrize("hop_s", [0.0, -1.0, float("nan"), 1e-6])
def test_a_hop_that_is_none(bundle: Bundle, hop_s: float) -> None:
    with pytest.raises(TinyclapError, match=r"hop_s is .*: it must be at least one sample"):
        bundle.embed_windows(noise(1.0), hop_s, sample_rate=RATE)
