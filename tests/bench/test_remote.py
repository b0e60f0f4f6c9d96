"""Commands on another machine, over the real ssh client to a server in this process."""

import json
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.support.commands import failure, invoke
from tests.support.servers.ssh_server import Machine, replace_package, silent
from tests.support.tiny_bundles import tiny_bundle
from tinyclap.bench import cold_start, remote
from tinyclap.bench.remote import Sent, run_there
from tinyclap.errors import MachineError, TinyclapError
from tinyclap.runtime.bundle_contents import read_manifest


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("made") / "it's a bundle", int8=True, text=True)


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


def test_a_full_disk_there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_package", lambda: [(b"", "a"), (b"", "a/b")])  # tar cannot make both
    with pytest.raises(MachineError, match=r"pi could not unpack what was sent \(.*\); is the disk full there\?"):
        run_there(machine.host(), [(b"0" * 10_000_000, "large")], [], silent)
    assert machine.left() == []
