"""The ssh client: runs a script of the shell on another machine, and says what keeps it from doing so."""

import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from tinyclap.errors import MachineError, TinyclapError

CONNECTION = ("BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15")
FAILED = 255  # what ssh itself ends with
HOST = re.compile(r"(?P<where>(?:[^@\s-][^@\s]*@)?(?:\[[^\]\s]+\]|[^@\s:\[\]-][^@\s:\[\]]*))(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True)
class Host:
    """A machine that ssh can reach.

    Attributes:
        name: as the user gave it: "[user@]machine[:port]", or an alias of ssh's configuration.
        python: the interpreter there, a name or a path (from the home folder, if it is not absolute).
        config: a configuration file for ssh instead of the user's own.

    Raises:
        TinyclapError: no such name.
    """

    name: str
    python: str = "python3"
    config: Path | None = None

    def __post_init__(self) -> None:
        if not HOST.fullmatch(self.name):
            raise TinyclapError(f"--host {self.name!r}: expected user@machine, with :port where it is not 22")

    def command(self, script: str) -> list[str]:
        """The command that runs a script of the POSIX shell there."""
        found = HOST.fullmatch(self.name)
        assert found is not None
        options = [word for option in CONNECTION for word in ("-o", option)]
        config = ["-F", str(self.config)] if self.config else []
        port = ["-p", found["port"]] if found["port"] else []
        where = found["where"].replace("[", "").replace("]", "")
        return ["ssh", "-T", *options, *config, *port, "--", where, shlex.join(["sh", "-c", script])]


@dataclass(frozen=True)
class Completed:
    """What came of a command there: exit code, and text on stdout and stderr."""

    code: int
    out: str
    errors: str

    @property
    def last_line(self) -> str:
        """The last that was said on stderr, or else how it ended."""
        return (self.errors.strip().splitlines() or [f"exit code {self.code}"])[-1]


def run_script(
    host: Host,
    script: str,
    feed: Callable[[IO[bytes]], None] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Run a script there; `feed` writes what it reads, and `on_line` is called with each line of its stderr at once.

    Raises:
        TinyclapError: there is no ssh here.
        MachineError: no connection.
    """
    stdin = subprocess.PIPE if feed else subprocess.DEVNULL
    with tempfile.TemporaryFile() as out:
        try:
            process = subprocess.Popen(host.command(script), stdin=stdin, stdout=out, stderr=subprocess.PIPE)
        except FileNotFoundError as error:
            raise TinyclapError(
                "there is no ssh here; install it (apt install openssh-client), or run the command there itself"
            ) from error
        with process:
            errors = _attend(process, feed, on_line)
        out.seek(0)
        done = Completed(process.returncode, out.read().decode(errors="replace"), errors)
    if done.code == FAILED:
        _refuse_connection(host, done)
    return done


def _attend(
    process: subprocess.Popen[bytes],
    feed: Callable[[IO[bytes]], None] | None,
    on_line: Callable[[str], None] | None,
) -> str:
    """All that the process says on stderr until its end."""
    assert process.stderr is not None
    lines = []
    try:
        if feed and process.stdin is not None:
            with suppress(BrokenPipeError):  # it ended early, and says on stderr why
                feed(process.stdin)
            with suppress(BrokenPipeError):
                process.stdin.close()
        for raw in process.stderr:
            lines.append(raw.decode(errors="replace").rstrip())
            if on_line:
                on_line(lines[-1])
    except BaseException:
        process.kill()
        with suppress(BrokenPipeError):
            process.stdin and process.stdin.close()
        raise
    return "\n".join(lines)


def _refuse_connection(host: Host, done: Completed) -> NoReturn:
    """Raise the error that says why ssh failed, and what helps."""
    if "IDENTIFICATION HAS CHANGED" in done.errors:
        raise TinyclapError(
            f"{host.name} shows another key than the one that ssh knows: it may be another machine. If it was set up "
            "anew, forget the old key (`ssh-keygen -R MACHINE`) and connect once by hand"
        )
    if "Host key verification failed" in done.errors:
        raise TinyclapError(
            f"ssh does not know the key of {host.name} yet; connect once by hand (`ssh {host.name}`) and compare it"
        )
    if "Permission denied" in done.errors:
        raise TinyclapError(
            f"{host.name} does not let us in without a password ({done.last_line}); leave your key there "
            f"(`ssh-copy-id {host.name}`), or load it into the agent (`ssh-add`)"
        )
    raise MachineError(f"no connection to {host.name} ({done.last_line}); does `ssh {host.name}` work?")
