"""What is needed is what pyproject.toml says, read from the installed package."""

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tinyclap.bench.remote import OLDEST_PYTHON
from tinyclap.cli.failures import explain
from tinyclap.common.requirements import extra_of, import_name, required
from tinyclap.errors import TinyclapError

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("extra", ["", *PROJECT["optional-dependencies"]])
def test_requirements_are_those_of_the_project(extra: str) -> None:
    listed = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    found = {(canonicalize_name(one.name), str(one.specifier)) for one in required(extra)}
    assert found == {(canonicalize_name(one.name), str(one.specifier)) for one in map(Requirement, listed)}


def test_python_is_that_of_the_project() -> None:
    assert PROJECT["requires-python"] == f">={'.'.join(map(str, OLDEST_PYTHON))}"


def test_every_requirement_of_the_base_install_is_imported_under_the_name_told() -> None:
    names = " ".join(map(import_name, required()))
    done = subprocess.run([sys.executable, "-c", f"for name in '{names}'.split(): __import__(name)"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("module", "extra"),
    [("torch", "train"), ("jinja2", "train"), ("tokenizers", "text"), ("sounddevice", "mic"), ("torchvision", "bench")],
)
def test_a_missing_module_is_named_with_the_extra_that_brings_it(module: str, extra: str) -> None:
    assert extra_of(module) == extra
    message = f'the package {module} is not installed; run: pip install "tinyclap[{extra}]"'
    assert explain(ModuleNotFoundError(name=f"{module}.nn")) == (message, 2)


def test_a_module_that_nothing_brings_is_a_fault_of_the_program() -> None:
    assert extra_of("tinyclop") is None
    assert explain(ModuleNotFoundError(name="tinyclop")) is None


def test_without_metadata_the_package_alone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(
        TinyclapError, match="not installed here, only found on the path; run in its folder: pip install"
    ):
        required()
    assert explain(ModuleNotFoundError(name="torch")) == (
        "the package torch is not installed; run: pip install torch",
        2,
    )
