"""Commands on another machine, over the real ssh client to a server in this process."""

import asyncio
import json
import os
import shlex
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.support.commands import failure, invoke
from tests.support.tiny_bundles import tiny_bundle
from tinyclap.bench import cold_start, remote
from tinyclap.bench.remote import Sent, run_there
from tinyclap.bench.ssh import Host
from tinyclap.errors import MachineError, TinyclapError
from tinyclap.runtime.manifest import read_manifest

asyncssh = pytest.importorskip("asyncssh", reason='pip install "tinyclap[test]"')
if shutil.which("ssh") is None:
    pytest.skip("there is no ssh client here (apt install openssh-client)", allow_module_level=True)


@dataclass(frozen=True)
class Machine:
    """The other machine: what its users see of it, and where it keeps its temporary files."""

    config: Path
    temporary: Path
    port: int

    def host(self, name: str = "pi", python: str = sys.executable) -> Host:
        return Host(name, python, self.config)

    def left(self) -> list[Path]:
        return list(self.temporary.glob("tinyclap-*"))


class Server:
    """An ssh server on 127.0.0.1 that runs commands in the local shell."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def start(self, host_key: Any, user_key: Any) -> None:
        self._thread.start()

        async def listen() -> Any:
            allowed = asyncssh.import_authorized_keys(user_key.export_public_key().decode())
            return await asyncssh.listen(
                "127.0.0.1",
                0,
                server_host_keys=[host_key],
                authorized_client_keys=allowed,
                process_factory=self._serve,
                encoding=None,
            )

        self._acceptor = asyncio.run_coroutine_threadsafe(listen(), self._loop).result(30)
        self.port = self._acceptor.get_port()

    def stop(self) -> None:
        async def close() -> None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _serve(self, client: Any) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(self.folder / "tmp")}
        pipe = asyncio.subprocess.PIPE
        shell = await asyncio.create_subprocess_shell(
            client.command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd=self.folder
        )

        async def copy(source: Any, sink: Any) -> None:
            gone = (BrokenPipeError, ConnectionError, asyncssh.Error, asyncssh.BreakReceived)
            with suppress(*gone):
                while piece := await source.read(65_536):
                    sink.write(piece)
                    await sink.drain()
            if sink is not client.stdout and sink is not client.stderr:
                with suppress(*gone):
                    sink.close()
                    await sink.wait_closed()

        heard = asyncio.create_task(copy(client.stdin, shell.stdin))
        await asyncio.gather(copy(shell.stdout, client.stdout), copy(shell.stderr, client.stderr))
        code = await shell.wait()
        heard.cancel()
        client.exit(code)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder, own = tmp_path_factory.mktemp("machine"), tmp_path_factory.mktemp("own")
    (folder / "tmp").mkdir()
    host_key, user_key, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))
    server = Server(folder)
    server.start(host_key, user_key)
    for name, key in (("key", user_key), ("stranger", other)):
        key.write_private_key(str(own / name))
        (own / name).chmod(0o600)
    address = f"[127.0.0.1]:{server.port}"
    for name, key in (("known", host_key), ("changed", other)):
        (own / name).write_text(f"{address} {key.export_public_key().decode()}")
    (own / "empty").write_text("")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        free_port = closed.getsockname()[1]
    hosts = {
        "pi": ("key", "known", server.port),
        "stranger": ("stranger", "known", server.port),
        "new": ("key", "empty", server.port),
        "changed": ("key", "changed", server.port),
        "off": ("key", "known", free_port),
    }
    config = own / "config"
    config.write_text(
        "".join(
            f"Host {alias}\n  Port {port}\n  IdentityFile {own / key}\n  UserKnownHostsFile {own / known}\n"
            for alias, (key, known, port) in hosts.items()
        )
        + f"Host 127.0.0.1\n  IdentityFile {own / 'key'}\n  UserKnownHostsFile {own / 'known'}\n"
        "Host *\n  HostName 127.0.0.1\n  User me\n  IdentitiesOnly yes\n  GlobalKnownHostsFile /dev/null\n"
    )
    yield Machine(config, folder / "tmp", server.port)
    server.stop()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("made") / "it's a bundle", int8=True, text=True)


def replace_package(monkeypatch: pytest.MonkeyPatch, main: str) -> None:
    """What is sent as tinyclap is this script."""
    files = [(b"", "tinyclap/__init__.py"), (main.encode(), "tinyclap/__main__.py")]
    monkeypatch.setattr(remote, "_package", lambda: files)


def silent(_: str) -> None:
    """Is told what happens."""


def test_graphs_are_timed_there(machine: Machine, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    shutil.copytree(made, run / "bundle")
    (run / "recipe.yaml").write_text("")
    (run / "env.json").write_text("{}")
    package = dict((name, content) for content, name in remote._package())
    start = Path(str(package["tinyclap/version.py"])).read_text()
    package["tinyclap/version.py"] = start.replace('__version__ = "', '__version__ = "as sent, ').encode()
    fresh = Path(cold_start.__file__).read_text().replace("STARTS = 3", "STARTS = 1")
    package["tinyclap/bench_fresh.py"] = fresh.encode()
    monkeypatch.setattr(remote, "_package", lambda: [(content, name) for name, content in package.items()])

    there = ["--host", f"me@127.0.0.1:{machine.port}", "--ssh-config", str(machine.config)]
    arguments = ["bench", str(run), "--float", str(made), "--compare", "--seconds", "0", "--threads", "2", "--json"]
    out, err = invoke(*arguments, *there, "--remote-python", sys.executable)
    result = json.loads(out)
    environment = result["environment"]
    assert environment["host"] == f"me@127.0.0.1:{machine.port}"
    assert environment["tinyclap"].startswith("as sent, ")
    assert (environment["threads"], environment["compared"]) == (2, True)
    rows = result["models"]
    assert [row["file"] for row in rows] == [str(run / "bundle" / "audio.onnx"), str(made / "audio.onnx")]
    assert [row["source"] for row in rows] == [str(run), str(made)]
    assert all(len(row["samples_ms"]) == 20 and row["file_bytes"] for row in rows)
    assert json.loads((run / "bench.json").read_text()) == result
    assert err.startswith("sending tinyclap and ")
    assert machine.left() == []


def test_a_bundle_goes_without_its_text_side(machine: Machine, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[2])
files = {path.name: path.stat().st_size for path in folder.iterdir()}
print(json.dumps({"files": files, "bundle": (folder / "bundle.json").read_text(), "arguments": sys.argv[1:]}))
sys.exit(sys.stderr.write("error: seen\\n" + json.dumps(files)) and 2)
"""
    replace_package(monkeypatch, script)
    there = ["--host", "pi", "--ssh-config", str(machine.config), "--remote-python", sys.executable]
    message, code = failure("bench", str(made), *there)
    assert (message.startswith("on pi: seen"), code) == (True, 2)
    sizes = json.loads(message.partition("\n")[2])
    manifest = read_manifest(made)
    sent = {name: facts["size_bytes"] for name, facts in manifest.files.items() if name in manifest.graphs}
    assert {name: size for name, size in sizes.items() if name != "bundle.json"} == sent
    assert manifest.text is not None


