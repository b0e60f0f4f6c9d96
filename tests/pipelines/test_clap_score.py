"""Scores by a run's student and by its teacher: the same embeddings as the models give, and the line between both."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.commands import failure, run
from tests.support.sounds import noise, write
from tests.support.tiny import small_recipe, tiny_clap
from tinyclap.audio import files
from tinyclap.errors import TinyclapError
from tinyclap.models.student import Student
from tinyclap.pipelines.clap_score import named_teacher
from tinyclap.teachers import load_teacher
from tinyclap.teachers.encoder import Teacher

TEXTS = [f"the sound of {word}" for word in ("dogs", "rain", "a siren", "a bell", "cows", "wind")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, its bundle, clips and their prompts."""
    folder = tmp_path_factory.mktemp("made")
    tiny_clap(TEXTS, embed_dim=16).save_pretrained(folder / "teacher", "---\nlicense: mit\n---\n# untrained\n")
    (folder / "small.yaml").write_text(small_recipe(folder / "teacher"))
    run("distill", str(folder / "small.yaml"), "--run", str(folder / "run"))
    run("export", str(folder / "run"), "--onnx", "--text")
    (folder / "clips").mkdir()
    for number in range(len(TEXTS)):
        write(folder / "clips" / f"{number}.wav", noise(1.0 + number, seed=number))
    (folder / "prompts.csv").write_text(
        "\n".join(["file,prompt", *(f"{n}.wav,{text}" for n, text in enumerate(TEXTS))])
    )
    return folder


def told(folder: Path, *options: str) -> dict:
    found: dict = json.loads(
        run("score", str(folder / "clips"), "--prompts", str(folder / "prompts.csv"), *options, "--json")
    )
    return found


def cosines(result: dict, key: str = "cosine") -> np.ndarray:
    return np.array([pair[key] for pair in result["pairs"]])


def by_hand(folder: Path, model: Student | Teacher) -> np.ndarray:
    words = load_teacher("hf", str(folder / "teacher")).embed_text(TEXTS).numpy()
    rows = []
    for number in range(len(TEXTS)):
        samples = torch.from_numpy(files.read(folder / "clips" / f"{number}.wav", model.sample_rate))[None]
        rows.append(model.embed_audio(samples)[0].numpy())
    return (np.stack(rows) * words).sum(axis=1)


@pytest.mark.slow
def test_student_teacher_and_the_line_between(made: Path) -> None:
    student, teacher = Student.from_pretrained(made / "run" / "student"), load_teacher("hf", str(made / "teacher"))
    result = told(made, "--run", str(made / "run"), "--calibrate")
    own, theirs = by_hand(made, student), by_hand(made, teacher)
    np.testing.assert_allclose(cosines(result), own, atol=1e-4)
    np.testing.assert_allclose(cosines(result, "teacher"), theirs, atol=1e-4)
    line = np.polyfit(cosines(result), cosines(result, "teacher"), 1)
    np.testing.assert_allclose([result["calibration"][key] for key in ("slope", "intercept")], line, rtol=1e-6)
    assert result["calibrated"]["score"] == pytest.approx(result["teacher_score"]["score"])
    assert result["teacher"]["name"] == teacher.name
    alone = told(made, "--teacher", f"hf:{made / 'teacher'}")
    np.testing.assert_allclose(cosines(alone), theirs, atol=1e-4)
    assert told(made, "--teacher", str(made / "small.yaml"))["by"] == alone["by"]


@pytest.mark.slow
def test_a_bundle_of_a_run_is_calibrated_by_its_teacher(made: Path, tmp_path: Path) -> None:
    result = told(made, "--bundle", str(made / "run"), "--calibrate")
    by_run = told(made, "--run", str(made / "run"), "--calibrate")
    np.testing.assert_allclose(cosines(result), cosines(by_run), atol=1e-3)
    assert result["teacher_score"] == by_run["teacher_score"]
    (tmp_path / "line.json").write_text(json.dumps(result))
    later = told(made, "--bundle", str(made / "run"), "--calibration", str(tmp_path / "line.json"))
    assert later["calibrated"] == result["calibrated"]
    refused, code = failure(
        *("score", str(made / "clips"), "--prompts", str(made / "prompts.csv"), "--run", str(made / "run")),
        *("--calibration", str(tmp_path / "line.json")),
    )
    assert code == 2
    assert "whose scores are others than those of" in refused


def test_teachers_that_are_none() -> None:
    for named, message in (
        ("clap:demo", "kind 'clap' is not known; allowed: hf, laion, msclap, clsp, naflexclap, dual, or a recipe"),
        ("nowhere", "nowhere"),
        ("demo_teacher", "the recipe makes a teacher; give dual:RUN/teacher"),
    ):
        with pytest.raises(TinyclapError) as caught:
            named_teacher(named)
        assert message in str(caught.value)
