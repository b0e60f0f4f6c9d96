"""`tinyclap distill-text`, from a recipe to a finished run, through the command line's own functions."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.support.commands import failure, interrupt, run
from tests.support.tiny import LABELS, tiny_clap, write_labelled
from tests.support.tiny_texts import TEXTS
from tinyclap.cli import app
from tinyclap.config.load_recipe import load_recipe
from tinyclap.data.texts.corpus import Caption
from tinyclap.evaluation.words import agreement
from tinyclap.models.text_student import TextStudent
from tinyclap.pipelines.text_side import _held_out, prepare_words
from tinyclap.teachers import load_teacher
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.training import distributed

FOLDER = Path("runs/words")
FILES = ("recipe.yaml", "env.json", "text.json", "summary.json", "text/metrics.jsonl", "text/student/tokenizer.json")
TESTED = f"data.test={{kind: procedural, n_clips: 84, duration_s: 1.0, labels: {LABELS}}}"


def write_recipe(teacher: Path) -> str:
    """A recipe of a second, in the current folder."""
    Path("mine.txt").write_text("\n".join(TEXTS[::4]) + "\n")
    Path("words.yaml").write_text(f"""
task: distill_text
name: words
teacher: {{kind: hf, source: {teacher}}}
text:
  sources:
    - {{kind: labels, labels: [church_bell, dog_bark, rain, siren, Thunderstorm]}}
    - {{kind: file, path: mine.txt, licence: CC0-1.0}}
  misspelled: 1.0
  held_out: 30
  student: {{vocabulary: 100, table_dim: 16, dim: 16, layers: 1, heads: 2}}
  training: {{epochs: 3, batch_size: 16, lr: 0.01}}
evaluate: {{bootstrap: 100}}
""")
    return "words.yaml"


@pytest.fixture
def recipe(teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A recipe in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    return write_recipe(teacher_folder)


@pytest.fixture(scope="module")
def whole(teacher_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same recipe's run, which nothing stopped."""
    home = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("TINYCLAP_CACHE", str(home / "cache"))
        run("distill-text", write_recipe(teacher_folder))
    return home / FOLDER


@pytest.fixture
def finished(recipe: str, whole: Path) -> str:
    """The recipe, beside a copy of its run."""
    shutil.copytree(whole, FOLDER)
    return recipe


def written(name: str, folder: Path = FOLDER) -> Any:
    return json.loads((folder / name).read_text())


def losses(folder: Path = FOLDER) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "text/metrics.jsonl").read_text().splitlines()]


def model(folder: Path = FOLDER) -> bytes:
    return (folder / "text/student/model.safetensors").read_bytes()


# ---- from end to end


def test_from_a_recipe_to_a_report(recipe: str, teacher_folder: Path) -> None:
    told = run("distill-text", recipe, TESTED)
    assert str(FOLDER) in told
    for name in FILES:
        assert (FOLDER / name).is_file(), name
    assert (FOLDER / "report/report.html").is_file()
    assert (FOLDER / "report/report.md").is_file()
    summary, result = written("summary.json"), written("text.json")
    teacher = load_teacher("hf", str(teacher_folder))
    assert (summary["task"], summary["name"]) == ("distill_text", "words")
    assert summary["teacher"]["fingerprint"] == result["teacher"]["fingerprint"] == teacher.fingerprint
    assert result["licences"] == {"labels": "the user's own", "mine.txt": "CC0-1.0"}
    assert set(result["groups"]) == {"names", "prompts", "captions", "misspellings"}
    held = result["agreement"]["groups"][0]
    assert (held["group"], 20 < held["n"] <= 30) == ("all", True)
    assert summary["captions"] == result["captions"] == sum(result["groups"].values()) - held["n"]
    assert losses()[-1] < losses()[0]
    assert (result["zero_shot"]["n_clips"], list(result["zero_shot"]["ears"])) == (8, ["teacher"])
    student = TextStudent.from_pretrained(FOLDER / "text/student")
    assert student.embed_text(["a dog barks", ""]).shape == (2, teacher.embed_dim)
    assert student.config.teacher == teacher.fingerprint
    assert result["student"]["parameters"] == sum(parameter.numel() for parameter in student.parameters())
    card = (FOLDER / "text/student/README.md").read_text()
    assert "TextStudent.from_pretrained" in card
    assert "CC0-1.0" in card


