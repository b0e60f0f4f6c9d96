"""A command of tinyclap on another machine, over ssh: sends the package and files, brings back JSON, cleans up.

There it needs sshd, tar and a Python with the base install's requirements.
"""

import json
import re
import secrets
import shlex
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from packaging.requirements import Requirement

from tinyclap.bench.ssh import Completed, Host, run_script
from tinyclap.common.requirements import import_name, required
from tinyclap.errors import MachineError, TinyclapError

OLDEST_PYTHON = (3, 11)
NOT_FOUND = (126, 127)  # what a shell ends with
ERROR = "error: "  # how tinyclap begins its message
CLEANING_S = 30
# Says what is there: the version of this Python, and of each package, "" where it has none, null where it is missing.
LOOK = """
import json, sys
found = {"python": list(sys.version_info[:3]), "packages": {}}
if sys.version_info >= (3, 8):
    from importlib import metadata, util
    for name, package in map(lambda text: text.split("="), sys.argv[1:]):
        try:
            found["packages"][name] = metadata.version(package) if util.find_spec(name) else None
        except metadata.PackageNotFoundError:
            found["packages"][name] = ""
print(json.dumps(found))
"""


File = tuple[Path | bytes, str]
"""A file, or what one holds, and its name there."""


@dataclass(frozen=True)
class Sent:
    """An argument that is a file, or a folder of files, that was sent: by its name there, "models/audio.onnx"."""

    name: str


def run_there(
    host: Host, files: Sequence[File], arguments: Sequence[str | Sent], progress: Callable[[str], object]
) -> dict[str, Any]:
    """What a command of tinyclap prints there as JSON.

    Args:
        host: where to run it.
        files: that it needs, with names in a folder that is removed at the end, whatever happens.
        arguments: of the command.
        progress: called with a line on each step, and with what the command says there on stderr.

    Raises:
        TinyclapError: no ssh here, something is missing there, or the command refuses what it was given.
        MachineError: nobody answers there, or the command failed there.
    """
    _refuse_lacking(host)
    folder = f"tinyclap-{secrets.token_hex(8)}"
    place = f'd="${{TMPDIR:-/tmp}}/{folder}"; '
    running = "true"
    progress(f"sending tinyclap and {len(files)} files to {host.name}")
    try:
        _send(host, f'{place}umask 077; mkdir "$d" && tar -x -f - -C "$d"', [*_package(), *files])
        words = [f'"$d"/{shlex.quote(one.name)}' if isinstance(one, Sent) else shlex.quote(one) for one in arguments]
        start = f'export PYTHONPATH="$d"; exec {shlex.quote(_python(host))} -P -m tinyclap {" ".join(words)}'
        running = '[ ! -f "$d/pid" ] || kill "$(cat "$d/pid")"'  # what runs there would outlive the connection
        done = run_script(host, f'{place}echo $$ > "$d/pid"; {start}', on_line=_passed_on(host, progress))
        running = "true"  # it ended, and its number may be another's
        return _json(host, done)
    finally:
        if not _removed(host, f'{place}{running}; rm -rf "$d" || {{ sleep 1; rm -rf "$d"; }}'):
            progress(f"{host.name} did not answer: remove the folder {folder} there, in /tmp or $TMPDIR, by hand")


def _refuse_lacking(host: Host) -> None:
    """Raise a TinyclapError that says how to mend it if there is no Python, or not all that it needs."""
    needed = required()
    packages = [f"{import_name(one)}={one.name}" for one in needed]
    done = run_script(host, shlex.join([_python(host), "-c", LOOK, *packages]))
    if done.code in NOT_FOUND:
        raise TinyclapError(f"{host.name} has no {host.python}; install Python there, or name it with --remote-python")
    found = _json(host, done)
    version, allowed = (".".join(map(str, numbers)) for numbers in (found["python"], OLDEST_PYTHON))
    if tuple(found["python"]) < OLDEST_PYTHON:
        raise TinyclapError(
            f"{host.name}: {host.python} is Python {version}, and tinyclap needs {allowed} or newer; name another one "
            "with --remote-python"
        )
    lacking = [one for one in needed if _lacks(found["packages"][import_name(one)], one)]
    if lacking:
        raise TinyclapError(
            f"{host.name}: {host.python} lacks {', '.join(one.name for one in lacking)} (or has an older one); run "
            f"there: {shlex.join([host.python, '-m', 'pip', 'install', *map(str, lacking)])}\n"
            "where the system's Python refuses, make a virtual environment and name its interpreter with "
            "--remote-python"
        )


def _lacks(version: str | None, requirement: Requirement) -> bool:
    """Whether a version is missing or too old, by its leading number: builds of distributions add words of their own.

    One without a number is taken.
    """
    if version is None:
        return True
    number = re.match(r"\d+(\.\d+)*", version)
    return number is not None and not requirement.specifier.contains(number[0])


def _python(host: Host) -> str:
    home, at_home, rest = host.python.partition("~/")  # ssh begins there, and nothing is expanded within quotes
    return f"./{rest}" if at_home and not home else host.python


def _package() -> list[File]:
    """The modules of tinyclap as they lie here."""
    root = Path(__file__).parents[1]
    return [(path, f"tinyclap/{path.relative_to(root).as_posix()}") for path in sorted(root.rglob("*.py"))]


def _send(host: Host, script: str, files: Sequence[File]) -> None:
    def feed(stream: IO[bytes]) -> None:
        with tarfile.open(fileobj=stream, mode="w|") as archive:
            for content, name in files:
                entry = tarfile.TarInfo(name)  # of nobody, so that whoever unpacks it owns it
                if isinstance(content, bytes):
                    entry.size = len(content)
                    archive.addfile(entry, BytesIO(content))
                else:
                    with content.open("rb") as opened:
                        entry.size = content.stat().st_size
                        archive.addfile(entry, opened)

    done = run_script(host, script, feed=feed)
    if done.code:
        raise MachineError(f"{host.name} could not unpack what was sent ({done.last_line}); is the disk full there?")


def _passed_on(host: Host, progress: Callable[[str], object]) -> Callable[[str], None]:
    """Tells of what is said there up to the message of an error, which is raised here."""
    failed = False

    def on_line(line: str) -> None:
        nonlocal failed
        failed = failed or line.startswith(ERROR)
        if not failed:
            progress(f"{host.name}: {line}")

    return on_line


def _json(host: Host, done: Completed) -> dict[str, Any]:
    """The object on the last line, whatever a login says before it."""
    if done.code:
        _, found, message = f"\n{done.errors}".partition(f"\n{ERROR}")
        kind = TinyclapError if done.code == TinyclapError.exit_code else MachineError
        raise kind(f"on {host.name}: {message.strip() if found else done.last_line}")
    try:
        answer = json.loads(done.out.strip().rpartition("\n")[2])
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise MachineError(f"{host.name} answered {done.out[-200:]!r} where JSON was expected; does a login print it?")
    return answer


def _removed(host: Host, script: str) -> bool:
    """Clean up there; a second Ctrl-C ends the waiting for it, but not the work."""
    quiet = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            host.command(script), stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )
    except FileNotFoundError:
        return False
    try:
        return process.wait(CLEANING_S) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
