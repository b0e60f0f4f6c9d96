"""Run folders for reports."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cost_runs import FULL_DIM
from tests.support.report_runs import fake_run
from tinyclap.models.student_config import StudentConfig


@pytest.fixture
def cost_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a run folder with a student of a shape that can be counted; other files by their path in it."""
    monkeypatch.chdir(tmp_path)

    def make(files: dict[str, Any] | None = None, dim: int = FULL_DIM, **replaced: Any) -> Path:
        folder = fake_run(Path("runs/esc10-1"), **replaced)
        config = StudentConfig(embed_dim=dim)
        for name, content in ({"student/config.json": dataclasses.asdict(config)} | (files or {})).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return folder

    return make
