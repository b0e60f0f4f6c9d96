"""The command line, called from tests."""

import pytest
from typer.testing import CliRunner

from tinyclap.cli import app
from tinyclap.cli.failures import explain
from tinyclap.errors import TinyclapError


def invoke(*arguments: str) -> tuple[str, str]:
    """Standard output and error of a command that must succeed."""
    result = CliRunner().invoke(app.app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result.stdout, result.stderr


def run(*arguments: str) -> str:
    """Standard output of a command that must succeed."""
    return invoke(*arguments)[0]


def failure(*arguments: str) -> tuple[str, int]:
    """Message and exit code of a command that must fail."""
    with pytest.raises(TinyclapError) as caught:
        CliRunner().invoke(app.app, list(arguments), catch_exceptions=False)
    explained = explain(caught.value)
    assert explained is not None
    return explained
