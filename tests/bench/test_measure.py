"""What is timed, and what follows from the samples."""

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from tests.bench.test_latency import Clock
from tests.support.commands import failure
from tests.support.timed_graphs import RATE, bare, with_samples
from tests.support.tiny_bundles import SPEC, WINDOW_S
from tinyclap.bench import measure
from tinyclap.bench.model import TimedGraph
from tinyclap.bench.sources import find_models
from tinyclap.bench.timing import P99_FEWEST, WARM_UP, lasting_ms
from tinyclap.cli import app
from tinyclap.cli import bench as cli_bench
from tinyclap.common import machine
from tinyclap.common.machine import _processor
from tinyclap.reports.console.bench import as_table
from tinyclap.runtime.bundle import Bundle


@pytest.mark.usefixtures("no_start")
def test_figures_follow_from_the_samples(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [float(ms) for ms in range(501, 0, -1)]
    with_samples(monkeypatch, samples)
    (row,) = measure.bench(find_models([made], int8=False), batch=4)["models"]
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
    result = measure.bench(find_models([made], int8=False))
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
    monkeypatch.setattr(measure, "lasting_ms", partial(lasting_ms, now=clock))
    result = measure.bench(find_models([made]), seconds=2.0, compare=True)
    first, second = result["models"]
    assert (first["ratio"], first["ratio_ci95"]) == (1.0, [1.0, 1.0])
    assert second["ratio"] == pytest.approx(1.5)
    assert second["ratio_ci95"] == pytest.approx([1.5, 1.5])
    assert "1.5 [1.5, 1.5]" in as_table(result)
    clock.calls.clear()
    alone = measure.bench(find_models([made]), seconds=2.0)
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


def test_models_of_one_name_are_told_apart(made: Path, tmp_path: Path) -> None:
    other = shutil.copytree(made, tmp_path / "bundle")
    names = [model.name for model in find_models([made, other], int8=False)]
    assert names == [f"tiny float ({made / 'audio.onnx'})", f"tiny float ({other / 'audio.onnx'})"]


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


def test_doubtful_conditions(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    governor, driver = tmp_path / "governor", tmp_path / "driver"
    governor.write_text("powersave\n")
    driver.write_text("acpi-cpufreq\n")
    monkeypatch.setattr(machine, "GOVERNOR", governor)
    monkeypatch.setattr(machine, "DRIVER", driver)
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0, 1.0, 1.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(measure, "bench", lambda *_, **__: pytest.fail("warned first"))
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
