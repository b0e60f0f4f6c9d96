"""From a recipe to a finished run, through the command line's own functions."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from accelerate.state import AcceleratorState
from typer.testing import CliRunner

from tests.support.commands import failure, run
from tests.support.tiny import LABELS, small_recipe, tiny_clap
from tinyclap.cli import app
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.models.student import Student
from tinyclap.teachers.base import TrainableTeacher

ASKED_KEYS = {"retention", "agreement", "cosine", "centred_cosine", "knn10_overlap", "n_clips", "prompts"}


@pytest.fixture(scope="module")
def teacher_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained teacher in LAION's format: what is tested here is the way, not the accuracy."""
    teacher = tiny_clap(["a dog barking", "rain falls"], embed_dim=16)
    folder = tmp_path_factory.mktemp("teacher") / "clap"
    teacher.save_pretrained(folder, "---\nlicense: cc-by-4.0\n---\n# untrained\n")
    return folder


@pytest.fixture
def recipe(teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe of seconds, in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(small_recipe(teacher_folder))
    return tmp_path / "small.yaml"


def interrupt(where: str, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command that gets Ctrl-C as soon as it calls the function `where`."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(where, stop)
        assert CliRunner().invoke(app.app, command).exit_code == 130


def test_from_a_recipe_to_a_report(recipe: Path, tmp_path: Path) -> None:
    told = run("distill", str(recipe))
    folder = tmp_path / "runs" / "small"
    for name in ("recipe.yaml", "env.json", "metrics.jsonl", "summary.json", "evaluation.json", "teacher_mean.npy"):
        assert (folder / name).is_file(), name
    assert (folder / "report" / "report.html").is_file()
    assert (folder / "report" / "report.md").is_file()
    assert "zero-shot accuracy" in told
    assert "next     tinyclap evaluate runs/small" in told
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
    clips = Procedural(84, seed=5, duration_s=1.0)
    for index in range(84):
        label = str(clips.clips[index].label)
        if label in LABELS:
            (tmp_path / "test" / label).mkdir(parents=True, exist_ok=True)
            soundfile.write(tmp_path / "test" / label / f"{index}.flac", clips.load(index, 16_000), 16_000)
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
    assert "new holds nothing to resume: it is begun now" in begun.stderr
    message, _ = failure("distill", str(recipe), "training.epochs=3", "--resume")
    assert "differs from the recipe" in message
    assert Path("runs/small/student/model.safetensors").read_bytes() == before
    run("distill", str(recipe), "training.epochs=3", "--overwrite")
    assert Path("runs/small/student/model.safetensors").read_bytes() != before


def test_evaluate_on_other_data(recipe: Path, tmp_path: Path) -> None:
    run("distill", str(recipe))
    clips = Procedural(84, seed=5, duration_s=1.0)
    for index in range(84):
        label = str(clips.clips[index].label)
        if label in LABELS:
            (tmp_path / "other" / label).mkdir(parents=True, exist_ok=True)
            soundfile.write(tmp_path / "other" / label / f"{index}.flac", clips.load(index, 16_000), 16_000)
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
    assert "warning: 24 of the test clips were heard in training" in heard
    assert json.loads(Path("runs/small/evaluation.json").read_text())[1]["heard_in_training"] == 24
    assert "24 of the test clips were heard in training" in Path("runs/small/report/report.html").read_text()
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
