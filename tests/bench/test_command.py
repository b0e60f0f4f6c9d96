"""`tinyclap bench`: its table and JSON, where they are written, and what is refused before timing."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.commands import failure, invoke
from tests.support.timed_graphs import RATE, a_run, bare, with_samples
from tests.support.tiny_bundles import SPEC
from tinyclap.bench import measure
from tinyclap.bench.sources import find_models
from tinyclap.cli import app
from tinyclap.cli import bench as cli_bench
from tinyclap.common.numbers import DASH
from tinyclap.reports.bench_entries import timed_kinds
from tinyclap.runs.results import read_run

ENVIRONMENT = {
    *("date", "command", "host", "cpu", "cores", "governor", "scaling_driver", "load_average", "omp_num_threads"),
    *("platform", "python", "onnxruntime", "numpy", "tinyclap", "threads", "batch", "seconds", "compared"),
}


ROW = {
    *("name", "source", "file", "input", "from", "precision", "sample_rate", "window_s", "parameters", "macs"),
    *("file_bytes", "repeats", "p50_ms", "p90_ms", "p99_ms", "real_time_factor", "clips_per_s", "ratio", "ratio_ci95"),
    *("cold_start_s", "cold_starts_s", "peak_rss_bytes", "provider", "samples_ms"),
}


@pytest.mark.usefixtures("one_start")
def test_the_result_as_json_and_in_a_run(made: Path, tmp_path: Path) -> None:
    run, out = a_run(tmp_path / "run", made), tmp_path / "mine.json"
    told, _ = invoke("bench", str(run), "--compare", "--seconds", "0", "--threads", "2", "--json", "--out", str(out))
    result = json.loads(told)
    assert json.loads((run / "bench.json").read_text()) == json.loads(out.read_text()) == result
    assert set(result) == {"environment", "models"}
    environment = result["environment"]
    assert set(environment) == ENVIRONMENT
    assert (environment["threads"], environment["compared"], environment["host"]) == (2, True, None)
    assert [row["name"] for row in result["models"]] == ["tiny float", "tiny int8"]
    for row in result["models"]:
        assert set(row) == ROW
        assert (row["provider"], row["input"], row["from"]) == ("CPUExecutionProvider", "logmel", "waveform")
        assert (row["repeats"], len(row["samples_ms"]), len(row["cold_starts_s"])) == (20, 20, 1)
        assert 0 < row["p50_ms"] <= row["p90_ms"] <= max(row["samples_ms"])
        assert row["p99_ms"] is None, "20 repeats do not tell it"


@pytest.mark.usefixtures("no_start")
def test_the_table(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, told = a_run(tmp_path / "run", made), {"sample_rate": RATE, "window_s": 0.5, "name": "bare", "macs": 2_000_000}
    alone = bare(made / "audio.onnx", tmp_path / "a.onnx", told, ["batch", 1, 51, SPEC.n_mels])
    with_samples(monkeypatch, [2.0] * 20, [4.0] * 20, [1000.0] * 20)
    monkeypatch.setattr(sys, "argv", ["tinyclap", "bench", "run"])
    out, _ = invoke("bench", str(run), str(alone))
    lines = out.splitlines()
    assert lines[0] == "1 clip of 0.5 or 1 s to its embedding, wall clock, 20 repeats, one after another"
    for part in ("CPUExecutionProvider; 1 thread;", "onnxruntime", "governor", "load"):
        assert part in lines[1]
    cells = [[cell for cell in line.split("  ") if cell] for line in lines[3:7]]
    first = ["tiny float", "1 s", *["2.00 ms"] * 2, DASH, "1/500", "500", "2.00 s"]
    assert [cell.strip() for cell in cells[1][:8]] == first
    assert cells[3][0] == "bare"
    assert [cell.strip() for cell in cells[3][1:7]] == ["0.5 s", *["1,000 ms"] * 2, DASH, "2 times", "1"]
    assert "p99: of 500 repeats or more; of fewer it would be almost the maximum." in lines
    assert "its files in the page cache" in " ".join(lines)
    assert "numpy computes the log-mel front end of tiny float, tiny int8; its time is in the table." in lines
    assert "without the time of a front end, since log-mel spectrograms were given: bare." in lines
    assert lines[-2:] == [f"samples  {run / 'bench.json'}", "next     tinyclap bench run --compare"]


@pytest.mark.usefixtures("no_start")
def test_without_an_argument_the_newest_run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_run(tmp_path / "runs" / "mine", made)
    monkeypatch.chdir(tmp_path)
    out, err = invoke("bench", "--float", "--seconds", "0")
    assert f"bundle: {Path('runs/mine/bundle')}\n" in err
    assert out.endswith("next     tinyclap report runs/mine\n")
    assert len(json.loads(Path("runs/mine/bench.json").read_text())["models"]) == 1


def test_an_interruption_leaves_what_was_there(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    run = a_run(tmp_path / "run", made)
    (run / "bench.json").write_text("before")
    monkeypatch.setattr(measure, "lasting_ms", interrupted)
    monkeypatch.setattr(sys, "argv", ["tinyclap", "bench", str(run)])
    with pytest.raises(SystemExit) as end:
        app.main()
    assert end.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {cli_bench.INTERRUPTED}"
    assert (run / "bench.json").read_text() == "before"


@pytest.mark.parametrize("place", ["none/bench.json", "file/bench.json"])
def test_a_result_that_cannot_be_written_is_refused_before_timing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(measure, "bench", lambda *_, **__: pytest.fail("timed first"))
    (tmp_path / "file").write_text("")
    out = tmp_path / place
    message, code = failure("bench", str(made), "--out", str(out))
    assert (message.startswith(f"{out} cannot be written, and the times would be lost ("), code) == (True, 2)
    assert "or name another file with --out" in message
    assert not (tmp_path / "none").exists()


def test_what_is_not_a_plain_file_is_left_as_it_is(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "bench", lambda *_, **__: pytest.fail("timed first"))
    os.mkfifo(tmp_path / "pipe")
    message, code = failure("bench", str(made), "--out", str(tmp_path / "pipe"))
    assert ("(it is not a plain file and is left as it is)" in message, code) == (True, 2)
    assert (tmp_path / "pipe").is_fifo()


def test_a_read_only_run_is_refused_before_timing(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(dir: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(dir))

    run = a_run(tmp_path / "run", made)
    monkeypatch.setattr(measure, "bench", lambda *_, **__: pytest.fail("timed first"))
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    message, code = failure("bench", str(run))
    assert (message.startswith(f"{run / 'bench.json'} cannot be written"), code) == (True, 2)
    assert f"Read-only file system: {run}" in message


@pytest.mark.usefixtures("no_start")
def test_a_bundle_in_a_run_is_timed_for_its_report(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(tmp_path / "runs" / "mine", made)
    monkeypatch.chdir(tmp_path)
    out, _ = invoke("bench", "runs/mine/bundle", "--float", "--seconds", "0")
    assert out.endswith("next     tinyclap report runs/mine\n")
    assert timed_kinds(read_run(run))[0].keys() == {"student"}
    moved = run.rename(tmp_path / "mine")
    assert timed_kinds(read_run(moved))[0].keys() == {"student"}, "by the name of the run"
    (moved / "bench.json").unlink()
    (moved / "bench.json").mkdir()
    out, err = invoke("bench", "mine/bundle", "--float", "--seconds", "0")
    assert "the times are not kept in mine, for its report (it is not a plain file" in err
    assert "tinyclap report" not in out


@pytest.mark.usefixtures("no_start")
def test_what_fails_to_be_written_was_printed(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, _: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with_samples(monkeypatch, [2.0] * 20)
    monkeypatch.setattr(measure, "write_text", full)
    arguments = ["bench", str(made), "--float", "--json", "--out", str(tmp_path / "a.json")]
    done = CliRunner().invoke(app.app, arguments)
    assert isinstance(done.exception, OSError)
    assert json.loads(done.stdout)["models"][0]["samples_ms"] == [2.0] * 20


def test_it_needs_no_torch(made: Path) -> None:
    code = """
import sys
class Blocker:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {"torch", "transformers", "tokenizers", "safetensors", "onnx", "matplotlib"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
from tinyclap.bench import cold_start
from tinyclap.cli.app import main
cold_start.STARTS = 1
main()
"""
    arguments = ["bench", str(made), str(made / "audio.onnx"), "--seconds", "0", "--json", "--float"]
    (path,) = find_models([made], int8=False)
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert (done.returncode, "takes log-mel spectrograms of shape" in done.stderr) == (2, True)
    done = subprocess.run([sys.executable, "-c", code, *arguments[:2], *arguments[3:]], capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)["models"][0]["file"]) == (0, str(path.path)), done.stderr
