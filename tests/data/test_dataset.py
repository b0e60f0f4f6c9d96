"""Data sets joined, generated, selected and built: names, fingerprints and errors."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.dataset_contract import RATE, DatasetContract, write_tone
from tests.support.datasets import CSV_ROWS, write_esc50, write_folder, write_manifest
from tinyclap.audio.checks import AudioError
from tinyclap.audio.files import AudioInfo
from tinyclap.config.data import Esc50Data, FolderData, ManifestData, ProceduralData
from tinyclap.data import Clip, Concat, Dataset, build_dataset
from tinyclap.data.folder import folder
from tinyclap.data.hf_dataset import Wanted, hf_dataset
from tinyclap.data.published.esc50 import esc50
from tinyclap.errors import TinyclapError


class Numbered(Dataset):
    """Generated clips, as `Procedural` makes them: constant waveforms of the clip's number."""

    def __init__(self, n_clips: int, name: str = "numbered") -> None:
        labels = ("even", "odd")
        super().__init__(name, [Clip(f"{number:02d}", label=labels[number % 2]) for number in range(n_clips)])

    def _info(self, clip: Clip) -> AudioInfo:
        return AudioInfo(1.0, RATE, 1)

    def _load(self, clip: Clip, sample_rate: int, start_s: float, duration_s: float | None) -> np.ndarray:
        end_s = 1.0 if duration_s is None else min(1.0, start_s + duration_s)
        return np.full(round((end_s - start_s) * sample_rate), int(clip.name) / 100, np.float32)

    def _content(self, clip: Clip) -> Path | bytes:
        return clip.name.encode()


class TestGenerated(DatasetContract):
    def open(self, root: Path) -> Dataset:
        return Numbered(6)

    def test_a_selection_keeps_its_numbers(self) -> None:
        odd = Numbered(6).select(labels=["odd"])
        assert [odd.load(index, RATE)[0] for index in range(3)] == [np.float32(n / 100) for n in (1, 3, 5)]


class TestConcat(DatasetContract):
    def write(self, root: Path) -> None:
        write_folder(root / "sounds")
        write_esc50(root / "esc")

    def open(self, root: Path) -> Dataset:
        return Concat([folder(root / "sounds"), esc50(root / "esc"), Numbered(3), Numbered(4)])

    def test_names_are_prefixed_and_unique(self, dataset: Dataset) -> None:
        prefixes = [clip.name.split("/")[0] for clip in dataset.clips]
        assert list(dict.fromkeys(prefixes)) == ["sounds", "ESC-50", "numbered", "numbered-2"]
        assert dataset.load(len(dataset) - 1, RATE)[0] == np.float32(0.03)

    def test_renaming_a_folder_changes_no_fingerprint(self, tmp_path: Path) -> None:
        one = write_folder(tmp_path / "one")
        other = shutil.copytree(one, tmp_path / "other")
        assert Concat([folder(one), Numbered(2)]).fingerprint == Concat([folder(other), Numbered(2)]).fingerprint

    def test_nothing_to_join(self) -> None:
        with pytest.raises(TinyclapError, match="holds no clips"):
            Concat([])


