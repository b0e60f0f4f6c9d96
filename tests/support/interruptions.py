"""Ctrl-C at a known place."""

import pytest
from typer.testing import CliRunner

from tinyclap.cli import app


def interrupt(where: str, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command that gets Ctrl-C as soon as it calls the function `where`."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(where, stop)
        assert CliRunner().invoke(app.app, command).exit_code == 130
