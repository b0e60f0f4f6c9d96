"""Clips of several lengths."""

from pathlib import Path

import pytest
import soundfile

from tests.support.sounds import DURATIONS_S, clip
from tinyclap.data.dataset import Dataset
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.folder import folder


@pytest.fixture
def clips(tmp_path: Path) -> Dataset:
    """Noise at 44.1 kHz below 5.5 kHz: longer than a view, as long, and shorter."""
    for number, seconds in enumerate(DURATIONS_S):
        soundfile.write(tmp_path / f"{number}.wav", clip(seconds, 5500, seed=number), 44_100, subtype="FLOAT")
    return folder(tmp_path)


@pytest.fixture
def decoded(clips: Dataset) -> Decoded:
    return decode(clips, 16_000)
