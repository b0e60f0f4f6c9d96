"""Data sets: one contract that every kind keeps, what each layout means, and the errors of a wrong one."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.dataset_contract import RATE, DatasetContract, write_tone
from tinyclap.audio.files import AudioError, AudioInfo
from tinyclap.config.data import Esc50Data, FolderData, ManifestData, ProceduralData
from tinyclap.data import Clip, Concat, Dataset, build_dataset
from tinyclap.data.folder import empty_classes, folder
from tinyclap.data.manifest import manifest
from tinyclap.data.published.esc50 import download_esc50, esc50
from tinyclap.errors import TinyclapError


def write_folder(root: Path) -> Path:
    """Two classes, one of them with a deeper folder, and a clip without a class."""
    for number, name in enumerate(["dog/a.wav", "dog/b.flac", "rain/c.ogg", "rain/roof/d.wav", "loose.wav"]):
        write_tone(root / name, 300 + 100 * number)
    return root


def write_esc50(root: Path, suffix: str = ".wav") -> Path:
    """The official layout in small: 2 classes in 3 folds, the even ones marked as ESC-10."""
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for number in range(6):
        name = f"{number % 3 + 1}-{100 + number}-A-{number % 2}"
        category = ("dog", "door_knock")[number % 2]
        lines.append(f"{name}.wav,{number % 3 + 1},{number % 2},{category},{number % 2 == 0},{100 + number},A")
        write_tone(root / "audio" / (name + suffix), 300 + 50 * number)
    (root / "meta").mkdir(parents=True)
    (root / "meta/esc50.csv").write_text("\n".join(lines) + "\n")
    return root


def write_manifest(root: Path, rows: str, name: str = "list.csv") -> Path:
    write_folder(root)
    (root / name).write_text(rows)
    return root / name


CSV_ROWS = """path,label,caption,fold,split,source,licence
dog/a.wav,dog,"a dog, far away",1,train,r1,CC0
dog/b.flac,dog,,2.0,test,r1,CC0
loose.wav,,,,,,
"""


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


class TestManifest(DatasetContract):
    def write(self, root: Path) -> None:
        write_manifest(root, CSV_ROWS)

    def open(self, root: Path) -> Dataset:
        return manifest(root / "list.csv")

    def test_csv(self, dataset: Dataset) -> None:
        first, second, third = dataset.clips
        assert dataset.name == "list"
        assert (first.label, first.captions, first.fold) == ("dog", ("a dog, far away",), 1)
        assert (second.captions, second.fold, second.split, second.source) == ((), 2, "test", "r1")
        assert third == Clip("loose.wav", path=third.path)
        assert [clip.name for clip in dataset.select(splits=["test"]).clips] == ["dog/b.flac"]

    def test_jsonl(self, tmp_path: Path) -> None:
        rows = [
            {"path": "dog/a.wav", "label": "dog", "caption": ["a dog", "barking"], "fold": 1, "extra": [1]},
            {"path": "rain/c.ogg", "label": 7, "caption": "rain", "fold": "2", "source": None},
        ]
        text = json.dumps(rows[0]) + "\n\n" + json.dumps(rows[1])
        first, second = manifest(write_manifest(tmp_path, text, "list.jsonl")).clips
        assert (first.label, first.captions, first.fold) == ("dog", ("a dog", "barking"), 1)
        assert (second.label, second.captions, second.fold, second.source) == ("7", ("rain",), 2, None)

    def test_another_root_and_absolute_paths(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path / "audio")
        (tmp_path / "list.csv").write_text(f"path\ndog/a.wav\n{root / 'rain/c.ogg'}\n")
        assert [clip.name for clip in manifest(tmp_path / "list.csv", root).clips] == ["dog/a.wav", "rain/c.ogg"]

    def test_every_faulty_line_at_once(self, tmp_path: Path) -> None:
        rows = "path,fold\ndog/a.wav,one\n,1\ndog/none.wav,1\nrain/c.ogg,-1\ndog/a.wav,\n"
        with pytest.raises(TinyclapError) as caught:
            manifest(write_manifest(tmp_path, rows))
        assert str(caught.value).splitlines() == [
            f"{tmp_path / 'list.csv'}, clips looked for in {tmp_path}:",
            "  line 2: fold must be a whole number, got one",
            "  line 3: no path",
            "  line 4: no file dog/none.wav",
            "  line 5: fold must be a whole number, got -1",
            "  line 6: dog/a.wav is listed in line 2 already; "
            "several captions of one clip go into one JSONL row, as a list",
        ]

    def test_faulty_json_lines(self, tmp_path: Path) -> None:
        rows = '{"path": "dog/a.wav", "caption": [1]}\n[1]\n{"path"\n{"path": "rain/c.ogg", "label": {"a": 1}}\n'
        with pytest.raises(TinyclapError) as caught:
            manifest(write_manifest(tmp_path, rows, "list.jsonl"))
        message = str(caught.value)
        assert "line 1: caption must be text or a list of texts, got [1]" in message
        assert 'line 2: expected an object such as {"path": ...}, got [1]' in message
        assert "line 3: not JSON: Expecting ':' delimiter" in message
        assert "line 4: label must be text, got {'a': 1}" in message

    def test_a_long_list_of_errors_is_cut(self, tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match=r"line 21: no file 19\.wav\n  \.\.\. and 80 more$"):
            manifest(write_manifest(tmp_path, "path\n" + "\n".join(f"{number}.wav" for number in range(100))))

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("file,label", "no column path; the columns are file, label"),
            ("path;label", "no column path; the columns are path;label"),
            ("path,lable", "column lable: did you mean label?"),
            ("path,captions", "column captions: did you mean caption?"),
        ],
    )
    def test_columns(self, tmp_path: Path, header: str, message: str) -> None:
        with pytest.raises(TinyclapError) as caught:
            manifest(write_manifest(tmp_path, f"{header}\ndog/a.wav,dog\n"))
        assert message in str(caught.value)

    def test_no_such_list(self, tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match=r"no manifest .*none\.csv"):
            manifest(tmp_path / "none.csv")
        with pytest.raises(TinyclapError, match=r"a manifest ends in \.csv"):
            manifest(write_manifest(tmp_path, "path\n", "list.txt"))
        with pytest.raises(TinyclapError, match="holds no clips"):
            manifest(write_manifest(tmp_path / "empty", "path\n"))
        with pytest.raises(TinyclapError, match=r"no folder .*nowhere"):
            manifest(write_manifest(tmp_path / "full", "path\ndog/a.wav\n"), tmp_path / "nowhere")


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