def test_a_table_that_is_not_trained_stays_as_the_teacher_has_it(recipe: str, teacher_folder: Path) -> None:
    run("distill-text", recipe, "text.training.train_table=false", "text.exclude=[siren]")
    made = TextStudent.from_pretrained(FOLDER / "text/student")
    asked = load_recipe(FOLDER / "recipe.yaml", task="distill_text").text
    begun = prepare_words(asked, load_teacher("hf", str(teacher_folder)), 0).student
    assert torch.equal(made.table.weight, begun.table.weight)
    assert not torch.equal(made.head.weight, begun.head.weight)


def test_what_is_told_of_held_out_captions_can_be_counted_again(recipe: str, teacher_folder: Path) -> None:
    """With texts that no training has seen: the student in the folder, the teacher, and `agreement`."""
    overrides = ["text.sources=[{kind: file, path: mine.txt}]", "text.misspelled=0", "text.held_out=40"]
    run("distill-text", recipe, *overrides)
    captions = [Caption(text, text, "captions") for text in sorted(TEXTS[::4], key=len)]
    held = sorted(_held_out(captions, 40))
    texts = [captions[number].text for number in held]
    learned = [caption.text for number, caption in enumerate(captions) if number not in held]
    teacher = load_teacher("hf", str(teacher_folder))
    student = TextStudent.from_pretrained(FOLDER / "text/student")
    mean = teacher.embed_text(learned).numpy().mean(axis=0)
    expected = agreement(
        student.embed_text(texts).numpy(), teacher.embed_text(texts).numpy(), mean, ["captions"] * len(held)
    )
    found = written("text.json")["agreement"]
    assert found["groups"][0]["n"] == 40
    for name in ("cosine", "centred_cosine"):
        assert found["groups"][0][name] == pytest.approx(expected["groups"][0][name], abs=2e-3)
    for name in ("found_1", "found_10", "neighbours"):
        assert found[name] == pytest.approx(expected[name], abs=0.06)


def test_without_captions_to_measure_on_or_sounds_there_is_less_to_tell(recipe: str) -> None:
    run("distill-text", recipe, "text.held_out=0", "text.student.kind=static", "text.student.layers=0")
    assert {"agreement", "zero_shot"}.isdisjoint(written("text.json"))
    assert (FOLDER / "report/report.html").is_file()
    message, _ = failure("evaluate")
    assert "has no data.test; name labelled or captioned data with --data KIND --root FOLDER" in message
    write_labelled(Path("sounds"))
    run("evaluate", "--data", "folder", "--root", "sounds")
    row = written("text.json")["zero_shot"]["ears"]["teacher"]
    assert 0 <= row["student_words"]["accuracy"] <= 1


