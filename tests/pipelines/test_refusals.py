"""Clips that cannot be used are named; what cannot work is said first and leaves former runs alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from accelerate.state import AcceleratorState
from typer.testing import CliRunner

from tests.support.commands import failure, run
from tests.support.tiny import LABELS, write_labelled
from tinyclap.cli import app
from tinyclap.data.procedural.dataset import Procedural


def test_bad_clips_are_named_and_left_out(recipe: Path, tmp_path: Path) -> None:
    clips = Procedural(8, duration_s=1.0)
    for index in range(8):
        soundfile.write(tmp_path / f"clip{index}.wav", clips.load(index, 8000), 8000)
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    for path in tmp_path.glob("clip*.wav"):
        path.rename(sounds / path.name)
    (sounds / "corrupt.wav").write_bytes(b"RIFF of no use")
    (sounds / "empty.ogg").write_bytes(b"")
    soundfile.write(sounds / "silent.wav", np.zeros(8000), 8000)
    soundfile.write(sounds / "nan.wav", np.full(8000, np.nan, np.float32), 8000, subtype="FLOAT")
    soundfile.write(sounds / "blip.wav", np.ones(1), 8000)
    overrides = (f"data.train={{kind: folder, root: {sounds}}}", "data.max_bad_share=0.5")
    assert "5 unusable training clips were left out" in run("distill", str(recipe), *overrides)
    summary = json.loads(Path("runs/small/summary.json").read_text())
    assert summary["clips"] == 8
    assert {Path(clip["name"]).name for clip in summary["bad_clips"]} == {
        "corrupt.wav",
        "empty.ogg",
        "silent.wav",
        "nan.wav",
        "blip.wav",
    }
    message, code = failure("distill", str(recipe), *overrides[:1], "--run", "strict")
    assert code == 2
    assert "5 of 13 clips are unusable" in message
    assert "nan.wav: NaN or infinite samples" in message


def test_bad_test_clips_are_named_in_the_evaluation(recipe: Path, tmp_path: Path) -> None:
    write_labelled(tmp_path / "test")
    soundfile.write(tmp_path / "test" / "rain" / "silent.wav", np.zeros(8000), 8000)
    (tmp_path / "test" / "hush").mkdir()
    soundfile.write(tmp_path / "test" / "hush" / "a.wav", np.zeros(8000), 8000)
    (tmp_path / "test" / "void").mkdir()
    overrides = (f"data.test={{kind: folder, root: {tmp_path / 'test'}}}", "data.max_bad_share=0.5")
    told = run("distill", str(recipe), *overrides)
    assert "2 unusable test clips were left out" in told
    assert "classes without a usable test clip: void, hush" in told
    for page in ("report.md", "report.html"):
        assert "Classes without a usable test clip: void, hush." in Path("runs/small/report", page).read_text()
    evaluation = json.loads(Path("runs/small/evaluation.json").read_text())[0]
    assert evaluation["n_clips"] == 8
    assert [clip["name"] for clip in evaluation["bad_clips"]] == ["hush/a.wav", "rain/silent.wav"]
    assert evaluation["labels_without_clips"] == ["void", "hush"]
    assert "rain/silent.wav: silent" in Path("runs/small/report/report.md").read_text()
    assert "rain/silent.wav: silent" in Path("runs/small/report/report.html").read_text()


def test_what_is_wrong_with_the_test_clips_is_said_before_the_training(recipe: Path, tmp_path: Path) -> None:
    for label in ("dog_bark", "DogBark"):
        (tmp_path / "same" / label).mkdir(parents=True)
        soundfile.write(tmp_path / "same" / label / "a.wav", Procedural(1, duration_s=1.0).load(0, 8000), 8000)
    message, _ = failure("distill", str(recipe), "data.test={kind: folder, root: same}")
    assert "both read 'dog bark'" in message
    soundfile.write(tmp_path / "same" / "DogBark" / "a.wav", np.zeros(8000), 8000)
    (tmp_path / "same" / "DogBark").rename(tmp_path / "same" / "cat")
    message, _ = failure("distill", str(recipe), "data.test={kind: folder, root: same}")
    assert "1 of 2 clips are unusable" in message
    message, _ = failure("distill", str(recipe), f"data.test={{kind: procedural, n_clips: 84, labels: {LABELS}}}")
    assert "sounds of seed 0, which are those of train" in message
    assert not Path("runs").exists()


def test_runs_are_never_overwritten_unasked(recipe: Path) -> None:
    run("distill", str(recipe))
    before = Path("runs/small/student/model.safetensors").read_bytes()
    message, code = failure("distill", str(recipe))
    assert (code, "--resume" in message, "--overwrite" in message) == (2, True, True)
    begun = CliRunner().invoke(app.app, ["distill", str(recipe), "teacher.source=none", "--run", "new", "--resume"])
    assert "new holds nothing to resume; the training starts from the beginning" in begun.stderr
    message, _ = failure("distill", str(recipe), "training.epochs=3", "--resume")
    assert "differs from the recipe" in message
    assert Path("runs/small/student/model.safetensors").read_bytes() == before
    run("distill", str(recipe), "training.epochs=3", "--overwrite")
    assert Path("runs/small/student/model.safetensors").read_bytes() != before


def test_a_damaged_run_says_what_is_damaged(recipe: Path) -> None:
    run("distill", str(recipe))
    folder = Path("runs/small")
    (folder / "teacher_mean.npy").write_bytes(b"")
    message, _ = failure("evaluate")
    assert "teacher_mean.npy" in message
    assert "--resume` writes it again" in message
    run("distill", str(recipe), "--resume")
    (folder / "evaluation.json").write_text("[{")
    message, _ = failure("evaluate")
    assert "evaluation.json is damaged" in message


def test_what_cannot_work_leaves_the_former_run_alone(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("distill", str(recipe))
    before = Path("runs/small/student/model.safetensors").read_bytes()
    if not torch.cuda.is_available():
        AcceleratorState._reset_state(reset_partial_state=True)
        message, _ = failure("distill", str(recipe), "training.precision=fp16", "--overwrite")
        AcceleratorState._reset_state(reset_partial_state=True)
        assert "needs a GPU" in message
    monkeypatch.setattr("accelerate.Accelerator.num_processes", 3)
    message, _ = failure("distill", str(recipe), "training.epochs=3", "--overwrite")
    assert "cannot be dealt out evenly to 3 processes" in message
    assert Path("runs/small/student/model.safetensors").read_bytes() == before


def test_what_cannot_be_done_is_said_first(recipe: Path, tmp_path: Path) -> None:
    message, _ = failure("evaluate")
    assert "no run in" in message
    message, _ = failure("distill", str(recipe), "teacher.source=laion/clap-htsat-unfused")
    assert "hf download" in message
    (tmp_path / "flat").mkdir()
    soundfile.write(tmp_path / "flat" / "a.wav", np.random.default_rng(0).standard_normal(8000) * 0.1, 8000)
    message, _ = failure("distill", str(recipe), "data.test={kind: folder, root: flat}", "--run", "unlabelled")
    assert "needs a label for every clip" in message
    assert not Path("unlabelled").exists(), "a run folder is made only when data and teacher are there"
