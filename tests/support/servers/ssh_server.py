"""An ssh server in this process that runs commands in the local shell: another machine."""

import asyncio
import os
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tinyclap.bench import remote
from tinyclap.bench.ssh import Host

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


@contextmanager
def running(folder: Path, own: Path) -> Iterator[Machine]:
    """The machine, which keeps its files in `folder`; keys and the configuration of ssh go into `own`."""
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


def replace_package(monkeypatch: pytest.MonkeyPatch, main: str) -> None:
    """What is sent as tinyclap is this script."""
    files = [(b"", "tinyclap/__init__.py"), (main.encode(), "tinyclap/__main__.py")]
    monkeypatch.setattr(remote, "_package", lambda: files)


def silent(_: str) -> None:
    """Is told what happens."""
