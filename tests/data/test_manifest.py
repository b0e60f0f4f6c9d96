"""Lists of sounds as CSV and JSON lines: their columns, and every faulty line at once."""

import json
from pathlib import Path

import pytest

from tests.support.dataset_contract import DatasetContract
from tests.support.datasets import CSV_ROWS, write_folder, write_manifest
from tinyclap.common.files import LFS_POINTER
from tinyclap.data import Clip, Dataset
from tinyclap.data.manifest import manifest
from tinyclap.errors import TinyclapError


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

    def test_a_caption_with_a_comma_must_be_quoted(self, tmp_path: Path) -> None:
        rows = 'path,caption\ndog/a.wav,"a dog, far away"\ndog/b.flac,a dog, far away\nloose.wav,rain,,\n'
        with pytest.raises(TinyclapError) as caught:
            manifest(write_manifest(tmp_path, rows))
        assert str(caught.value).splitlines()[1:] == [
            "  line 3: more fields than columns; put the text in quotes if it holds a comma"
        ]
        clips = manifest(write_manifest(tmp_path, rows.replace("a dog, far away\nl", '"a dog, far away"\nl'))).clips
        assert [clip.captions for clip in clips] == [("a dog, far away",), ("a dog, far away",), ("rain",)]

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


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_one_that_git_lfs_has_not_fetched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(LFS_POINTER + b"v1\n")
    with pytest.raises(TinyclapError, match=f"{name}: a git-lfs pointer .* fetch it with `git lfs pull`"):
        manifest(tmp_path / name)
