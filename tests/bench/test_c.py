"""`tinyclap bench` of generated C: here, on emulated boards, and on another machine."""

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tests.support.commands import failure, invoke
from tests.support.generated_c import exporter, needs_a_compiler, needs_an_emulator
from tinyclap.bench import emulator
from tinyclap.bench.emulator import BOARDS, emulated
from tinyclap.bench.measure_c import read_c_folder
from tinyclap.cli import app
from tinyclap.errors import MachineError, TinyclapError

if TYPE_CHECKING:
    from tests.support.servers.ssh_server import Machine


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_a_compiler()
    folder = tmp_path_factory.mktemp("generated") / "c"
    exporter(int8=True, min_agreement=0.0, min_cosine=0.9).write(folder)
    return folder


@pytest.fixture
def without_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "QEMU", "no-such-emulator")


@pytest.mark.usefixtures("without_tools")
def test_time_here(code: Path, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    files = sorted(code.rglob("*"))
    told, _ = invoke("bench", str(code), "--seconds", "0", "--json", "--out", str(out))
    result = json.loads(told)
    assert json.loads(out.read_text()) == result
    assert result["c"] == {**vars(read_c_folder(code)), "precision": "int8"}
    assert result["c"]["window_samples"] == 8_000
    assert (len(result["native"]["samples_ms"]), result["emulated"]) == (20, [])
    assert 0 < result["native"]["p50_ms"] <= result["native"]["p90_ms"] <= max(result["native"]["samples_ms"])
    assert sorted(code.rglob("*")) == files, "nothing is left in the folder"
    told, _ = invoke("bench", str(code), "--seconds", "0")
    assert "no instructions are counted: the tools are missing (Debian: apt install gcc-arm-none-eabi" in told
    assert f"{result['c']['arena_bytes']:,} bytes in one arena" in told


def test_instructions_are_the_same_every_time(code: Path) -> None:
    needs_an_emulator()
    first, again = (emulated(code, BOARDS[0]) for _ in range(2))
    assert first == again
    assert "passed" in first.said
    (code / "program.elf").unlink()
    told, _ = invoke("bench", str(code), "--seconds", "0", "--json")
    rows = json.loads(told)["emulated"]
    assert [row["core"] for row in rows] == ["Cortex-M7", "Cortex-M55"]
    assert rows[0] == first.as_dict()
    told, _ = invoke("bench", str(code), "--seconds", "0")
    assert "Cortex-M55, emulated" in told


def test_code_that_fails_there_is_an_error(code: Path, tmp_path: Path) -> None:
    needs_an_emulator()
    other = shutil.copytree(code, tmp_path / "c")
    expected = (other / "test" / "expected.h").read_text().replace("EXPECTED_COSINE 0.999", "EXPECTED_COSINE 1.5")
    (other / "test" / "expected.h").write_text(expected)
    with pytest.raises(MachineError, match="FAILED"):
        emulated(other, BOARDS[0])


@pytest.mark.usefixtures("without_tools")
def test_what_cannot_be_timed_is_refused(code: Path, tmp_path: Path) -> None:
    for given, message in (([str(code)], "is timed alone"), (["--batch", "2"], "--batch is an option of graphs")):
        told = CliRunner().invoke(app.app, ["bench", str(code), *given])
        assert (told.exit_code, message in told.stderr) == (2, True)
    other = shutil.copytree(code, tmp_path / "c")
    header = other / "src" / "tinyclap.h"
    header.write_text(header.read_text().replace("#define TINYCLAP_WINDOW ", "#define WINDOW "))
    with pytest.raises(TinyclapError, match=r"tinyclap\.h defines no TINYCLAP_WINDOW; export it again"):
        read_c_folder(other)
    shutil.copy(code / "src" / "tinyclap.h", header)
    (other / "src" / "tinyclap.c").write_text("not C")
    assert "does not compile" in failure("bench", str(other))[0]


@pytest.mark.usefixtures("without_tools")
def test_time_on_another_machine(code: Path, machine: "Machine") -> None:
    there = ["--host", f"me@127.0.0.1:{machine.port}", "--ssh-config", str(machine.config)]
    told, _ = invoke("bench", str(code), "--seconds", "0", "--json", *there, "--remote-python", sys.executable)
    result = json.loads(told)
    assert result["environment"]["host"] == f"me@127.0.0.1:{machine.port}"
    assert machine.left() == []
    assert result["c"]["path"] == str(code)
    assert len(result["native"]["samples_ms"]) == 20
