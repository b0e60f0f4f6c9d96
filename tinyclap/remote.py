"""A command of tinyclap on another machine, over ssh: sends the package and files, brings back JSON, cleans up.

There it needs sshd, tar and a Python with what REQUIREMENTS names. No torch.
"""

import json
import re
import secrets
import shlex
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NoReturn

from tinyclap.errors import MachineError, TinyclapError

OLDEST_PYTHON = (3, 11)
# The base install's, by the name under which each is imported.
REQUIREMENTS = {
    "numpy": "numpy>=1.26",
    "onnxruntime": "onnxruntime>=1.20",
    "pydantic": "pydantic>=2.11",
    "yaml": "pyyaml>=6.0.1",
    "soundfile": "soundfile>=0.13",
    "soxr": "soxr>=0.5",
    "tqdm": "tqdm>=4.66",
    "typer": "typer>=0.26",
}
CONNECTION = ("BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15")
SSH_FAILED, NOT_FOUND = 255, (126, 127)
ERROR = "error: "  # how tinyclap begins its message
CLEANING_S = 30
HOST = re.compile(r"(?P<where>(?:[^@\s-][^@\s]*@)?(?:\[[^\]\s]+\]|[^@\s:\[\]-][^@\s:\[\]]*))(?::(?P<port>\d{1,5}))?")
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

    def ssh(self, script: str) -> list[str]:
        """The command that runs a script of the POSIX shell there."""
        found = HOST.fullmatch(self.name)
        assert found is not None
        options = [word for option in CONNECTION for word in ("-o", option)]
        config = ["-F", str(self.config)] if self.config else []
        port = ["-p", found["port"]] if found["port"] else []
        where = found["where"].replace("[", "").replace("]", "")
        return ["ssh", "-T", *options, *config, *port, "--", where, shlex.join(["sh", "-c", script])]


File = tuple[Path | bytes, str]
"""A file, or what one holds, and its name there."""


@dataclass(frozen=True)
class Done:
    """What came of a command there: exit code, and text on stdout and stderr."""

    code: int
    out: str
    errors: str


def run_there(
    host: Host, files: Sequence[File], arguments: Sequence[str], tell: Callable[[str], object]
) -> dict[str, Any]:
    """What a command of tinyclap prints there as JSON.

    Args:
        host: where to run it.
        files: that it needs, with names in a folder that is removed at the end, whatever happens.
        arguments: of the command; those that begin with "@" name files that were sent: "@models/audio.onnx".
        tell: is told what happens, and what the command says there on stderr.

    Raises:
        TinyclapError: no ssh here, something is missing there, or the command refuses what it was given.
        MachineError: nobody answers there, or the command failed there.
    """
    _refuse_lacking(host)
    folder = f"tinyclap-{secrets.token_hex(8)}"
    place = f'd="${{TMPDIR:-/tmp}}/{folder}"; '
    running = "true"
    tell(f"sending tinyclap and {len(files)} files to {host.name}")
    try:
        _send(host, f'{place}umask 077; mkdir "$d" && tar -x -f - -C "$d"', [*_package(), *files])
        words = [f'"$d"/{shlex.quote(one[1:])}' if one[:1] == "@" else shlex.quote(one) for one in arguments]
        start = f'export PYTHONPATH="$d"; exec {shlex.quote(_python(host))} -P -m tinyclap {" ".join(words)}'
        running = '[ ! -f "$d/pid" ] || kill "$(cat "$d/pid")"'  # what runs there would outlive the connection
        answer = _answer(host, f'{place}echo $$ > "$d/pid"; {start}', tell)
        running = "true"
        return answer
    finally:
        if not _removed(host, f'{place}{running}; rm -rf "$d"'):
            tell(f"{host.name} did not answer: remove the folder {folder} there, in /tmp or $TMPDIR, by hand")


def _refuse_lacking(host: Host) -> None:
    """Raise a TinyclapError that says how to mend it if there is no Python, or not all that it needs."""
    packages = [f"{name}={_package_name(requirement)}" for name, requirement in REQUIREMENTS.items()]
    done = _ssh(host, shlex.join([_python(host), "-c", LOOK, *packages]))
    if done.code in NOT_FOUND:
        raise TinyclapError(f"{host.name} has no {host.python}; install Python there, or name it with --remote-python")
    found = _json(host, done)
    version, allowed = (".".join(map(str, numbers)) for numbers in (found["python"], OLDEST_PYTHON))
    if tuple(found["python"]) < OLDEST_PYTHON:
        raise TinyclapError(
            f"{host.name}: {host.python} is Python {version}, and tinyclap needs {allowed} or newer; name another one "
            "with --remote-python"
        )
    lacking = [wanted for name, wanted in REQUIREMENTS.items() if _lacks(found["packages"][name], wanted)]
    if lacking:
        raise TinyclapError(
            f"{host.name}: {host.python} lacks {', '.join(map(_package_name, lacking))} (or has an older one); run "
            f"there: {shlex.join([host.python, '-m', 'pip', 'install', *lacking])}\n"
            "where the system's Python refuses, make a virtual environment and name its interpreter with "
            "--remote-python"
        )


