"""`tinyclap bench`: what it measures, of what, and what it refuses."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from tests.bench.test_latency import Clock
from tests.support.commands import failure, invoke
from tests.support.tiny_bundles import SPEC, WINDOW_S, tiny_bundle
from tinyclap.bench import bench, cold_start
from tinyclap.bench.cold_start import ColdStart, measure_cold_start
from tinyclap.bench.model import TimedGraph
from tinyclap.bench.sources import find_models
from tinyclap.bench.timing import P99_FEWEST, WARM_UP, lasting_ms
from tinyclap.cli import app
from tinyclap.cli import bench as cli_bench
from tinyclap.common import machine
from tinyclap.common.machine import _processor
from tinyclap.common.numbers import DASH
from tinyclap.errors import MachineError, TinyclapError
from tinyclap.reports.console.bench import as_table
from tinyclap.runtime.bundle import Bundle

RATE = SPEC.sample_rate
ENVIRONMENT = {
    *("date", "command", "host", "cpu", "cores", "governor", "scaling_driver", "load_average", "omp_num_threads"),
    *("platform", "python", "onnxruntime", "numpy", "tinyclap", "threads", "batch", "seconds", "compared"),
}
ROW = {
    *("name", "source", "file", "input", "from", "precision", "sample_rate", "window_s", "parameters", "macs"),
    *("file_bytes", "repeats", "p50_ms", "p90_ms", "p99_ms", "real_time_factor", "clips_per_s", "ratio", "ratio_ci95"),
    *("cold_start_s", "cold_starts_s", "peak_rss_bytes", "provider", "samples_ms"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("made") / "bundle", int8=True, text=True)


@pytest.fixture(scope="module")
def waveform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("waveform") / "bundle", input_kind="waveform")


@pytest.fixture
def one_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "STARTS", 1)


@pytest.fixture
def no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh processes that take no time."""
    fresh = [ColdStart(3.0, 30_000_000), ColdStart(1.0, 10), ColdStart(2.0, 20)]
    monkeypatch.setattr(bench, "measure_fresh", lambda *_, **__: fresh)


def bare(source: Path, path: Path, metadata: object = None, shape: list[int | str] | None = None) -> Path:
    """A bundle's graph on its own: with other metadata, and another shape of its input."""
    model = onnx.load(source)
    if metadata is not None:
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        onnx.helper.set_model_props(model, {"tinyclap": text})
    if shape is not None:
        name = model.graph.input[0].name
        model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def a_run(folder: Path, bundle: Path | None) -> Path:
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text("")
    (folder / "env.json").write_text('{"started": "2025-01-01T00:00:00+00:00"}')
    if bundle is not None:
        shutil.copytree(bundle, folder / "bundle")
    return folder


# ---- figures


def with_samples(monkeypatch: pytest.MonkeyPatch, *samples: list[float]) -> None:
    """Timings that give these milliseconds, one list after another."""
    left = list(samples)
    monkeypatch.setattr(bench, "lasting_ms", lambda functions, seconds, tick: {name: left.pop(0) for name in functions})


