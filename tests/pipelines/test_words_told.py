"""`tinyclap distill-text`, and the words beside the ears of `tinyclap distill`: what they write, say and measure."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.support.commands import run
from tests.support.tiny import write_labelled
from tests.support.tiny_texts import SUBJECTS, VERBS

SOUNDS = ", ".join(f"{one} {verb}" for one in SUBJECTS for verb in VERBS)
WORDS = f"""\
  sources: [{{kind: labels, labels: [church_bell, dog_bark, {SOUNDS}]}}]
  held_out: 20
  student: {{kind: static, vocabulary: 200, table_dim: 8, dim: 8, layers: 0}}
  training: {{epochs: 2, batch_size: 32, text_weight: 0}}
"""


@pytest.fixture
def words_recipe(teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe of seconds, in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    head = f"task: distill_text\nname: tiny\nteacher: {{kind: hf, source: {teacher_folder}}}\n"
    (tmp_path / "tiny.yaml").write_text(f"{head}text:\n{WORDS}evaluate: {{bootstrap: 50}}\n")
    return tmp_path / "tiny.yaml"


def test_words_are_made_and_measured(words_recipe: Path, tmp_path: Path) -> None:
    told = run("distill-text", str(words_recipe))
    assert "audio parameters" not in told
    for line in (
        "size \\(INT8\\)",
        "agreement on captions held out",
        "learned +\\d+ captions \\(labels labels=66 of them",
    ):
        assert re.search(f"^{line}", told, re.MULTILINE), told
    assert told.rstrip().endswith("next     tinyclap evaluate runs/tiny --data folder --root YOUR_SOUNDS")
    folder = Path("runs/tiny")
    text = json.loads((folder / "text.json").read_text())
    assert text["agreement"]["groups"][0]["n"] == 20
    assert (text["teacher"]["text"], text["teacher"]["licence"]) == ("clap", "cc-by-4.0")
    assert text["teacher"]["parameters"] > text["student"]["parameters"] > 0
    assert text["student"]["space_dim"] == 16
    card = (folder / "text" / "student" / "README.md").read_text()
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "cc-by-4.0", "inherited from the teacher"
    assert "| labels | the user's own |" in card
    report = (folder / "report" / "report.md").read_text()
    assert "No sounds yet" in report
    assert "is not in the run folder" not in report

    write_labelled(tmp_path / "sounds")
    told = run("evaluate", "--data", "folder", "--root", "sounds")
    assert re.search(r"^teacher's ears +\d+\.\d %", told, re.MULTILINE)
    assert "next     tinyclap export RUN_OF_A_STUDENT --text --words runs/tiny" in told
    measured = json.loads(run("evaluate", "--data", "folder", "--root", "sounds", "--json"))
    assert (measured["n_clips"], measured["n_classes"], list(measured["ears"])) == (8, 4, ["teacher"])
    written = json.loads((folder / "text.json").read_text())
    assert written["zero_shot"] == measured["words"]["zero_shot"]
    assert written["zero_shot_elsewhere"] == [], "the same sounds twice are one measurement"
    assert written["agreement"] == text["agreement"]
    assert "root=sounds" in (folder / "report" / "report.html").read_text()


def test_ears_and_words_of_one_run(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(f"{recipe.read_text()}text:\n{WORDS}")
    told = run("distill", str(recipe))
    for line in ("audio parameters", "student's ears +\\d", "size \\(INT8\\)", "next +tinyclap export --onnx --text"):
        assert re.search(f"^{line}", told, re.MULTILINE), told
    first = json.loads(Path("runs/small/text.json").read_text())
    assert set(first["zero_shot"]["ears"]) == {"teacher", "student"}
    page = Path("runs/small/report/report.html").read_text()
    assert 'id="words"' in page
    assert 'id="classes"' in page

    write_labelled(tmp_path / "sounds")
    told = run("evaluate", "runs/small", "--data", "folder", "--root", "sounds")
    assert re.search(r"^student's ears +\d", told, re.MULTILINE)
    text = json.loads(Path("runs/small/text.json").read_text())
    assert text["zero_shot"] == first["zero_shot"], "the run's own test stays first"
    assert [entry["n_clips"] for entry in text["zero_shot_elsewhere"]] == [8]

    run("prune", "runs/small", "--dim", "8", "--out", "runs/pruned")
    assert "the run that this one was pruned from" in Path("runs/pruned/report/report.md").read_text()
    told = run("evaluate", "runs/pruned", "--data", "folder", "--root", "sounds")  # in the pruned student's dimensions
    assert re.search(r"^student's ears +\d", told, re.MULTILINE)
