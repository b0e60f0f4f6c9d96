"""The command line, called from tests."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

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


RATE = 16_000
Run = Callable[..., tuple[int, str, str]]


def interrupt(where: str, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command that gets Ctrl-C as soon as it calls the function `where`."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(where, stop)
        assert CliRunner().invoke(app.app, command).exit_code == 130


def run_program(*command: str | Path, cwd: Path) -> str:
    """What a program of another installation prints; it sees neither this checkout nor a package index."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
