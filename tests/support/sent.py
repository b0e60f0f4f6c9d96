"""What is sent to another machine, and what is said meanwhile."""

import pytest

from tinyclap.bench import remote


def replace_package(monkeypatch: pytest.MonkeyPatch, main: str) -> None:
    """What is sent as tinyclap is this script."""
    files = [(b"", "tinyclap/__init__.py"), (main.encode(), "tinyclap/__main__.py")]
    monkeypatch.setattr(remote, "_package", lambda: files)


def silent(_: str) -> None:
    """Is told what happens."""
