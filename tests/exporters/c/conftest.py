"""Untrained students of every kind, and their C."""

import shutil
from pathlib import Path

import pytest

from tinyclap.exporters.c.compiled import compiler


@pytest.fixture(autouse=True)
def needs_a_compiler() -> None:
    if compiler() is None:
        pytest.skip("no C compiler here (cc, gcc or clang)")


def tool(name: str) -> str:
    """The path of a program; the test is skipped without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(
            f"{name} is not installed (Debian: gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm clang)"
        )
    return found


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "c"
