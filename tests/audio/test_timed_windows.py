"""Windows with their times: those of the whole sound, however it comes in pieces."""

import numpy as np
import pytest

from tinyclap.audio.timed_windows import timed
from tinyclap.audio.windows import fit, window_starts


@pytest.mark.parametrize("length", [1, 3, 9, 10, 11, 20, 37, 100])
@pytest.mark.parametrize("hop", [1, 4, 10, 13, 30])
@pytest.mark.parametrize("piece", [1, 7, 10, 64])
def test_every_hop_and_the_end(length: int, hop: int, piece: int) -> None:
    sound, window = np.arange(length, dtype=np.float32), 10
    found = list(timed((sound[at : at + piece] for at in range(0, length, piece)), window, hop))
    starts = [start for start in range(0, length, hop) if start + window <= length]
    if not starts or starts[-1] + window < length:
        starts.append(max(0, length - window))
    assert [(start, end) for start, end, _ in found] == [(start, min(start + window, length)) for start in starts]
    for start, _, samples in found:
        np.testing.assert_array_equal(samples, fit(sound[start:], window))


@pytest.mark.parametrize("length", [1, 10, 15, 30, 31])
def test_without_overlap_they_are_those_of_embed(length: int) -> None:
    starts = [start for start, _, _ in timed([np.zeros(length, np.float32)], 10, 10)]
    assert starts == window_starts(length, 10)