class TestDataset:
    def test_names_must_be_unique(self) -> None:
        with pytest.raises(TinyclapError, match="given twice: a"):
            Dataset("d", [Clip("a"), Clip("a"), Clip("b")])

    def test_the_fingerprint_ignores_what_no_embedding_hears(self, tmp_path: Path) -> None:
        path = write_tone(tmp_path / "a.wav")
        plain = Dataset("x", [Clip("a", path=path)])
        told = Dataset("y", [Clip("a", label="dog", captions=("a dog",), fold=3, split="test", path=path)])
        assert told.fingerprint == plain.fingerprint
        assert Dataset("x", [Clip("b", path=path)]).fingerprint != plain.fingerprint
        write_tone(path, 441.0)
        assert Dataset("x", [Clip("a", path=path)]).fingerprint != plain.fingerprint

    def test_order_matters_to_the_fingerprint_since_views_go_by_index(self, tmp_path: Path) -> None:
        clips = [Clip(name, path=write_tone(tmp_path / name)) for name in ("a.wav", "b.wav")]
        assert Dataset("x", clips).fingerprint != Dataset("x", clips[::-1]).fingerprint

    def test_a_clip_that_vanished_fails_by_name_when_it_is_heard(self, tmp_path: Path) -> None:
        dataset = folder(write_folder(tmp_path))
        before = dataset.fingerprint
        (tmp_path / "dog/a.wav").unlink()
        gone = Dataset(dataset.name, dataset.clips)
        assert gone.fingerprint != before
        with pytest.raises(AudioError, match=r"dog/a\.wav: no such file"):
            gone.load(0, RATE)

    def test_a_clip_without_a_file_needs_a_subclass(self) -> None:
        with pytest.raises(TinyclapError, match="clip a has no file"):
            Dataset("d", [Clip("a")]).load(0, RATE)

    def test_unknown_conditions_list_the_known(self, tmp_path: Path) -> None:
        dataset = folder(write_folder(tmp_path))
        with pytest.raises(TinyclapError, match="no clip has label cat; there are dog, rain"):
            dataset.select(labels=["dog", "cat"])
        with pytest.raises(TinyclapError, match="no clip has label cat; there are dog, rain"):
            dataset.select(exclude_labels=["cat"])
        with pytest.raises(TinyclapError, match="no clip has split test; its clips have no split"):
            dataset.select(splits=["test"])

    def test_nothing_left(self, tmp_path: Path) -> None:
        with pytest.raises(
            TinyclapError, match=r"no clip is left of 5 with labels=\['dog'\], exclude_labels=\['dog'\]"
        ):
            folder(write_folder(tmp_path)).select(labels=["dog"], exclude_labels=["dog"])

    def test_unlabelled_clips_stay_when_labels_are_excluded(self, tmp_path: Path) -> None:
        rest = folder(write_folder(tmp_path)).select(exclude_labels=["dog", "rain"])
        assert [clip.name for clip in rest.clips] == ["loose.wav"]


class TestBuildDataset:
    def test_every_kind_of_files(self, tmp_path: Path) -> None:
        esc = Esc50Data(kind="esc50", root=str(write_esc50(tmp_path / "esc")), download=True, folds=(1, 2))
        sounds = FolderData(kind="folder", root=str(write_folder(tmp_path / "s")), exclude_labels=("dog",))
        listed = str(write_manifest(tmp_path / "m", CSV_ROWS))
        rows = ManifestData(kind="manifest", path=listed, splits=("test",))
        assert [clip.fold for clip in build_dataset(esc).clips] == [1, 2, 1, 2]
        assert build_dataset(sounds).labels == ["rain"]
        assert [clip.name for clip in build_dataset(rows).clips] == ["dog/b.flac"]
        joined = build_dataset((esc, sounds, rows))
        assert isinstance(joined, Concat)
        assert len(joined) == 4 + 3 + 1
        assert type(build_dataset([sounds])) is Dataset

    def test_generated_sounds_join_files(self, tmp_path: Path) -> None:
        made = ProceduralData(kind="procedural", n_clips=30, duration_s=0.5, seed=3, exclude_labels=("engine",))
        sounds = FolderData(kind="folder", root=str(write_folder(tmp_path)))
        plain = build_dataset(made)
        joined = build_dataset((sounds, made))
        assert "engine" not in plain.labels
        assert len(joined) == 5 + len(plain)
        np.testing.assert_array_equal(joined.load(5 + 7, RATE), plain.load(7, RATE))
        assert joined.info(5 + 7).duration_s == 0.5

    def test_an_unknown_kind_lists_the_known(self) -> None:
        with pytest.raises(
            TinyclapError, match=r"unknown kind of data set 'mp3s': there are esc50, .*, folder, manifest"
        ):
            build_dataset(FolderData.model_construct(kind="mp3s"))


def test_the_extra_of_hub_data_sets_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(TinyclapError, match=r'needs the package datasets: pip install "tinyclap\[datasets\]"'):
        hf_dataset(Wanted("owner/name"))


def test_a_few_clips_are_spread_over_all() -> None:
    dataset = Numbered(10)
    assert [dataset.clips.index(clip) for clip in dataset.spread(4).clips] == [0, 2, 5, 7]
    assert [dataset.clips.index(clip) for clip in dataset.spread(4, 1).clips] == [1, 3, 6, 8]
    assert len(dataset.spread(99)) == 10
    assert set(dataset.spread(99, 3).clips) == set(dataset.clips)
