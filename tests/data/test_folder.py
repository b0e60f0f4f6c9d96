"""Folders of sounds: the folder's name is the label."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.dataset_contract import DatasetContract, write_tone
from tests.support.datasets import write_folder
from tinyclap.data import Dataset
from tinyclap.data.folder import empty_classes, folder
from tinyclap.errors import TinyclapError


class TestFolder(DatasetContract):
    def write(self, root: Path) -> None:
        write_folder(root)

    def open(self, root: Path) -> Dataset:
        return folder(root)

    def test_the_folder_below_the_root_is_the_label(self, dataset: Dataset) -> None:
        assert [(clip.name, clip.label) for clip in dataset.clips] == [
            ("dog/a.wav", "dog"),
            ("dog/b.flac", "dog"),
            ("loose.wav", None),
            ("rain/c.ogg", "rain"),
            ("rain/roof/d.wav", "rain"),
        ]

    def test_suffixes_in_any_case_and_no_hidden_files(self, tmp_path: Path) -> None:
        shutil.move(write_tone(tmp_path / "x/a.wav"), tmp_path / "x/A.WAV")
        for name in ("x/._A.wav", ".git/b.wav", "x/notes.txt"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"no audio")
        assert [clip.name for clip in folder(tmp_path).clips] == ["x/A.WAV"]

    def test_real_clips(self, clsp_root: Path) -> None:
        speech = folder(clsp_root)
        assert (speech.name, len(speech), speech.labels) == ("clsp", 11, [])
        assert {speech.info(index).sample_rate for index in range(11)} == {16_000, 48_000}

    def test_a_folder_that_cannot_be_listed_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_folder(tmp_path)
        listed = os.scandir

        def scandir(path: Path | str) -> Any:
            if Path(path).name == "rain":
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return listed(path)

        monkeypatch.setattr("os.scandir", scandir)
        with pytest.raises(TinyclapError, match=r"/rain cannot be listed: Permission denied; check its permissions"):
            folder(tmp_path)

    def test_folders_without_audio_are_empty_classes(self, tmp_path: Path) -> None:
        write_folder(tmp_path)
        for name in ("void/deep", "notes", ".git"):
            (tmp_path / name).mkdir(parents=True)
        (tmp_path / "notes" / "a.txt").write_text("no audio")
        assert empty_classes(tmp_path) == ["notes", "void"]

    def test_nothing_to_find(self, tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match=rf"no folder {tmp_path}/a/b \(found up to {tmp_path}\)"):
            folder(tmp_path / "a/b")
        (tmp_path / "notes.txt").write_text("")
        with pytest.raises(TinyclapError, match=r"no audio files below .*: looked for \.wav \.flac"):
            folder(tmp_path)
        with pytest.raises(TinyclapError, match="is a file"):
            folder(tmp_path / "notes.txt")
