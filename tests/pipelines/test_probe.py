"""`tinyclap probe`: of a run with ears and words, of words alone, of a teacher and of a bundle."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.support.commands import failure, run
from tests.support.report_runs import html_tables, pages
from tests.support.tiny import small_recipe
from tests.support.tiny_bundles import tiny_bundle
from tests.support.tiny_texts import TEXTS
from tinyclap.cli.app import app
from tinyclap.data.probes.probes import PROBES, puzzles_of
from tinyclap.data.probes.scenes import Scene, render
from tinyclap.data.procedural.synthesis import INTERNAL_RATE
from tinyclap.evaluation.probe_bundle import probe_bundle
from tinyclap.runtime.bundle import Bundle

WORDS = """
text:
  sources: [{kind: file, path: mine.txt}]
  held_out: 20
  student: {vocabulary: 100, table_dim: 16, dim: 16, layers: 1, heads: 2}
  training: {epochs: 1, batch_size: 16}
"""
FOLDER = Path("runs/small")


FEW = (
    "data.train.n_clips=42",
    "data.test.n_clips=42",
    "views.per_clip=1",
    "training.epochs=1",
    "text.training.epochs=1",
)


@pytest.fixture(scope="module")
def home(teacher_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that has ears and words."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("TINYCLAP_CACHE", str(home / "cache"))
        Path("mine.txt").write_text("\n".join(TEXTS[::6]) + "\n")
        Path("small.yaml").write_text(small_recipe(teacher_folder) + WORDS)
        run("distill", "small.yaml", *FEW)
    return home


@pytest.fixture
def trained(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its run, seen from its folder."""
    monkeypatch.chdir(home)
    return FOLDER


def test_teacher_and_student_of_a_run_are_asked_and_the_report_says_it(trained: Path) -> None:
    told = run("probe", str(trained), "-n", "1")
    found = json.loads((trained / "probe.json").read_text())
    assert found["n"] == 1
    names = found["probes"][0]
    assert [(by["ears"], by["words"]) for by in names["by"]] == [
        (ears, words) for ears in ("teacher", "student") for words in ("teacher", "student")
    ]
    for line in ("names", "order", "counting", "Which text belongs to a recording:", "next     tinyclap evaluate"):
        assert line in told
    page, markdown = pages(trained)
    rows = html_tables(page)["Which text belongs to a recording"]
    asked = [row["probe"] for row in found["probes"] if row["kind"] == "sounds"]
    assert [row[0].lower()[: len(name)] for row, name in zip(rows[1:], asked, strict=True)] == asked
    assert "## What is understood" in markdown


def letters(_: Bundle, texts: list[str]) -> np.ndarray:
    """Words of as many letters, in the dimensions of a tiny bundle."""
    return np.array([[text.count(letter) + 0.1 for letter in "abcdefghiklmnopr"] for text in texts], np.float32)


def test_a_bundle_is_asked_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Bundle, "embed_text", letters)  # its own words are a dozen
    bundle = Bundle.load(tiny_bundle(tmp_path / "bundle", text=True))
    found = probe_bundle(bundle, n=2)
    assert {(by.get("ears", "bundle"), by["words"]) for row in found["probes"] for by in row["by"]} == {("bundle",) * 2}
    right = []
    for puzzle in puzzles_of(PROBES[0], 2, 0):
        recordings = [render(scene, 0, found["duration_s"]) for scene in puzzle.asked if isinstance(scene, Scene)]
        ears, words = bundle.embed(recordings, sample_rate=INTERNAL_RATE), letters(bundle, list(puzzle.texts))
        right += list(np.argmax(ears @ (words / np.linalg.norm(words, axis=1, keepdims=True)).T, axis=1) == range(4))
    assert found["probes"][0]["by"][0]["right_text"]["accuracy"] == np.mean(right)
    # Another seed asks about other sounds; --json is what --out is given.
    told = json.loads(run("probe", "bundle", "-n", "1", "--seed", "1", "--json", "--out", "one.json"))
    assert json.loads(Path("one.json").read_text()) == told
    assert told["seed"] == 1
    assert "next     tinyclap classify YOUR_SOUNDS --bundle bundle" in run("probe", "bundle", "-n", "1")


def test_words_alone_are_asked_beside_their_teacher(
    teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.txt").write_text("\n".join(TEXTS[::6]) + "\n")
    teacher = f"teacher: {{kind: hf, source: {teacher_folder}}}"
    Path("words.yaml").write_text(f"task: distill_text\nname: small\n{teacher}{WORDS}")
    run("distill-text", "words.yaml")
    run("probe", str(FOLDER), "-n", "1")
    found = json.loads((FOLDER / "probe.json").read_text())
    asked = {(by.get("ears"), by["words"]) for row in found["probes"] for by in row["by"]}
    assert asked == {(ears, words) for ears in ("teacher", None) for words in ("teacher", "student")}
    assert "What is understood" in pages(FOLDER)[0]


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message, code = failure("probe", str(tiny_bundle(tmp_path / "mute")))
    assert code == 2
    assert "has no words" in message
    assert "tinyclap export --onnx --text" in message
    message, code = failure("probe", "nowhere")
    assert "there is no folder nowhere" in message
    refused = CliRunner().invoke(app, ["probe", str(tmp_path / "mute"), "--out", "folder"])
    assert (refused.exit_code, "give the name of a .json file" in refused.stderr) == (2, True)
