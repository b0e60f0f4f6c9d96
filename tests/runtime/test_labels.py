"""Labels from the command line, and the table of a bundle."""

from pathlib import Path

import numpy as np
import pytest

from tinyclap.errors import TinyclapError
from tinyclap.runtime.labels import LabelTable, read_labels


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        ("dog, rain", ["dog", "rain"]),
        (" Clock tick ,dog_bark,", ["Clock tick", "dog_bark"]),
        ("bébé", ["bébé"]),
        (", ".join(f"label {number}" for number in range(400)), [f"label {number}" for number in range(400)]),
    ],
)
def test_labels_between_commas(given: str, labels: list[str]) -> None:
    assert read_labels(given) == labels


@pytest.mark.parametrize("content", [b"dog, big\n\n  rain \n", b"\xef\xbb\xbfdog, big\r\nrain"])
def test_labels_of_a_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labels").write_bytes(content)
    assert read_labels(str(tmp_path / "labels")) == ["dog, big", "rain"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (" , ,", "labels: none given; give"),
        ("dog, rain, Dog", "labels: given twice: Dog"),
        ("labels.txt", "labels: no file labels.txt; give"),
        ("labels/mine", "labels: no file labels/mine; give"),
        ("mine.LST", "labels: no file mine.LST; give"),
        ("dog, -_-", "'-_-' is no label"),
        ("dog, {", "'{' is no label"),
    ],
)
def test_labels_that_are_none(given: str, message: str) -> None:
    with pytest.raises(TinyclapError, match=message):
        read_labels(given)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "none given"), (b"RIFF\xff\xfe\x00", "is no UTF-8 text"), (b"dog\nra\x00in", r"'ra\\x00in' is no label")],
)
def test_files_that_hold_no_labels(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(TinyclapError, match=message):
        read_labels(str(tmp_path / "labels.txt"))


@pytest.mark.parametrize("name", ["labels.json", "labels.CSV"])
def test_a_file_that_is_not_one_label_per_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("dog\n")
    with pytest.raises(TinyclapError, match="is read line by line; give a text file with one label per line"):
        read_labels(str(tmp_path / name))


def test_a_folder_is_no_label_file(tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match="labels: no file"):
        read_labels(str(tmp_path))


def test_select_finds_labels_as_prompts_read_them() -> None:
    table = LabelTable(("dog_bark", "rain"), np.eye(2, dtype=np.float32))
    chosen = table.select(["Rain", "dog bark"])
    assert chosen is not None
    assert chosen.labels == ("Rain", "dog bark")
    assert chosen.embeddings.tolist() == [[0, 1], [1, 0]]
    assert table.select(["rain", "cat"]) is None
    assert table.missing(["rain", "cat"]) == "no embedding of cat; there are dog_bark, rain"
    many = LabelTable((*(f"sound {row}" for row in range(28)), "dog_bark", "rain"), np.eye(30, dtype=np.float32))
    assert many.missing(["dogs bark"]) == "no embedding of dogs bark; it has 30 labels, among them dog_bark"
    assert many.missing(["zeppelin"]) == "no embedding of zeppelin; it has 30 labels"
