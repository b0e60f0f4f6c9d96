"""`tinyclap evaluate`: a finished run on other data."""

import json
from pathlib import Path

from tests.support.commands import failure, run
from tests.support.tiny import LABELS, write_labelled


def test_evaluate_on_other_data(recipe: Path, tmp_path: Path) -> None:
    run("distill", str(recipe))
    write_labelled(tmp_path / "other")
    told = json.loads(run("evaluate", "--data", "folder", "--root", "other", "--json"))
    assert told["n_clips"] == 8
    evaluations = json.loads(Path("runs/small/evaluation.json").read_text())
    assert [entry["data"] for entry in evaluations][1] == "kind=folder root=other", "the run's own test stays first"
    assert len(evaluations) == 2
    message, code = failure("evaluate", "--data", "folder", "--root", "nowhere")
    assert code == 2
    assert "nowhere" in message
    message, _ = failure("evaluate", "--root", "other")
    assert "--data KIND" in message
    message, _ = failure("evaluate", "--data", "tapes", "--root", "other")
    assert "kind" in message
    message, _ = failure("evaluate", "--data", "procedural", "--set", "n_clips=84")
    assert "sounds of seed 0, which are those of train" in message
    unheard = ("--set", "n_clips=84", "--set", "duration_s=1", "--set", "seed=9", "--set", f"labels={LABELS}")
    assert json.loads(run("evaluate", "--data", "procedural", *unheard, "--json"))["n_clips"] == 8
    message, _ = failure("evaluate", "--data", "procedural", "--set", "clips=9")
    assert "clips" in message
    message, _ = failure("evaluate", "--data", "procedural", "--set", "seed")
    assert "expected KEY=VALUE" in message
