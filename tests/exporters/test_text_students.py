"""Text students in bundles: they compute what torch computes, float and INT8, and only with ears of their teacher."""

import dataclasses
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from tests.support.commands import failure, run
from tests.support.tiny_texts import placement, text_student
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.errors import GateError, TinyclapError
from tinyclap.exporters.onnx import text as text_side
from tinyclap.exporters.onnx.text import StudentWords, write_text_side
from tinyclap.exporters.write_bundle import Exporter
from tinyclap.models.text_student import TextStudent
from tinyclap.pipelines.export import _text_student
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.selftest import selftest
from tinyclap.runtime.text_encoder import TextEncoder

LONG: dict[str, Any] = {"max_tokens": 48}
TEXTS = ["dog", "a dog barks while rain falls", "the sound of rain", "rain"]


def embedded(folder: Path, texts: list[str]) -> np.ndarray:
    return TextEncoder(folder, max_tokens=48, pad_id=0).embed(texts)


@pytest.mark.parametrize("kind", ["static", "transformer"])
@pytest.mark.parametrize("placed", [False, True])
def test_the_graph_computes_what_torch_does(kind: str, placed: bool, tmp_path: Path) -> None:
    student = text_student(kind, placement() if placed else None, **LONG)  # type: ignore[arg-type]
    side = write_text_side(StudentWords(student), tmp_path, TEXTS)
    assert side.difference < 1e-5
    assert side.entry["precision"] == "float32"
    assert side.entry["reader"] == "wordpiece"
    np.testing.assert_allclose(embedded(tmp_path, TEXTS), student.embed_text(TEXTS), atol=1e-5)


def test_a_text_is_embedded_alike_alone_and_beside_longer_ones(tmp_path: Path) -> None:
    write_text_side(StudentWords(text_student("transformer", **LONG)), tmp_path, TEXTS)
    together = embedded(tmp_path, TEXTS)
    for row, one in enumerate(TEXTS):
        np.testing.assert_allclose(embedded(tmp_path, [one])[0], together[row], atol=1e-6)


@pytest.mark.parametrize("kind", ["static", "transformer"])
def test_int8_is_a_quarter_of_the_size_and_says_the_same(kind: str, tmp_path: Path) -> None:
    student = text_student(kind, table_dim=64, dim=64, **LONG)  # type: ignore[arg-type]
    (tmp_path / "float").mkdir()
    (tmp_path / "int8").mkdir()
    exact = write_text_side(StudentWords(student), tmp_path / "float", TEXTS)
    rounded = write_text_side(StudentWords(student), tmp_path / "int8", TEXTS, int8=True)
    assert rounded.cosine > 0.999
    assert rounded.entry["precision"] == "int8 weights"

    def weights(graph: onnx.ModelProto) -> int:
        sizes = {TensorProto.FLOAT: 4, TensorProto.INT8: 1}
        return sum(int(np.prod(one.dims)) * sizes.get(one.data_type, 0) for one in graph.graph.initializer)

    assert weights(rounded.graph) < 0.4 * weights(exact.graph)
    assert not [
        one.name
        for one in rounded.graph.graph.initializer
        if one.data_type == TensorProto.FLOAT
        and int(np.prod(one.dims)) > 3072  # the places of 48 word pieces are cut, not looked up
    ]


def test_int8_that_says_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_side, "LOWEST_COSINE", 1.1)
    with pytest.raises(GateError, match=r"text\.onnx in INT8 agrees with a text student of .* export the words as fl"):
        write_text_side(StudentWords(text_student("static", **LONG)), tmp_path, TEXTS, int8=True)


def test_a_pruned_space_is_mapped_in_the_graph(tmp_path: Path) -> None:
    student = text_student("static", **LONG)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(student.embed_dim, student.embed_dim)))[0]
    mapping = LatentMap(rotation[:4].astype(np.float32), "rotation")
    write_text_side(StudentWords(student), tmp_path, TEXTS, mapping)
    expected = mapping.apply(student.embed_text(TEXTS).numpy())
    np.testing.assert_allclose(embedded(tmp_path, TEXTS), expected, atol=1e-5)


@pytest.fixture
def words(exporter: Exporter) -> TextStudent:
    """Of the tiny exporter's teacher's space."""
    student = text_student("static", **LONG)
    width = exporter.teacher.embed_dim
    made = TextStudent(dataclasses.replace(student.config, embed_dim=width, teacher="abc"), student.tokenizer)
    return made.eval()


@pytest.mark.parametrize("int8", [False, True])
def test_a_bundle_has_its_words(
    int8: bool, quick: Exporter, words: TextStudent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(quick.options, text=True, int8=int8, int8_min_agreement=None, labels=())
    manifest = replace(quick, options=options, words=words).write(tmp_path / "bundle")
    assert manifest.text is not None
    assert manifest.text["words"].startswith("a text student of ")
    assert {test.graph: test.passed for test in selftest(tmp_path / "bundle")}["text.onnx"]
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    bundle = Bundle.load(tmp_path / "bundle")
    with torch.no_grad():
        expected = words.embed_text(TEXTS).numpy()
    assert (bundle.embed_text(TEXTS) * expected).sum(axis=1).min() > (0.99 if int8 else 0.99999)
    assert "any, by a text student of" in run("info", str(tmp_path / "bundle"))
    text = (tmp_path / "bundle" / "README.md").read_text()
    assert "any text to the same space" in text
    assert "[text]" not in text


def test_words_of_another_teacher_are_refused(exporter: Exporter, words: TextStudent, tmp_path: Path) -> None:
    words.save_pretrained(tmp_path / "run" / "text" / "student")
    with pytest.raises(TinyclapError, match=r"learned the words of another teacher .*tinyclap distill-text"):
        _text_student(tmp_path / "run", None, exporter.teacher)
    with pytest.raises(TinyclapError, match="learned the words of another teacher"):
        _text_student(tmp_path, tmp_path / "run" / "text" / "student", exporter.teacher)
    assert _text_student(tmp_path, None, exporter.teacher) is None
    config = tmp_path / "run" / "text" / "student" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"teacher": exporter.teacher.fingerprint}))
    assert _text_student(tmp_path, tmp_path / "run", exporter.teacher) is not None
    assert _text_student(tmp_path / "run", None, exporter.teacher) is not None


def test_words_that_are_not_there_are_named(tmp_path: Path) -> None:
    message, code = failure("export", str(tmp_path / "nowhere"), "--words", str(tmp_path / "words"))
    assert code == 2
    assert "nowhere" in message
