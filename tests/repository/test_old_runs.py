"""Runs and bundles that version 0.1.0 made are opened as ever: golden/runs_0_1_0/make.sh says how they were made."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.commands import run
from tinyclap import Bundle, Student

GOLDEN = Path(__file__).parents[1] / "golden" / "runs_0_1_0"
SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 40_000)).astype(np.float32)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("finished", "pruned", "interrupted"):
        shutil.copytree(GOLDEN / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("name", ["finished", "pruned"])
def test_students_and_bundles_embed_as_they_did(name: str) -> None:
    expected = np.load(GOLDEN / "expected.npz")
    student = Student.from_pretrained(GOLDEN / name / "student")
    # Since then windows weigh as their level in the mean; those of this noise differ by less than a hundredth.
    np.testing.assert_allclose(student.embed_audio(torch.from_numpy(SOUND)).numpy(), expected[name], atol=1e-4)
    bundle = Bundle.load(GOLDEN / name / "bundle")
    embedded = bundle.embed(list(SOUND), sample_rate=16_000)
    np.testing.assert_allclose(embedded, expected[f"{name}_bundle"], atol=1e-4)


@pytest.mark.parametrize("name", ["finished", "pruned"])
def test_a_run_is_evaluated_and_reported(runs: Path, name: str) -> None:
    (before,) = json.loads((runs / name / "evaluation.json").read_text())
    after = json.loads(run("evaluate", str(runs / name), "--json"))
    for model in ("teacher", "student"):
        assert after[model]["accuracy"] == pytest.approx(before[model]["accuracy"], abs=1 / 126)
    assert after["task"] == "zero-shot classification"
    assert len(json.loads((runs / name / "evaluation.json").read_text())) == 1, "in place of the old one"
    run("report", str(runs / name))
    assert "Zero-shot" in (runs / name / "report" / "report.html").read_text()


@pytest.mark.slow
def test_a_run_is_pruned_exported_and_counted(runs: Path) -> None:
    run("prune", str(runs / "finished"), "--dim", "8", "--out", str(runs / "again"))
    run("export", str(runs / "again"), "--onnx")
    run("selftest", str(runs / "again" / "bundle"))
    run("selftest", str(runs / "finished" / "bundle"))
    counted = json.loads(run("costs", str(runs / "pruned"), "--json"))
    assert counted["parameters"] == json.loads((runs / "pruned" / "summary.json").read_text())["student"]["parameters"]


def test_an_interrupted_training_goes_on(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the recipe it was begun with, which knows nothing of the keys that came later."""
    monkeypatch.chdir(runs)
    run("distill", str(GOLDEN / "old.yaml"), "--run", "interrupted", "--resume")
    rows = [json.loads(line) for line in (runs / "interrupted" / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, 41))
    whole = [json.loads(line) for line in (GOLDEN / "finished" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] == pytest.approx(whole[-1]["loss"], abs=0.02)
