"""`tinyclap distill-text` with confusable captions side by side."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.pipelines.test_distill_text import losses, model, stop_at_step, write_recipe
from tests.support.commands import run
from tinyclap.cli import app


def test_confusable_captions_meet_and_it_resumes_to_the_same_student(
    teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = write_recipe(teacher_folder)
    command = ["distill-text", recipe, "text.training.confusable_share=1", "text.training.relational_weight=0.5"]
    run(*command, "--run", "runs/mined")
    with monkeypatch.context() as patch:
        patch.setattr("tinyclap.training.distill.micro_batches", stop_at_step(10))
        assert CliRunner().invoke(app.app, command).exit_code == 130
    run(*command, "--resume")
    assert model() == model(Path("runs/mined"))
    assert losses() == losses(Path("runs/mined"))
    command[2] = "text.training.confusable_share=0"
    run(*command, "--overwrite")
    assert model() != model(Path("runs/mined"))
