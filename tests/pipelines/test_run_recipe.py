"""From a recipe to a finished run, through the command line's own functions."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.support.commands import failure, interrupt, run
from tests.support.tiny import LABELS, tiny_clap
from tinyclap.models.student import Student
from tinyclap.teachers.base import TrainableTeacher

ASKED_KEYS = {"retention", "agreement", "cosine", "centred_cosine", "knn10_overlap", "n_clips", "prompts"}


def test_from_a_recipe_to_a_report(recipe: Path, tmp_path: Path) -> None:
    told = run("distill", str(recipe))
    folder = tmp_path / "runs" / "small"
    for name in ("recipe.yaml", "env.json", "metrics.jsonl", "summary.json", "evaluation.json", "teacher_mean.npy"):
        assert (folder / name).is_file(), name
    assert (folder / "report" / "report.html").is_file()
    assert (folder / "report" / "report.md").is_file()
    assert "zero-shot accuracy" in told
    assert "next     tinyclap export --onnx runs/small" in told
    assert re.search(r"^learned  \d+ clips \(.*kind=procedural .*\) from .*: generated sounds, so do not", told, re.M)
    student = Student.from_pretrained(folder / "student")
    card = (folder / "student" / "README.md").read_text()
    assert "cc-by-4.0" in card, "the student inherits its teacher's licence"
    assert student.embed_audio(torch.zeros(1, 8000) + 0.1).shape == (1, 16)

    told = json.loads(run("evaluate", "--json"))
    assert told.keys() >= ASKED_KEYS
    assert {"accuracy", "ci95"} <= told["teacher"].keys() & told["student"].keys()
    assert "report.html" in run("report")


def test_second_distillation_hears_no_teacher(
    recipe: Path, teacher_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("distill", str(recipe), "--run", "first")
    Path("models").mkdir()
    Path("models/clap").symlink_to(teacher_folder)

    def refuse(*_: object) -> None:
        raise AssertionError("the teacher was run")

    for name in ("encode_audio", "encode_text", "embed_audio", "embed_text"):
        monkeypatch.setattr(TrainableTeacher, name, refuse)
    run("distill", str(recipe), "training.lr=0.001", "teacher.source=models/clap", "--run", "second")
    assert "base_model" not in Path("second/student/README.md").read_text(), "a folder is no Hub repository"
    assert json.loads(Path("second/summary.json").read_text())["teacher_forwards"] == 0
    assert json.loads(Path("first/summary.json").read_text())["teacher_forwards"] > 0


def test_another_teacher_under_the_same_name_is_noticed(recipe: Path, tmp_path: Path, teacher_folder: Path) -> None:
    shutil.copytree(teacher_folder, tmp_path / "clap")
    run("distill", str(recipe), "teacher.source=clap")
    other = tiny_clap(["a dog barking", "rain falls"], embed_dim=16)
    with torch.no_grad():
        other.model.audio_projection.linear2.weight.mul_(-1)
    shutil.rmtree(tmp_path / "clap")
    other.save_pretrained(tmp_path / "clap", "card")
    for command in (["evaluate"], ["distill", str(recipe), "teacher.source=clap", "--resume"]):
        message, code = failure(*command)
        assert "the teacher of run runs/small changed since it began" in message
        assert code == 2


@pytest.mark.slow
def test_views_are_shared_by_runs_of_other_seeds(recipe: Path) -> None:
    run("distill", str(recipe))
    run("distill", str(recipe), "seed=1", "--run", "other")
    assert json.loads(Path("other/summary.json").read_text())["teacher_forwards"] == 0
    run("distill", str(recipe), "views.seed=1", "--run", "views")
    assert json.loads(Path("views/summary.json").read_text())["teacher_forwards"] > 0


def test_the_time_of_an_interrupted_run_counts(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt("tinyclap.evaluation.zero_shot.ZeroShotTask.evaluate", ["distill", str(recipe)], monkeypatch)
    rows = [json.loads(line) for line in Path("runs/small/metrics.jsonl").read_text().splitlines()]
    metrics = "".join(json.dumps(row | {"seconds": 1000.0}) + "\n" for row in rows)
    Path("runs/small/metrics.jsonl").write_text(metrics + '{"epoch": 3, "sec')
    run("distill", str(recipe), "--resume")
    assert 2000 < json.loads(Path("runs/small/summary.json").read_text())["wall_s"] < 2100


def test_an_interrupted_run_says_how_to_go_on(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt("tinyclap.pipelines.distill.distill", ["distill", str(recipe)], monkeypatch)
    message, code = failure("evaluate")
    assert code == 2
    assert "tinyclap distill runs/small/recipe.yaml --run runs/small --resume" in message
    run("distill", "runs/small/recipe.yaml", "--run", "runs/small", "--resume")
    assert Path("runs/small/student/model.safetensors").is_file()


@pytest.mark.slow
def test_two_launched_processes_learn_what_one_learns(recipe: Path) -> None:
    run("distill", str(recipe), "training.micro_batches=2", "--run", "one")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes=2", "--num_machines=1"]
    command = ["-m", "tinyclap", "distill", str(recipe), "training.micro_batches=2", "--run", "two"]
    done = subprocess.run([*launch, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("retention") == 1, "only the first process speaks"
    one, two = (
        [json.loads(line)["loss"] for line in Path(run, "metrics.jsonl").read_text().splitlines()]
        for run in ("one", "two")
    )
    assert two == pytest.approx(one, abs=1e-5)


@pytest.mark.slow
def test_real_audio_in_the_official_layout(recipe: Path, esc10_root: Path) -> None:
    some = "labels: [dog, rain, rooster]"
    train = f"data.train={{kind: esc50, root: {esc10_root}, esc10: true, folds: [1], {some}}}"
    test = f"data.test={{kind: esc50, root: {esc10_root}, esc10: true, folds: [5], {some}}}"
    told = json.loads(run("distill", str(recipe), train, test, "views.duration_s=5", "--json"))
    assert told["n_clips"] == 24
    assert told["clustered"], "several clips are cut from one recording"
    assert told["n_recordings"] < 24
    assert told["summary"]["clips"] == 24
    heard = run("evaluate", "--data", "esc50", "--root", str(esc10_root), "--folds", "1")
    assert "warning: 24 of the test clips are in the training data" in heard
    assert json.loads(Path("runs/small/evaluation.json").read_text())[1]["heard_in_training"] == 24
    assert "24 of the test clips are in the training data" in Path("runs/small/report/report.html").read_text()
    message, _ = failure("distill", str(recipe), train.replace("[1]", "[1, 5]"), test, "--run", "leak")
    assert "data.test: 24 of its 24 clips are in data.train too" in message
    assert not Path("leak").exists()


def test_pretrain_makes_a_teacher_that_distils(recipe: Path, tmp_path: Path) -> None:
    text = f"""
task: pretrain
name: own
data:
  train: {{kind: procedural, n_clips: 96, duration_s: 1.0, labels: {LABELS}}}
  test: {{kind: procedural, n_clips: 96, duration_s: 1.0, seed: 1, labels: {LABELS}}}
views: {{duration_s: 1.0}}
audio:
  kind: phinet
  frontend: {{sample_rate: 8000, n_fft: 256, win_length: 256, hop_length: 160, n_mels: 24, f_max: 4000}}
  phinet: {{alpha: 0.2}}
  features: 32
text: {{kind: scratch, vocab_size: 300, hidden_size: 16, layers: 1, heads: 2}}
embed_dim: 16
training: {{epochs: 2, batch_size: 4}}
evaluate: {{bootstrap: 200}}
"""
    (tmp_path / "own.yaml").write_text(text)
    assert "next     tinyclap distill RECIPE teacher.kind=dual teacher.source=runs/own/teacher" in run(
        "pretrain", "own.yaml"
    )
    assert json.loads(run("evaluate", "--json"))["n_clips"] == 9
    told = run("distill", str(recipe), "teacher={kind: dual, source: runs/own/teacher}")
    assert "zero-shot accuracy" in told
