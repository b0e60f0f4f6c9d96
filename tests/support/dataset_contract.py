"""What every data set promises, for tests that inherit it."""

import pickle
import shutil
from itertools import compress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyclap.data import Dataset

RATE = 16_000


def write_tone(path: Path, hz: float = 440.0, seconds: float = 0.5, sample_rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(
        path, 0.4 * np.sin(2 * np.pi * hz * np.arange(round(seconds * sample_rate)) / sample_rate), sample_rate
    )
    return path


class DatasetContract:
    """What any data set promises; a subclass says which one."""

    def write(self, root: Path) -> None:
        """Put the files there, if there are any."""
        root.mkdir()

    def open(self, root: Path) -> Dataset:
        raise NotImplementedError

    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        self.write(tmp_path / "first")
        return self.open(tmp_path / "first")

    @pytest.fixture
    def copy(self, dataset: Dataset, tmp_path: Path) -> Dataset:
        """The same files elsewhere."""
        return self.open(shutil.copytree(tmp_path / "first", tmp_path / "elsewhere"))

    def test_clips_are_named_once_and_in_order(self, dataset: Dataset, copy: Dataset) -> None:
        names = [clip.name for clip in dataset.clips]
        assert len(dataset) == len(names) == len(set(names)) > 1
        assert names == [clip.name for clip in copy.clips]
        assert dataset.labels == sorted({clip.label for clip in dataset.clips if clip.label})

    def test_every_clip_can_be_heard(self, dataset: Dataset) -> None:
        for index in range(len(dataset)):
            waveform = dataset.load(index, RATE)
            assert waveform.dtype == np.float32
            assert waveform.ndim == 1
            assert len(waveform) == round(dataset.info(index).duration_s * RATE)
            np.testing.assert_allclose(dataset.load(index, RATE, 0.1, 0.2), waveform[1600:4800], atol=2e-6)

    def part(self, dataset: Dataset) -> dict[str, list[str]]:
        """What selects some of the clips and leaves others."""
        return {"labels": dataset.labels[:1]}

    def test_a_selection_is_the_same_kind_and_sounds_the_same(self, dataset: Dataset) -> None:
        ((condition, values),) = self.part(dataset).items()
        part = dataset.select(**self.part(dataset))  # type: ignore[arg-type]
        kept = [getattr(clip, condition.removesuffix("s")) in values for clip in dataset.clips]
        assert type(part) is type(dataset)
        assert list(part.clips) == list(compress(dataset.clips, kept))
        assert 0 < len(part) < len(dataset)
        if condition == "labels":
            assert set(dataset.select(exclude_labels=values).clips) == set(dataset.clips) - set(part.clips)
        origin = dataset.clips.index(part.clips[-1])
        np.testing.assert_array_equal(part.load(len(part) - 1, RATE), dataset.load(origin, RATE))
        assert part.fingerprint != dataset.fingerprint

    def test_the_fingerprint_follows_the_content_alone(self, dataset: Dataset, copy: Dataset) -> None:
        assert copy.fingerprint == dataset.fingerprint
        parts = [one.select(**self.part(one)) for one in (copy, dataset)]  # type: ignore[arg-type]
        assert parts[0].fingerprint == parts[1].fingerprint

    def test_it_crosses_processes(self, dataset: Dataset) -> None:
        copy = pickle.loads(pickle.dumps(dataset))
        assert copy.clips == dataset.clips
        np.testing.assert_array_equal(copy.load(1, RATE), dataset.load(1, RATE))
