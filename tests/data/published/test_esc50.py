"""ESC-50 and ESC-10: the table decides, and the errors of a wrong root."""

import shutil
from pathlib import Path

import pytest

from tests.support.dataset_contract import RATE, DatasetContract, write_tone
from tests.support.datasets import write_esc50
from tinyclap.data import Clip, Dataset
from tinyclap.data.published.esc50 import download_esc50, esc50
from tinyclap.errors import TinyclapError


class TestEsc50(DatasetContract):
    def write(self, root: Path) -> None:
        write_esc50(root)

    def open(self, root: Path) -> Dataset:
        return esc50(root)

    def test_the_table_decides(self, dataset: Dataset) -> None:
        assert dataset.labels == ["dog", "door_knock"]
        assert dataset.clips[1] == Clip(
            "2-101-A-1.wav", label="door_knock", fold=2, source="101", path=dataset.clips[1].path
        )
        assert [clip.fold for clip in dataset.select(folds=[3, 1]).clips] == [1, 3, 1, 3]

    def test_esc10(self, tmp_path: Path) -> None:
        part = esc50(write_esc50(tmp_path), esc10=True)
        assert (part.name, part.labels, len(part)) == ("ESC-10", ["dog"], 3)

    def test_any_suffix_and_the_tables_own_first(self, tmp_path: Path) -> None:
        root = write_esc50(tmp_path, suffix=".ogg")
        assert {clip.path.suffix for clip in esc50(root).clips if clip.path} == {".ogg"}
        write_tone(root / "audio/1-100-A-0.wav")
        write_tone(root / "audio/2-101-A-1.flac")
        assert [clip.name for clip in esc50(root).clips[:3]] == ["1-100-A-0.wav", "2-101-A-1.flac", "3-102-A-0.ogg"]

    def test_the_real_recordings(self, esc10_root: Path) -> None:
        real = esc50(esc10_root)
        assert (len(real), len(real.labels)) == (320, 10)
        assert len(real.select(folds=[5])) == len(real.select(folds=[1], exclude_labels=[])) == 80
        assert len({clip.source for clip in real.clips}) < 320
        assert real.select(folds=[1]).load(0, RATE).shape == (80_016,)
        with pytest.raises(TinyclapError, match="no clip has fold 4; there are 1, 2, 3, 5"):
            real.select(folds=[4])

    def test_missing_files_are_counted_and_some_named(self, tmp_path: Path) -> None:
        root = write_esc50(tmp_path)
        shutil.rmtree(root / "audio")
        write_tone(root / "audio/1-100-A-0.wav")
        message = r"5 clips of .*esc50\.csv have no audio file in .*audio.*: 2-101-A-1\.wav, .*3-105-A-1\.wav; "
        with pytest.raises(TinyclapError, match=message):
            esc50(root)

    def test_a_wrong_root_says_what_is_expected_and_how_to_get_it(self, tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match=r"does not exist; get it with download: true .*https://github\.com"):
            esc50(tmp_path / "none")
        with pytest.raises(TinyclapError, match=r"expected meta/esc50\.csv and audio/ in it; get it with"):
            esc50(tmp_path)
        write_esc50(tmp_path / "ESC-50-master")
        with pytest.raises(TinyclapError, match=r"there is one in .*ESC-50-master: give that as root"):
            esc50(tmp_path)

    @pytest.mark.parametrize(
        ("before", "after", "message"),
        [
            ("category", "class", "no column category; expected filename, fold, .*, got filename, fold, target, class"),
            ("wav,1,", "wav,one,", "a fold that is no number in line 2, 5"),
            (",dog,", ",,", "empty field .* in line 2, 4, 6"),
            ("filename", "\xff", "cannot be read"),
        ],
    )
    def test_a_damaged_table(self, tmp_path: Path, before: str, after: str, message: str) -> None:
        table = write_esc50(tmp_path) / "meta/esc50.csv"
        table.write_bytes(table.read_text().replace(before, after).encode("latin-1"))
        with pytest.raises(TinyclapError, match=message):
            esc50(tmp_path)

    def test_a_download_leaves_what_is_there(self, tmp_path: Path) -> None:
        root = write_esc50(tmp_path / "ESC-50")
        download_esc50(root, "http://127.0.0.1:9/never-asked.zip")
        (tmp_path / "other").mkdir()
        (tmp_path / "other/thesis.txt").write_text("three years of work")
        with pytest.raises(TinyclapError, match=r"exists but holds no meta/esc50\.csv"):
            download_esc50(tmp_path / "other", "http://127.0.0.1:9/never-asked.zip")
        assert (tmp_path / "other/thesis.txt").read_text() == "three years of work"
