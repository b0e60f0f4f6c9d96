"""What tests of generated C share."""

from pathlib import Path

import pytest

from tests.support.generated_c import needs_a_compiler


@pytest.fixture(autouse=True)
def compiler_here() -> None:
    needs_a_compiler()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "c"