def _lacks(version: str | None, requirement: str) -> bool:
    """Whether a version is missing or too old; one that does not tell its number is taken."""
    numbers = [[int(number) for number in re.findall(r"\d+", text)] for text in (version or "", requirement)]
    return version is None or (version != "" and numbers[0] < numbers[1])


def _package_name(requirement: str) -> str:
    return requirement.partition(">")[0]


def _python(host: Host) -> str:
    return host.python.removeprefix("~/")  # ssh begins in the home folder, and nothing is expanded within quotes


def _package() -> list[File]:
    """The modules of tinyclap as they lie here."""
    root = Path(__file__).parent
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

    done = _ssh(host, script, feed=feed)
    if done.code:
        raise MachineError(f"{host.name} could not unpack what was sent ({_last(done)}); is the disk full there?")


def _answer(host: Host, script: str, tell: Callable[[str], object]) -> dict[str, Any]:
    failed = False

    def pass_on(line: str) -> None:
        nonlocal failed
        failed = failed or line.startswith(ERROR)
        if not failed:  # else it is the message that is raised here
            tell(f"{host.name}: {line}")

    return _json(host, _ssh(host, script, heard=pass_on))


def _json(host: Host, done: Done) -> dict[str, Any]:
    """The object on the last line, whatever a login says before it."""
    if done.code:
        message = done.errors.rpartition(ERROR)[2].strip() if ERROR in done.errors else _last(done)
        kind = TinyclapError if done.code == TinyclapError.exit_code else MachineError
        raise kind(f"on {host.name}: {message}")
    try:
        answer = json.loads(done.out.strip().rpartition("\n")[2])
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise MachineError(f"{host.name} answered {done.out[-200:]!r} where JSON was expected; does a login print it?")
    return answer


def _removed(host: Host, script: str) -> bool:
    """Clean up, with time for it, but not without end, and not stopped by a second Ctrl-C."""
    try:
        done = subprocess.run(
            host.ssh(script), stdin=subprocess.DEVNULL, capture_output=True, timeout=CLEANING_S, start_new_session=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _ssh(
    host: Host,
    script: str,
    feed: Callable[[IO[bytes]], None] | None = None,
    heard: Callable[[str], None] | None = None,
) -> Done:
    """Run a script there; `feed` writes what it reads, and `heard` is told each line of its stderr at once.

    Raises:
        TinyclapError: there is no ssh here.
        MachineError: no connection.
    """
    stdin = subprocess.PIPE if feed else subprocess.DEVNULL
    with tempfile.TemporaryFile() as out:
        try:
            process = subprocess.Popen(host.ssh(script), stdin=stdin, stdout=out, stderr=subprocess.PIPE)
        except FileNotFoundError as error:
            raise TinyclapError(
                "there is no ssh here; install it (apt install openssh-client), or copy the bundle to the machine and "
                "run `tinyclap bench` there"
            ) from error
        with process:
            errors = _attend(process, feed, heard)
        out.seek(0)
        done = Done(process.returncode, out.read().decode(errors="replace"), errors)
    if done.code == SSH_FAILED:
        _refuse_connection(host, done)
    return done


def _attend(
    process: subprocess.Popen[bytes],
    feed: Callable[[IO[bytes]], None] | None,
    heard: Callable[[str], None] | None,
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
            if heard:
                heard(lines[-1])
    except BaseException:
        process.kill()
        with suppress(BrokenPipeError):
            process.stdin and process.stdin.close()
        raise
    return "\n".join(lines)


def _refuse_connection(host: Host, done: Done) -> NoReturn:
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
            f"{host.name} does not let us in without a password ({_last(done)}); leave your key there "
            f"(`ssh-copy-id {host.name}`), or load it into the agent (`ssh-add`)"
        )
    raise MachineError(f"no connection to {host.name} ({_last(done)}); does `ssh {host.name}` work?")


def _last(done: Done) -> str:
    lines = done.errors.strip().splitlines() or [f"exit code {done.code}"]
    return lines[-1]