def test_arguments_and_files_arrive_as_they_are(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = 'it\'s "odd" $HOME `x`; *.onnx'
    script = "import json, sys\nprint(json.dumps({'arguments': sys.argv[2:], 'text': open(sys.argv[1]).read()}))"
    replace_package(monkeypatch, script)
    arguments: list[str | Sent] = [Sent(f"models/{odd}"), odd, "--x", "@zz"]
    answer = run_there(machine.host(), [("héllo".encode(), f"models/{odd}")], arguments, silent)
    assert answer == {"arguments": [odd, "--x", "@zz"], "text": "héllo"}
    assert machine.left() == []


def test_what_is_said_there_is_passed_on(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_package(monkeypatch, "import sys\nsys.stderr.write('one\\ntwo\\n')\nprint('Welcome!')\nprint('{}')")
    told: list[str] = []
    assert run_there(machine.host(), [], [], told.append) == {}
    assert told == ["sending tinyclap and 0 files to pi", "pi: one", "pi: two"]


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        (
            "sys.exit(sys.stderr.write('warning: w\\nerror: no such\\nprovider, error: x') and 2)",
            TinyclapError,
            "no such\nprovider, error: x",
        ),
        ("sys.exit(sys.stderr.write('error: memory') and 1)", MachineError, "memory"),
        ("raise ValueError('a fault')", MachineError, "ValueError: a fault"),
        ("sys.exit(3)", MachineError, "exit code 3"),
        ("print('no JSON')", MachineError, "answered 'no JSON\\n' where JSON was expected"),
    ],
)
def test_a_command_that_fails_there(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, script: str, kind: type[TinyclapError], message: str
) -> None:
    replace_package(monkeypatch, f"import sys\n{script}")
    with pytest.raises(TinyclapError) as caught:
        run_there(machine.host(), [], [], silent)
    assert type(caught.value) is kind
    assert str(caught.value) in (f"on pi: {message}", f"pi {message}; does a login print it?")
    assert machine.left() == []


def test_an_interruption_ends_what_runs_there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import os, sys, time\nsys.stderr.write(f'{os.getpid()}\\n')\nsys.stderr.flush()\ntime.sleep(60)"
    replace_package(monkeypatch, script)
    heard: list[str] = []

    def interrupt(line: str) -> None:
        heard.append(line)
        if line.startswith("pi: "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_there(machine.host(), [], [], interrupt)
    process = int(heard[-1].removeprefix("pi: "))
    deadline = time.monotonic() + 20
    while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{process}").exists()
    assert machine.left() == []


def test_what_could_not_be_removed_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_package(monkeypatch, "print('{}')")
    monkeypatch.setattr(remote, "CLEANING_S", 0)
    told: list[str] = []
    with monkeypatch.context() as slow:
        slow.setattr(remote, "_removed", lambda *_: False)
        run_there(machine.host(), [], [], told.append)
    (left,) = machine.left()
    assert told[-1] == f"pi did not answer: remove the folder {left.name} there, in /tmp or $TMPDIR, by hand"
    assert not remote._removed(machine.host(), "sleep 60")
    shutil.rmtree(left)


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


def test_a_full_disk_there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_package", lambda: [(b"", "a"), (b"", "a/b")])  # tar cannot make both
    with pytest.raises(MachineError, match=r"pi could not unpack what was sent \(.*\); is the disk full there\?"):
        run_there(machine.host(), [(b"0" * 10_000_000, "large")], [], silent)
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
        ("", "onnxruntime>=1.20", False),  # there under the name of another build
    ],
)
def test_versions_are_compared_as_pip_does(version: str | None, requirement: str, lacks: bool) -> None:
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
