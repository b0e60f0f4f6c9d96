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
    told = json.loads(run("evaluate", "--prompts", "{}", "--prompts", "hear {}", "--json"))
    assert told["prompts"] == ["{}", "hear {}"]
    assert json.loads(Path("runs/small/evaluation.json").read_text())[0] == evaluations[0], "with the recipe's prompts"
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


def test_evaluate_under_degradations(recipe: Path) -> None:
    run("distill", str(recipe))
    told = json.loads(run("evaluate", "--degrade", "level=-90", "--degrade", "snr=20,reverb=0.3", "--json"))
    rows = told["conditions"]
    assert [row["condition"] for row in rows] == ["clean", "level=-90", "snr=20,reverb=0.3"]
    evaluations = json.loads(Path("runs/small/evaluation.json").read_text())
    clean = evaluations[0]
    assert [clean["teacher"]["accuracy"], clean["student"]["accuracy"]] == [
        rows[0]["teacher"]["accuracy"],
        rows[0]["student"]["accuracy"],
    ]
    for model in ("teacher", "student"):
        means = [row[model]["accuracy"] for row in rows[1:]]
        assert told[model]["accuracy"] == sum(means) / 2
    table = run("evaluate", "--degrade", "level=-90")
    assert "Mean over the degradations" in table
    assert len(json.loads(Path("runs/small/evaluation.json").read_text())) == 2, "replaces the one before"
    page = Path("runs/small/report/report.html").read_text()
    assert 'id="robustness"' in page
    assert "level_db=-90" in page
    message, code = failure("evaluate", "--degrade", "louder")
    assert code == 2
    assert "no setting called louder" in message
