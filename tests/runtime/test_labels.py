"""Labels from the command line, and the table of a bundle."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.tiny_bundles import PROMPTS, tiny_text
from tinyclap.common.files import LFS_POINTER
from tinyclap.embeddings.zero_shot import as_typed, class_matrix
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.labels import LabelTable, read_labels, read_prompts


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
    [
        (b"", "none given"),
        (b"RIFF\xff\xfe\x00", "is no UTF-8 text"),
        (b"dog\nra\x00in", r"'ra\\x00in' is no label"),
        (LFS_POINTER + b"v1\n", r"labels\.txt: a git-lfs pointer"),
    ],
)
def test_files_that_hold_no_labels(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(TinyclapError, match=message):
        read_labels(str(tmp_path / "labels.txt"))


def test_prompts_that_git_lfs_has_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_bytes(LFS_POINTER + b"v1\n")
    with pytest.raises(TinyclapError, match=r"prompts\.txt: a git-lfs pointer .* fetch it with `git lfs pull`"):
        read_prompts([str(tmp_path / "prompts.txt")])


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


class TestPrompts:
    def test_templates_and_a_file_of_them(self, tmp_path: Path) -> None:
        (tmp_path / "prompts.txt").write_text("a {} far away\n\n{} \n", encoding="utf-8")
        given = ["the sound of {}", str(tmp_path / "prompts.txt"), "{}"]
        assert read_prompts(given) == ("the sound of {}", "a {} far away", "{}")
        assert read_prompts(None) is None

    @pytest.mark.parametrize(
        ("content", "message"), [(b"", "none given"), (b"\xff\xfe\x00", "no UTF-8 text"), (b"the dog", "has no {}")]
    )
    def test_files_that_hold_none(self, tmp_path: Path, content: bytes, message: str) -> None:
        (tmp_path / "prompts.txt").write_bytes(content)
        with pytest.raises(TinyclapError, match=message):
            read_prompts([str(tmp_path / "prompts.txt")])

    def test_a_template_without_a_place_is_refused(self) -> None:
        with pytest.raises(TinyclapError, match="'the sound of' has no "):
            read_prompts(["{}", "the sound of"])

    def test_each_label_is_the_mean_over_the_templates(self, folders: dict[str, Path]) -> None:
        bundle, templates = Bundle.load(folders["full"]), ("of {}", "the {}", "{} of the")
        for labels in (["dog", "cow"], None):
            table = bundle.label_table(labels, templates)
            names = list(bundle.labels) if labels is None else labels
            expected = np.stack([tiny_text([one.replace("{}", name) for one in templates]).mean(0) for name in names])
            expected /= np.linalg.norm(expected, axis=1, keepdims=True)
            assert table.labels == tuple(names)
            assert np.allclose(table.embeddings, expected, atol=1e-6)

    def test_the_own_prompts_change_nothing(self, folders: dict[str, Path]) -> None:
        bundle = Bundle.load(folders["full"])
        own, given = bundle.label_table(), bundle.label_table(list(bundle.labels), PROMPTS)
        assert np.allclose(own.embeddings, given.embeddings, atol=1e-6)

    def test_a_table_alone_knows_its_own(self, folders: dict[str, Path]) -> None:
        for labels, prompts in ((["dog"], ["{}"]), (None, ["{}"]), (["dog | rain"], None)):
            with pytest.raises(
                TinyclapError, match="no text side and a label table of single names in its own prompts"
            ):
                Bundle.load(folders["logmel"]).label_table(labels, prompts)


class TestSeveralNames:
    def test_a_label_is_the_mean_over_its_names(self, folders: dict[str, Path]) -> None:
        table = Bundle.load(folders["full"]).label_table(["dog | cow", "siren", "clock tick|clock| rain"])
        each = class_matrix(tiny_text, ["dog", "cow", "siren", "clock tick", "clock", "rain"], PROMPTS, as_typed)
        expected = np.stack([each[:2].mean(0), each[2], each[3:].mean(0)])
        assert table.labels == ("dog", "siren", "clock tick")
        assert np.allclose(table.embeddings, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)

    @pytest.mark.parametrize(
        ("labels", "message"), [(["dog |"], "nothing on one side"), (["dog|cow", "cow"], "both read")]
    )
    def test_names_that_are_none_or_twice(self, folders: dict[str, Path], labels: list[str], message: str) -> None:
        with pytest.raises(TinyclapError, match=message):
            Bundle.load(folders["full"]).label_table(labels)