@pytest.mark.usefixtures("no_start")
def test_figures_follow_from_the_samples(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [float(ms) for ms in range(501, 0, -1)]
    with_samples(monkeypatch, samples)
    (row,) = bench.bench(find_models([made], int8=False), batch=4)["models"]
    assert row["samples_ms"] == samples
    assert (row["p50_ms"], row["p90_ms"], row["p99_ms"], row["repeats"]) == (251.0, 451.0, 496.0, 501)
    assert row["real_time_factor"] == pytest.approx(251.0 / (1000 * 4 * WINDOW_S))
    assert row["clips_per_s"] == pytest.approx(4 / 0.251)
    assert (row["cold_start_s"], row["cold_starts_s"], row["peak_rss_bytes"]) == (2.0, [3.0, 1.0, 2.0], 30_000_000)
    assert (row["parameters"], row["macs"], row["window_s"]) == (224, 1, WINDOW_S)
    assert row["file_bytes"] == (made / "audio.onnx").stat().st_size


@pytest.mark.usefixtures("no_start")
@pytest.mark.parametrize(("repeats", "told"), [(P99_FEWEST - 1, None), (P99_FEWEST, 1.0)])
def test_few_repeats_do_not_tell_the_99th_percentile(
    made: Path, monkeypatch: pytest.MonkeyPatch, repeats: int, told: float | None
) -> None:
    with_samples(monkeypatch, [1.0] * repeats)
    result = bench.bench(find_models([made], int8=False))
    assert result["models"][0]["p99_ms"] == told
    assert ("p99: of 500 repeats" in as_table(result)) == (told is None)


@pytest.mark.usefixtures("no_start")
def test_taking_turns_recovers_a_known_ratio(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, rng = Clock(), np.random.default_rng(0)
    speeds = rng.lognormal(sigma=1.0, size=1 + WARM_UP + 400)  # of the machine, call by call: alike for both

    def opened(model: TimedGraph, provider: str | None, threads: int) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
        work = clock.function(model.name, *(speeds * (3e-3 if "int8" in model.name else 2e-3)))

        def encode(clips: np.ndarray) -> np.ndarray:
            work()
            return np.zeros((len(clips), 16), np.float32)

        return encode, "CPUExecutionProvider"

    monkeypatch.setattr(TimedGraph, "open", opened)
    monkeypatch.setattr(bench, "lasting_ms", partial(lasting_ms, now=clock))
    result = bench.bench(find_models([made]), seconds=2.0, compare=True)
    first, second = result["models"]
    assert (first["ratio"], first["ratio_ci95"]) == (1.0, [1.0, 1.0])
    assert second["ratio"] == pytest.approx(1.5)
    assert second["ratio_ci95"] == pytest.approx([1.5, 1.5])
    assert "1.5 [1.5, 1.5]" in as_table(result)
    clock.calls.clear()
    alone = bench.bench(find_models([made]), seconds=2.0)
    assert [row["ratio"] for row in alone["models"]] == [None, None]
    assert clock.calls == sorted(clock.calls, key=lambda name: "int8" in name), "one after another"
    for row in alone["models"]:  # the seconds are shared
        assert sum(row["samples_ms"]) >= 1000 > sum(row["samples_ms"][:-1]) or row["repeats"] == 20


def test_what_is_timed_is_what_the_runtime_computes(made: Path, waveform: Path, tmp_path: Path) -> None:
    for folder in (made, waveform):
        (model,) = find_models([folder], int8=False)
        encode, provider = model.open(None, 1)
        clips = model.clips(3)
        assert (clips.shape, str(clips.dtype), provider) == ((3, RATE), "float32", "CPUExecutionProvider")
        expected = Bundle.load(folder, graph="float").embed(clips, sample_rate=RATE)
        np.testing.assert_allclose(encode(clips), expected, atol=1e-6)
        told = json.loads((folder / "bundle.json").read_text())
        (alone,) = find_models([bare(folder / "audio.onnx", tmp_path / model.input / "audio.onnx", told)])
        assert (alone.clip, alone.window_s, alone.parameters, alone.macs) == ((RATE,), WINDOW_S, 224, 1)
        np.testing.assert_allclose(alone.open(None, 1)[0](clips), expected, atol=1e-6)
        assert TimedGraph.from_json(alone.to_json()) == alone


# ---- fresh processes


def test_a_fresh_process_does_not_count_its_parents_memory(made: Path) -> None:
    (model,) = find_models([made], int8=True)
    much = np.ones(400_000_000, np.uint8)
    fresh = measure_cold_start(model, provider=None, threads=1, batch=2)
    assert much.all()
    assert len(fresh) == 3
    assert all(0 < one.start_s < 60 for one in fresh)
    assert all(10_000_000 < (one.peak_rss_bytes or 0) < 300_000_000 for one in fresh)


@pytest.mark.usefixtures("one_start")
def test_a_fresh_process_is_of_this_tinyclap(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tinyclap").mkdir()
    (tmp_path / "tinyclap" / "__init__.py").write_text("raise ImportError('another tinyclap')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (model,) = find_models([made], int8=True)
    assert measure_cold_start(model, provider=None, threads=1, batch=1)[0].start_s > 0


@pytest.mark.usefixtures("one_start")
def test_the_peak_of_a_fast_process_is_not_lost(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "START", "import sys; sys.stdout.write('embedded\\n12345\\n')")
    (model,) = find_models([made], int8=True)
    assert measure_cold_start(model, provider=None, threads=1, batch=1)[0].peak_rss_bytes == 12345


def test_a_fresh_process_that_fails_says_why(made: Path, tmp_path: Path) -> None:
    gone = shutil.copytree(made, tmp_path / "bundle")
    (model,) = find_models([gone], int8=True)
    shutil.rmtree(gone)
    with pytest.raises(MachineError, match=r"a fresh process could not embed with it \(.*is not a bundle"):
        measure_cold_start(model, provider=None, threads=1, batch=1)


# ---- the command


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
    assert "newest run: runs/mine" in err
    assert out.endswith("next     tinyclap report runs/mine\n")
    assert len(json.loads(Path("runs/mine/bench.json").read_text())["models"]) == 1


def test_an_interruption_leaves_what_was_there(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    run = a_run(tmp_path / "run", made)
    (run / "bench.json").write_text("before")
    monkeypatch.setattr(bench, "lasting_ms", interrupted)
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
    monkeypatch.setattr(bench, "bench", lambda *_, **__: pytest.fail("timed first"))
    (tmp_path / "file").write_text("")
    out = tmp_path / place
    message, code = failure("bench", str(made), "--out", str(out))
    assert (message.startswith(f"{out} cannot be written, and the times would be lost ("), code) == (True, 2)
    assert "or name another file with --out" in message
    assert not (tmp_path / "none").exists()


def test_a_read_only_run_is_refused_before_timing(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(dir: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(dir))

    run = a_run(tmp_path / "run", made)
    monkeypatch.setattr(bench, "bench", lambda *_, **__: pytest.fail("timed first"))
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    message, code = failure("bench", str(run))
    assert (message.startswith(f"{run / 'bench.json'} cannot be written"), code) == (True, 2)
    assert f"Read-only file system: {run}" in message


@pytest.mark.usefixtures("no_start")
def test_what_fails_to_be_written_was_printed(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, _: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with_samples(monkeypatch, [2.0] * 20)
    monkeypatch.setattr(bench, "write_text", full)
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


# ---- bare graphs


def test_a_bare_graph_says_what_it_is(waveform: Path, tmp_path: Path) -> None:
    told = {"name": "mine", "parameters": 12, "macs": 34, "sample_rate": 8000, "window_s": 1.5, "input": "waveform"}
    path = bare(waveform / "audio.onnx", tmp_path / "a.onnx", told)
    (model,) = find_models([path])
    with pytest.raises(TinyclapError, match=r"says itself that its window_s is 1\.5; leave out --window"):
        find_models([path], window_s=9.0)
    with pytest.raises(TinyclapError, match="says itself what it hears; leave out --window and --sample-rate"):
        find_models([waveform], window_s=9.0)
    assert (model.name, model.parameters, model.macs, model.input) == ("mine", 12, 34, "waveform")
    assert (model.clip, model.sample_rate, model.window_s) == ((12_000,), 8000, 1.5)


def test_a_bare_graph_without_a_word(waveform: Path, tmp_path: Path) -> None:
    path = bare(waveform / "audio.onnx", tmp_path / "a.onnx")
    with pytest.raises(TinyclapError, match=r"takes sound of any length .* give --window SECONDS and --sample-rate HZ"):
        find_models([path], window_s=2.0)
    (model,) = find_models([path], window_s=2.0, sample_rate=RATE)
    assert (model.name, model.clip, model.macs) == ("a", (2 * RATE,), None)
    assert model.parameters is None, "its constants may be a front end's"


def test_parameters_are_counted_behind_a_front_end(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bare(made / "audio.onnx", tmp_path / "a.onnx", shape=["batch", 1, 40, SPEC.n_mels])
    weights = {"conv.weight": 8 * 3 * 3, "conv.bias": 8, "linear.weight": 16 * 8}
    assert find_models([path])[0].parameters == sum(weights.values())
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert find_models([path])[0].parameters is None


def quantised(path: Path) -> Path:
    """A graph with the weights of its convolution in eight bits."""
    model = onnx.load(path)
    weights = next(constant for constant in model.graph.initializer if constant.name == "conv.weight")
    weights.name = "before"
    nodes = [
        onnx.helper.make_node("QuantizeLinear", ["before", "scale"], ["whole"]),
        onnx.helper.make_node("DequantizeLinear", ["whole", "scale"], ["conv.weight"]),
    ]
    later = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *later])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(0.01, np.float32), "scale"))
    onnx.save(model, path)
    return path


FLOAT = {"precision": "float32", "parameters": 7, "macs": 70}
STATIC = {"precision": "float32", "parameters": 7, "macs": 35}  # of a shorter window
INT8 = {"precision": "int8", "parameters": 7, "macs": 71}


@pytest.mark.parametrize("kind", ["logmel", "waveform"])
@pytest.mark.parametrize(
    ("name", "int8", "graphs", "expected"),
    [
        ("audio_int8.onnx", False, {"audio.onnx": FLOAT, "audio_int8.onnx": INT8}, (7, 71, "int8")),
        ("renamed.onnx", False, {"audio.onnx": FLOAT, "audio_int8.onnx": INT8}, (7, 70, "float32")),
        ("renamed.onnx", True, {"audio.onnx": FLOAT, "audio_int8.onnx": INT8}, (7, 71, "int8")),
        ("renamed.onnx", False, {"audio.onnx": FLOAT, "audio_static.onnx": STATIC}, (7, None, "float32")),
        ("renamed.onnx", True, {"audio.onnx": FLOAT}, (None, None, None)),
        ("renamed.onnx", False, {}, (None, None, None)),
    ],
)
def test_a_renamed_graph_of_a_bundle(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    kind: str,
    name: str,
    int8: bool,
    graphs: dict[str, Any],
    expected: tuple[object, ...],
) -> None:
    folder = request.getfixturevalue("made" if kind == "logmel" else "waveform")
    told = json.loads((folder / "bundle.json").read_text()) | {"graphs": graphs}
    path = bare(folder / "audio.onnx", tmp_path / name, told)
    (model,) = find_models([quantised(path) if int8 else path])
    assert (model.parameters, model.macs, model.precision) == expected


def test_a_graph_of_fixed_shape(made: Path, waveform: Path, tmp_path: Path) -> None:
    (model,) = find_models([bare(waveform / "audio.onnx", tmp_path / "w.onnx", shape=[2, 6000])])
    assert (model.clip, model.batch, model.window_s) == ((6000,), 2, None)
    assert find_models([model.path], sample_rate=4000)[0].window_s == 1.5
    (model,) = find_models([bare(made / "audio.onnx", tmp_path / "l.onnx", shape=[1, 1, 40, SPEC.n_mels])])
    assert (model.clip, model.takes_waveforms, model.batch) == ((1, 40, SPEC.n_mels), False, 1)
    told = json.loads((made / "bundle.json").read_text())
    (model,) = find_models([bare(made / "audio.onnx", tmp_path / "f.onnx", told, [1, 1, 40, SPEC.n_mels])])
    assert (model.takes_waveforms, model.clip) == (True, (39 * SPEC.hop_length,))
    assert model.open(None, 1)[0](model.clips(1)).shape == (1, 16)


def test_models_of_one_name_are_told_apart(made: Path, tmp_path: Path) -> None:
    other = shutil.copytree(made, tmp_path / "bundle")
    names = [model.name for model in find_models([made, other], int8=False)]
    assert names == [f"tiny float ({made / 'audio.onnx'})", f"tiny float ({other / 'audio.onnx'})"]


def test_weights_beside_a_graph_belong_to_it(waveform: Path, tmp_path: Path) -> None:
    path = bare(waveform / "audio.onnx", tmp_path / "a.onnx", {"window_s": 1.0, "sample_rate": RATE})
    (tmp_path / "a.onnx.data").write_bytes(b"12345")
    (model,) = find_models([path])
    assert bench.named(model)["file_bytes"] == path.stat().st_size + 5


# ---- what is refused


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"no graph at all"])
def test_a_damaged_graph(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    message, code = failure("bench", str(path))
    assert (message.startswith(f"{path}: onnxruntime "), "cannot run it" in message, code) == (True, True, 2)


def test_a_text_side(made: Path) -> None:
    message, code = failure("bench", str(made / "text.onnx"))
    assert (f"{made / 'text.onnx'} takes input_ids" in message, "it is a text side" in message, code) == (True, True, 2)


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ("{", "is no JSON"),
        ([1], "is [1], expected an object"),
        ({"sample_rate": 0.5}, "sample_rate is 0.5; it must be a whole number of Hz"),
        ({"window_s": -1}, "window_s is -1; it must be a number of seconds above 0, up to 3600"),
        ({"window_s": 1e15}, "window_s is 1000000000000000.0; it must be a number of seconds above 0, up to 3600"),
        ({"window_s": 1e-9, "sample_rate": 8000}, "1e-09 s at 8000 Hz are less than one sample"),
        ({"graphs": {"a.onnx": 5}}, "graphs is {'a.onnx': 5}; it must be an object with an object for each file"),
        ({"graphs": ["parameters"]}, "graphs is ['parameters']; it must be an object"),
        ({"graphs": {"a.onnx": ["parameters"]}}, "it must be an object with an object for each file"),
        ({"graphs": {"a.onnx": {"macs": [1]}}}, "graphs: macs is [1]; it must be a whole number"),
        ({"input": "mp3"}, "input is 'mp3'; it must be one of waveform, logmel"),
        ({"frontend": {"n_mels": 3}}, "missing amin"),
    ],
)
def test_bad_metadata(waveform: Path, tmp_path: Path, metadata: object, fault: str) -> None:
    path = bare(waveform / "audio.onnx", tmp_path / "a.onnx", metadata)
    assert fault in failure("bench", str(path))[0]


def test_a_window_without_a_sample(waveform: Path, tmp_path: Path) -> None:
    path = bare(waveform / "audio.onnx", tmp_path / "a.onnx")
    message, code = failure("bench", str(path), "--window", "0.00001", "--sample-rate", "16000")
    assert (f"{path}: 1e-05 s at 16000 Hz are less than one sample; give a longer --window" in message, code) == (
        True,
        2,
    )


def test_a_front_end_of_other_bands(made: Path, tmp_path: Path) -> None:
    told = json.loads((made / "bundle.json").read_text())
    path = bare(made / "audio.onnx", tmp_path / "a.onnx", told, ["batch", 1, "frames", 32])
    assert "takes 32 bands, and its metadata tells of a front end of 64" in failure("bench", str(path))[0]


def test_what_is_no_model(made: Path, waveform: Path, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", None)
    static = bare(made / "audio.onnx", tmp_path / "static.onnx", shape=[1, 1, 40, SPEC.n_mels])
    for arguments, message in (
        ([tmp_path / "none"], f"no {tmp_path / 'none'}; give a run, a bundle or an .onnx file"),
        ([tmp_path], f"{tmp_path} is no bundle (it holds no bundle.json), and {tmp_path} is not a run folder"),
        ([run], f"{run} has no bundle; make it with `tinyclap export {run} --onnx`"),
        ([waveform, "--int8"], f"bundle {waveform} has no int8 graph; export it with --int8, or leave --int8 out"),
        ([waveform, "--compare"], f"--compare needs two graphs or more, and there is {waveform / 'audio.onnx'} alone"),
        ([static, "--batch", "4"], f"{static} takes exactly 1 clip at a time; give --batch 1"),
        ([made, "--provider", "abacus"], "provider abacus is not in this onnxruntime"),
    ):
        told, code = failure("bench", *map(str, arguments))
        assert (message in told, code) == (True, 2), told


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--seconds", "nan", "--seconds"),
        ("--seconds", "inf", "allowed: 0 or more"),
        ("--window", "-1", "allowed: seconds above 0"),
        ("--out", ".", "is a folder; name a file"),
        ("--batch", "0", "'--batch'"),
    ],
)
def test_options_out_of_range(made: Path, option: str, value: str, message: str) -> None:
    result = CliRunner().invoke(app.app, ["bench", str(made), option, value])
    assert (result.exit_code, message in " ".join(result.stderr.split())) == (2, True), result.stderr


