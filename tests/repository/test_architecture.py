"""The house as pyproject.toml describes it: rooms that stand on those below them, and modules of a size to read."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "tinyclap"
MOST_MODULES, MOST_LINES = 20, 319
FOLDERS = ("tinyclap", "tests", "benchmarks", "export")


def check_contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    """The contracts, checked in a folder that holds pyproject.toml and the package."""
    code = (
        "import sys; sys.path.insert(0, ''); from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    command = [sys.executable, "-P", "-c", code, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    shutil.copytree(PACKAGE, folder / "tinyclap", ignore=shutil.ignore_patterns("__pycache__", "assets"))
    return folder


def test_the_contracts_hold(copy: Path) -> None:
    done = check_contracts(copy)
    assert done.returncode == 0, done.stdout
    assert "4 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "wrong", "contract"),
    [
        ("common/files.py", "from tinyclap.runs import folder", "Every room stands on those below it"),
        ("scaling/has.py", "from tinyclap.pruning import fold", "Every room stands on those below it"),
        ("attic/__init__.py", '"""A room that no layer names."""', "Every room stands on those below it"),
        ("runtime/bundle.py", "import torch", "What runs on a device needs no training package"),
        ("reports/console/run.py", "import matplotlib", "What runs on a device needs no training package"),
        ("embeddings/similarity.py", "from pydantic import BaseModel", "The device path needs no pydantic"),
        ("training/distill.py", "from tinyclap.config.load_recipe import load_recipe", "Recipes stop at the pipelines"),
    ],
)
def test_a_wrong_import_breaks_its_contract(copy: Path, module: str, wrong: str, contract: str) -> None:
    path = copy / "tinyclap" / module
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    try:
        path.write_text(f"{before or ''}\n{wrong}\n", encoding="utf-8")
        done = check_contracts(copy)
    finally:
        if before is None:
            shutil.rmtree(path.parent)
        else:
            path.write_text(before, encoding="utf-8")
    assert done.returncode == 1, done.stderr
    assert f"{contract} BROKEN" in done.stdout


def modules() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((REPOSITORY / folder).rglob("*.py"))]


def test_folders_and_modules_are_of_a_size_to_read() -> None:
    folders = {path.parent for path in modules()}
    full = {folder: count for folder in folders if (count := len(list(folder.glob("*.py")))) > MOST_MODULES}
    assert not full
    long = {path: lines for path in modules() if (lines := len(path.read_text("utf-8").splitlines())) > MOST_LINES}
    assert not long


def test_every_room_asks_its_question() -> None:
    for folder in {path.parent for path in PACKAGE.rglob("*.py")}:
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))), folder


def test_no_module_repeats_the_name_of_its_room() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert not path.stem.startswith(f"{path.parent.name}_"), path


def test_tests_mirror_the_rooms() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    folders = {path.name for path in (REPOSITORY / "tests").iterdir() if (path / "__init__.py").exists()}
    assert folders - {"support", "repository"} <= rooms
