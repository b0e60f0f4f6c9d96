"""Frames of a file as they are, a piece at a time."""

from pathlib import Path

import numpy as np

from tests.audio.test_audio import LEFT_HZ, RATE, RIGHT_HZ, tone, write
from tinyclap.audio import files


def test_frames_are_those_of_the_whole_in_pieces(tmp_path: Path) -> None:
    samples = np.stack([tone(RATE, LEFT_HZ, 6.0), tone(RATE, RIGHT_HZ, 6.0)], axis=1)
    path = write(tmp_path / "long.flac", samples, RATE)
    known, _ = files.read_channels(path)
    for first, last in ((0, len(known)), (70_000, 200_001), (len(known) - 3, len(known) + 99), (5, 5)):
        pieces = list(files.read_frames(path, first, last))
        assert max(map(len, pieces), default=0) <= 2**16
        np.testing.assert_array_equal(np.concatenate([known[:0], *pieces]), known[first:last])
    assert files.info(path).encoding == "FLAC/PCM_16"