@pytest.mark.parametrize("batch", [100_000_000_000, 10**30])
def test_more_clips_than_memory_holds(made: Path, batch: int) -> None:
    message, code = failure("bench", str(made), "--batch", str(batch))
    assert code == 1
    assert message.startswith(f"{made / 'audio.onnx'}: memory is short for {batch} clips at a time (")
    assert message.endswith("; lower --batch, or --window where it is given")


def test_an_output_that_is_no_embedding(made: Path, tmp_path: Path) -> None:
    model = onnx.load(made / "audio.onnx")
    model.graph.output[0].name = "c"  # the feature map
    model.graph.output[0].type.tensor_type.shape.Clear()
    for _ in range(4):
        model.graph.output[0].type.tensor_type.shape.dim.add()
    model.graph.input[0].CopyFrom(
        onnx.helper.make_tensor_value_info("logmel", onnx.TensorProto.FLOAT, ["batch", 1, 40, SPEC.n_mels])
    )
    onnx.save(model, tmp_path / "map.onnx")
    message, _ = failure("bench", str(tmp_path / "map.onnx"))
    assert "its output for a batch of 1 has the shape (1, 8, 20, 32); expected an embedding of each clip" in message


# ---- conditions


def test_doubtful_conditions(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    governor, driver = tmp_path / "governor", tmp_path / "driver"
    governor.write_text("powersave\n")
    driver.write_text("acpi-cpufreq\n")
    monkeypatch.setattr(machine, "GOVERNOR", governor)
    monkeypatch.setattr(machine, "DRIVER", driver)
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0, 1.0, 1.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(bench, "bench", lambda *_, **__: pytest.fail("warned first"))
    told = machine.environment()
    assert (told["governor"], told["load_average"], told["cores"]) == ("powersave", [3.0, 1.0, 1.0], 4)
    with pytest.raises(pytest.fail.Exception):
        cli_bench.bench_command([made])
    powersave, busy = machine.cautions(told)
    assert "governor is powersave" in powersave
    assert "load 3.0 on 4 cores" in busy
    assert told["scaling_driver"] == "acpi-cpufreq"
    monkeypatch.setattr(os, "getloadavg", lambda: (2.0, 9.0, 9.0))
    for own in ("intel_pstate", "amd-pstate-epp"):  # whose usual governor it is
        driver.write_text(f"{own}\n")
        assert machine.cautions(machine.environment()) == []
    driver.unlink()
    assert len(machine.cautions(machine.environment())) == 1
    governor.unlink()
    assert machine.cautions(machine.environment()) == []


def test_processors_and_boards() -> None:
    assert _processor("processor\t: 0\nmodel\t\t: 85\nmodel name\t: Xeon\n") == "Xeon"
    assert _processor("processor\t: 0\nCPU part\t: 0xd0b\n\nModel\t\t: Raspberry Pi 5\n") == "Raspberry Pi 5"
    assert _processor("") != ""
