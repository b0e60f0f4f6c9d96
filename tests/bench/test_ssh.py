"""The way to another machine: who is let in, which Python is there and what it lacks."""

import shlex
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.servers.ssh_server import Machine, replace_package, silent
from tinyclap.bench import remote
from tinyclap.bench.remote import run_there
from tinyclap.bench.ssh import Host
from tinyclap.errors import MachineError, TinyclapError


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("off", MachineError, r"no connection to off \(.*Connection refused\); does `ssh off` work\?"),
        ("new", TinyclapError, r"does not know the key of new yet; connect once by hand \(`ssh new`\)"),
        ("changed", TinyclapError, "changed shows another key than the one that ssh knows"),
        ("stranger", TinyclapError, r"does not let us in without a password \(.*Permission denied .*ssh-copy-id"),
    ],
)
def test_no_way_in(machine: Machine, name: str, kind: type[TinyclapError], message: str) -> None:
    with pytest.raises(TinyclapError, match=message) as caught:
        run_there(machine.host(name), [], [], silent)
    assert type(caught.value) is kind


def test_no_ssh_here(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TinyclapError, match="there is no ssh here; install it"):
        run_there(machine.host(), [], [], silent)


def test_no_python_there(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match="pi has no python9; install Python there, or name it with --remote-python"):
        run_there(machine.host(python="python9"), [], [], silent)
    old = tmp_path / "old"
    old.write_text("""#!/bin/sh\necho '{"python": [3, 9, 2], "packages": {}}'\n""")
    old.chmod(0o755)
    with pytest.raises(TinyclapError, match=r"is Python 3\.9\.2, and tinyclap needs 3\.11 or newer"):
        run_there(machine.host(python=str(old)), [], [], silent)
    assert machine.left() == []


def test_a_python_in_the_home_folder(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    link = machine.temporary.parent / "my python"
    link.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    link.chmod(0o755)
    replace_package(monkeypatch, "print('{}')")
    assert run_there(machine.host(python="~/my python"), [], [], silent) == {}


def test_missing_packages(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [Requirement(text) for text in ("numpy>=1.26", "soxr>=99.1", "not-there>=2.0")]
    monkeypatch.setattr(remote, "required", lambda: wanted)
    with pytest.raises(TinyclapError) as caught:
        run_there(machine.host(), [], [], silent)
    line = shlex.join([sys.executable, "-m", "pip", "install", "soxr>=99.1", "not-there>=2.0"])
    assert f"lacks soxr, not-there (or has an older one); run there: {line}\n" in str(caught.value)
    assert machine.left() == []


@pytest.mark.parametrize(
    ("version", "requirement", "lacks"),
    [
        (None, "numpy>=1.26", True),
        ("1.9.9", "numpy>=1.26", True),
        ("1.26", "numpy>=1.26", False),
        ("2.0.0rc1", "numpy>=1.26", False),
        ("1.26.0.post1", "numpy>=1.26", False),
        ("3.0", "torch>=2.11,<2.12", True),
        ("1.26.4-ubuntu5", "numpy>=1.26", False),
        ("1.9.9-ubuntu5", "numpy>=1.26", True),
        ("unknown", "numpy>=1.26", False),
        ("", "onnxruntime>=1.20", False),  # there under the name of another build
    ],
)
def test_versions_are_compared_by_their_numbers(version: str | None, requirement: str, lacks: bool) -> None:
    assert remote._lacks(version, Requirement(requirement)) == lacks


@pytest.mark.parametrize("name", ["", "-oProxyCommand=x", "me@-x", "a b", "a:b", "a:", "me@", "@pi", "pi:22:22"])
def test_no_host(name: str) -> None:
    with pytest.raises(TinyclapError, match="expected user@machine, with :port where it is not 22"):
        Host(name)


def test_the_ssh_command() -> None:
    assert Host("me@pi").command("true")[-3:] == ["--", "me@pi", "sh -c true"]
    command = Host("me@[fe80::1]:2222", config=Path("c")).command("a b")
    assert command[-3:] == ["--", "me@fe80::1", "sh -c 'a b'"]
    assert "BatchMode=yes" in command
    assert command[command.index("-p") + 1] == "2222"
    assert command[command.index("-F") + 1] == "c"