def test_a_second_run_asks_no_teacher(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("distill-text", recipe, "text.training.text_weight=0", "--run", "first")

    def refuse(self: TrainableTeacher, texts: list[str]) -> torch.Tensor:
        raise AssertionError(f"the teacher was asked for {texts}")

    monkeypatch.setattr(TrainableTeacher, "embed_text", refuse)
    run("distill-text", recipe, "text.training.text_weight=0", "--run", "second")
    assert model(Path("first")) == model(Path("second"))
    assert losses(Path("first")) == losses(Path("second"))


# ---- stopped and taken up again


def stop_at_step(number: int) -> Callable[..., list[np.ndarray]]:
    """In place of the loop's `micro_batches`: sends the process a real Ctrl-C at a step."""
    steps = iter(range(number + 1))
    usual = distributed.micro_batches

    def share(*arguments: Any) -> Any:
        if next(steps) == number:
            signal.raise_signal(signal.SIGINT)
        return usual(*arguments)

    return share


def test_interrupted_in_the_middle_it_resumes_to_the_same_student(
    recipe: str, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice: in the second epoch and in the third, of some seven steps each."""
    command = ["distill-text", recipe]
    for stop, resume in ((10, []), (8, ["--resume"])):
        with monkeypatch.context() as patch:
            patch.setattr("tinyclap.training.distill.micro_batches", stop_at_step(stop))
            assert CliRunner().invoke(app.app, [*command, *resume]).exit_code == 130
        assert not (FOLDER / "summary.json").exists()
    assert len(losses()) == 2
    message, code = failure(*command)
    assert (code, "--resume" in message) == (2, True)
    message, code = failure("evaluate")
    assert (code, "runs/words is not finished; go on with `tinyclap distill-text" in message) == (2, True)
    for _ in ("taken up again", "finished already"):
        run(*command, "--resume")
        assert model() == model(whole)
        assert losses() == losses(whole)


@pytest.mark.parametrize(
    "where",
    ["tinyclap.teachers.base.TrainableTeacher.embed_text", "tinyclap.pipelines.text_side.text_card"],
    ids=["while the teacher reads", "when the student is saved"],
)
def test_interrupted_before_and_after_the_training_too(
    recipe: str, whole: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(where, ["distill-text", recipe], monkeypatch)
    assert not (FOLDER / "summary.json").exists()
    run("distill-text", recipe, "--resume")
    assert model() == model(whole)


def test_a_run_is_never_overwritten_unasked(finished: str) -> None:
    before = model()
    message, code = failure("distill-text", finished)
    assert (code, "--resume" in message, "--overwrite" in message) == (2, True, True)
    message, _ = failure("distill-text", finished, "text.training.epochs=1", "--resume")
    assert "differs from the recipe" in message
    message, _ = failure("distill-text", finished, "--resume", "--overwrite")
    assert "give one of them" in message
    assert model() == before
    run("distill-text", finished, "text.training.epochs=1", "--overwrite")
    assert model() != before
    assert len(losses()) == 1


def test_other_captions_or_another_teacher_are_noticed(finished: str, teacher_folder: Path) -> None:
    text = Path("mine.txt").read_text()
    Path("mine.txt").write_text(text + "one caption more\n")
    message, code = failure("distill-text", finished, "--resume")
    assert (code, "the captions of run runs/words changed since it began" in message) == (2, True)
    Path("mine.txt").write_text(text)
    run("distill-text", finished, "--resume")
    other = tiny_clap(["a dog barking", "rain falls"], embed_dim=16)
    with torch.no_grad():
        other.model.text_projection.linear2.weight.mul_(-1)
    other.save_pretrained(Path("clap"), "card")
    (FOLDER / "recipe.yaml").write_text((FOLDER / "recipe.yaml").read_text().replace(str(teacher_folder), "clap"))
    write_labelled(Path("sounds"))
    message, code = failure("evaluate", "--data", "folder", "--root", "sounds")
    assert (code, "the teacher of run runs/words changed since it began" in message) == (2, True)


# ---- what cannot be done


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["text.sources.1.path=gone.txt"], "gone.txt"),
        (["teacher.source=./gone"], "gone: there is no such folder"),
        (["text.held_out=900"], "text.held_out is 900 and there are "),
        (["text.training.texts=gone.txt"], "text.training.texts: there is no file gone.txt"),
        (["text.exclude=[a, the, rain, siren, bell, bark, dog, thunderstorm, of]"], "texts: no caption is left of"),
        (["data.test={kind: folder, root: gone}"], "gone"),
        (["data.test={kind: procedural, n_clips: 42, labels: [rain]}"], "two or more classes"),
        (["text.training.epochs=0"], "text.training.epochs: got 0"),
        (["text.training.confusable_share=0.5"], "confusable_share: got 0.5, allowed: 0 where relational_weight is 0"),
    ],
    ids=lambda value: value[0].split("=")[0] if isinstance(value, list) else "",
)
def test_it_is_said_before_a_run_folder_is_made(recipe: str, overrides: list[str], message: str) -> None:
    told, code = failure("distill-text", recipe, *overrides)
    assert message in told
    assert code == 2
    assert not Path("runs").exists()


def test_a_former_run_outlives_what_cannot_work(finished: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = model()
    monkeypatch.setattr("accelerate.Accelerator.num_processes", 3)
    message, _ = failure("distill-text", finished, "text.training.epochs=1", "--overwrite")
    assert "cannot be dealt out evenly to 3 processes" in message
    assert model() == before


def test_the_wrong_command_names_the_right_one(recipe: str) -> None:
    for command in ("distill", "pretrain"):
        message, code = failure(command, recipe)
        assert (code, f"run: tinyclap distill-text {recipe}" in message) == (2, True)


# ---- captions to measure on


def test_captions_of_one_meaning_are_held_out_together() -> None:
    captions = [
        Caption(f"{meaning} {number}", meaning, "g")
        for meaning in "abcdefghij"
        for number in range(1 + ord(meaning) % 4)
    ]
    for count in range(len(captions) + 1):
        held = _held_out(captions, count)
        assert len(held) == len(set(held)) <= count
        meanings = {captions[number].meaning for number in held}
        assert {number for number, caption in enumerate(captions) if caption.meaning in meanings} == set(held)
        assert len(held) > count - 4
    assert _held_out(captions, 0) == []
    turned = {captions[::-1][number].text for number in _held_out(captions[::-1], 9)}
    assert turned == {captions[number].text for number in _held_out(captions, 9)}, "whatever their order"
