"""An untrained teacher and a recipe of seconds."""

from pathlib import Path

import pytest

from tests.support.tiny import small_recipe, tiny_clap


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
