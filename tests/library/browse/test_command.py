"""`tinyclap browse` from its first line to Ctrl-C."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import failure, invoke
from tinyclap.common import machine
from tinyclap.library.browse.server import BrowseServer


@contextmanager
def browsing(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The command at work, and the three lines that it begins with."""
    words = [sys.executable, "-m", "tinyclap", "browse", *map(str, arguments), "--port", "0", "--no-open"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, [process.stdout.readline().rstrip() for _ in range(3)]
        finally:
            if process.poll() is None:
                process.kill()


def get(url: str) -> dict[str, object]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: dict[str, object] = json.load(answer)
    return found


def test_it_says_where_it_is_and_how_to_stop_it(library: Path) -> None:
    with browsing(library) as (process, lines):
        assert lines[0] == f"library  {library}: 9 rows"
        assert lines[1].startswith("page     http://127.0.0.1:")
        assert lines[2] == "stop     Ctrl-C"
        assert get(f"{lines[1].split()[1]}api/library")["rows"] == 9
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)
    assert (process.returncode, *rest) == (0, "", "stopped\n")


def test_other_machines_get_an_address_with_a_secret(library: Path) -> None:
    with browsing(library, "--host", "0.0.0.0", "--allow-remote") as (_, lines):
        shown = lines[1].split()[1]
        assert shown.startswith(f"http://{socket.gethostname()}:")
        address = shown.replace(socket.gethostname(), "127.0.0.1", 1)
        assert len(address.split("/")[3]) >= 24
        assert get(f"{address}api/library")["rows"] == 9
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get("/".join(address.split("/")[:3]) + "/api/library")


def test_the_browser_of_this_machine_opens_an_address_that_it_finds(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(self: BrowseServer, poll_interval: float) -> None:
        raise KeyboardInterrupt

    opened: list[str] = []
    monkeypatch.setattr(BrowseServer, "serve_forever", serve)
    monkeypatch.setattr("webbrowser.open", opened.append)
    out, _ = invoke("browse", str(library), "--host", "0.0.0.0", "--allow-remote", "--port", "0", "--open")
    (address,) = opened
    assert address.startswith("http://127.0.0.1:")
    assert f"page     {address.replace('127.0.0.1', socket.gethostname(), 1)}\n" in out


def test_what_it_refuses(library: Path, tmp_path: Path) -> None:
    message, code = failure("browse", str(library), "--host", "0.0.0.0", "--no-open")
    assert "--allow-remote" in message
    assert code == 2
    message, code = failure("browse", str(tmp_path), "--port", "0", "--no-open")
    assert "is not a library" in message
    assert code == 2


def test_a_library_whose_bundle_is_gone_can_still_be_looked_at(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(library, copy)
    facts = json.loads((copy / "library.json").read_text())
    facts["bundle"]["place"] = str(tmp_path / "gone")
    (copy / "library.json").write_text(json.dumps(facts))
    asked = []

    def serve(self: BrowseServer, poll_interval: float) -> None:
        asked.append(self.ask(self.api.similar, {"id": "0-0", "n": 3}))
        raise KeyboardInterrupt

    monkeypatch.setattr(BrowseServer, "serve_forever", serve)
    out, err = invoke("browse", str(copy), "--port", "0", "--no-open")
    assert "9 rows" in out
    assert err.startswith("warning: words cannot be looked for: ")
    assert err.endswith("stopped\n")
    assert len(asked[0]["hits"]) == 3


def test_a_browser_is_opened_where_there_is_a_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    assert not machine.has_desktop()
    monkeypatch.setenv("DISPLAY", ":0")
    assert machine.has_desktop()
    monkeypatch.setenv("SSH_CONNECTION", "1.2.3.4 5 6.7.8.9 22")
    assert not machine.has_desktop()
