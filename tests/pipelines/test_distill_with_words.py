"""`tinyclap distill` with a `text` section: one run learns its teacher's ears and its words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.commands import failure, interrupt, run
from tests.support.tiny import small_recipe
from tests.support.tiny_texts import TEXTS
from tinyclap.models.student import Student
from tinyclap.models.text_student import TextStudent

FOLDER = Path("runs/small")
WORDS = """
text:
  sources: [{kind: file, path: mine.txt}]
  held_out: 20
  student: {vocabulary: 100, table_dim: 16, dim: 16, layers: 1, heads: 2}
  training: {epochs: 3, batch_size: 16, lr: 0.01}
"""


def write_recipe(teacher: Path) -> str:
    """A recipe of sounds with a section on words, in the current folder."""
    Path("mine.txt").write_text("\n".join(TEXTS[::6]) + "\n")
    Path("small.yaml").write_text(small_recipe(teacher) + WORDS)
    return "small.yaml"


@pytest.fixture
def both(teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The recipe, in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    return write_recipe(teacher_folder)


@pytest.fixture(scope="module")
def whole(teacher_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its run."""
    home = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("TINYCLAP_CACHE", str(home / "cache"))
        run("distill", write_recipe(teacher_folder))
    return home / FOLDER


def written(name: str, folder: Path) -> Any:
    return json.loads((folder / name).read_text())


def weights(model: str, folder: Path) -> bytes:
    return (folder / model / "model.safetensors").read_bytes()


def test_a_run_learns_ears_and_words(whole: Path, both: str) -> None:
    for name in ("student/model.safetensors", "text/student/model.safetensors", "text/metrics.jsonl", "metrics.jsonl"):
        assert (whole / name).is_file(), name
    summary, result = written("summary.json", whole), written("text.json", whole)
    assert summary["text"]["parameters"] == result["student"]["parameters"]
    assert written("env.json", whole)["inputs"].keys() == {"teacher", "training clips", "captions"}
    ears, words = Student.from_pretrained(whole / "student"), TextStudent.from_pretrained(whole / "text/student")
    assert ears.embed_audio(torch.zeros(1, 8000) + 0.1).shape == words.embed_text(["a dog"]).shape == (1, 16)
    found, (evaluation,) = result["zero_shot"], written("evaluation.json", whole)
    assert found["n_clips"] == evaluation["n_clips"]
    for whose in ("teacher", "student"):
        accuracy = found["ears"][whose]["teacher_words"]["accuracy"]
        assert accuracy == evaluation[whose]["accuracy"], "the ears are those of the evaluation"
    run("distill", both, "text=null")
    assert weights("student", FOLDER) == weights("student", whole), "words change nothing of what is heard"
    assert not (FOLDER / "text").exists()


def test_interrupted_while_it_learns_words_it_goes_on_there(
    both: str, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt("tinyclap.pipelines.text_side.distill", ["distill", both], monkeypatch)
    heard = (FOLDER / "metrics.jsonl").read_text()
    assert heard.count("\n") == 2
    run("distill", both, "--resume")
    assert (FOLDER / "metrics.jsonl").read_text() == heard
    for model in ("student", "text/student"):
        assert weights(model, FOLDER) == weights(model, whole)


def test_a_pruned_student_keeps_the_words_of_its_run(whole: Path, both: str) -> None:
    run("prune", str(whole), "--dim", "8", "--out", "pruned")
    pruned = Path("pruned")
    assert weights("text/student", pruned) == weights("text/student", whole)
    assert written("text.json", pruned) == written("text.json", whole)
    mapped = Student.from_pretrained(pruned / "student").latent_map
    assert mapped is not None
    text = TextStudent.from_pretrained(pruned / "text/student").embed_text(["a dog"]).numpy()
    assert np.isfinite(mapped.apply(text)).all()


def test_what_is_wrong_with_the_words_is_said_before_anything_is_learned(both: str) -> None:
    for override, message in (
        ("text.held_out=900", "text.held_out is 900 and there are "),
        ("text.sources.0.path=gone.txt", "gone.txt"),
        ("text.training.precision=bf16", 'text.training.precision: got "bf16", allowed: "no", as training.precision'),
    ):
        told, code = failure("distill", both, override)
        assert (code, message in told) == (2, True)
    assert not Path("runs").exists()
