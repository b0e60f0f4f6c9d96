"""Plans: the algebra by hand, the storage beside what a run really writes, and what is said where it cannot be told."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from tests.support.commands import failure, invoke, run
from tinyclap.cli.app import app
from tinyclap.common.files import cache_root
from tinyclap.config.load_recipe import load_recipe
from tinyclap.data.decoded import decode
from tinyclap.data.folder import folder
from tinyclap.hardware.accelerators import ACCELERATORS
from tinyclap.pipelines.scale.estimate import GIVEN, MEASURED, Range, Rates, Work, estimate, storage, windows_of

WORK = Work(
    clips=1000,
    clip_s=10.0,
    windows=1000,
    views=4,
    sample_rates=(16_000, 48_000),
    dims=(512,),
    logmel=(100, 64),
    parameters=5000,
    has_ema=True,
    epochs=3,
    batch_size=32,
)
EXACT = Rates(
    decode=Range.exactly(100.0),
    render=Range.exactly(50.0),
    teacher=Range.exactly(20.0),
    spectrogram=Range.exactly(40.0),
    assemble=Range.exactly(1000.0),
    train=Range.exactly(250.0),
    sound_bytes=Range.exactly(20_000.0),
)
PLAIN = ("--teacher-rate", "50", "--student-rate", "200", "--decode-rate", "80", "--view-rate", "90", "--json")


# ---- the algebra


def hours(rates: Rates = EXACT, work: Work = WORK, **how: Any) -> dict[str, tuple[float, float]]:
    """Seconds of each stage, lowest and highest."""
    found = estimate(work, rates, **how)
    return {
        name: (round(stage.hours.low * 3600, 6), round(stage.hours.high * 3600, 6))
        for name, stage in found.stages.items()
    }


def test_hours_by_hand() -> None:
    trained = 3 * 31 * 32  # whole batches
    assert hours() == {
        "decoding": (200.0, 200.0),  # 10,000 s of sound, twice
        "teacher": (200.0, 200.0),  # 4,000 views
        "spectrograms": (100.0, 100.0),
        "training": (pytest.approx(trained * 0.005, abs=1e-6),) * 2,
    }
    found = estimate(WORK, EXACT)
    assert found.hours.low * 3600 == pytest.approx(200 + 200 + 100 + trained * 0.005)
    assert (found.stages["teacher"].bound, found.stages["training"].bound) == ("the teacher", "the student")


def test_accelerators_share_what_they_can() -> None:
    alone, four = hours(), hours(accelerators=4)
    assert four["teacher"][0] == alone["teacher"][0] / 4
    assert four["training"][0] == pytest.approx(alone["training"][0] / 4, abs=1e-6)
    assert (four["decoding"], four["spectrograms"]) == (alone["decoding"], alone["spectrograms"])
    found = estimate(WORK, EXACT, accelerators=4)
    assert {name: stage.workers for name, stage in found.stages.items()} == {
        **{"decoding": 1, "teacher": 4},
        **{"spectrograms": 1, "training": 4},
    }
    assert found.longest == "decoding"


def test_rendering_goes_on_while_the_teacher_embeds() -> None:
    fast = replace(EXACT, teacher=Range.exactly(500.0))
    found = estimate(WORK, fast)
    assert found.stages["teacher"].hours.low * 3600 == pytest.approx(4000 / 50)
    assert found.stages["teacher"].bound == "rendering views, one thread for each"


def test_without_stored_spectrograms_each_batch_waits_for_its_views() -> None:
    found = estimate(replace(WORK, logmel=None), EXACT)
    assert "spectrograms" not in found.stages
    assert found.stages["training"].hours.low * 3600 == pytest.approx(3 * 31 * 32 * (1 / 40 + 1 / 250))
    assert found.stages["training"].bound == "putting batches together"
    assert found.storage["spectrograms"].high == 0


def test_bounds_are_those_of_the_rates() -> None:
    wide = replace(EXACT, teacher=Range(10.0, 100.0, MEASURED), train=Range(125.0, 250.0, MEASURED))
    told = hours(wide)
    assert told["teacher"] == (80.0, 400.0), "no faster than the views are rendered"
    assert list(told["training"]) == pytest.approx([2976 * 0.005, 2976 * 0.009], abs=1e-6)
    assert estimate(WORK, wide).stages["training"].hours.source == f"counted; {MEASURED}"


def test_costs_are_hours_times_accelerators_times_price() -> None:
    found = estimate(WORK, EXACT, accelerators=4, price=2.5)
    busy = (4000 / 20 / 4 + 2976 * 0.005 / 4) / 3600
    assert found.cost["at work"].low == pytest.approx(busy * 4 * 2.5)
    assert found.cost["all hours"].low == pytest.approx((busy + 300 / 3600) * 4 * 2.5)
    assert estimate(WORK, EXACT).cost == {}


def test_storage_by_hand() -> None:
    told = {name: part.low for name, part in storage(WORK, EXACT.sound_bytes).items()}
    marks = 5 * 250  # a mark and an error for each 16 rows
    assert told == {
        "sound files": 2e8,
        "decoded sound": 10_000 * 64_000 * 2,
        "embeddings": 4000 * 512 * 2 + marks,
        "spectrograms": 4000 * 6400 * 2 + marks,
        "checkpoint": 2 * 4 * 5000 * 4,
    }
    two = storage(replace(WORK, dims=(512, 768), has_ema=False), EXACT.sound_bytes)
    assert two["embeddings"].low == 4000 * (512 + 768) * 2 + 2 * marks
    assert two["checkpoint"].low == 2 * 3 * 5000 * 4


def test_fewer_clips_than_a_batch_are_trained_on_as_one() -> None:
    assert replace(WORK, windows=5).trained == 3 * 32


@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.005, 1.02, 2.5, 3.0])
def test_windows_are_counted_as_they_are_decoded(seconds: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, round(seconds * 8000))
    soundfile.write(tmp_path / "a.wav", noise, 8000)
    assert windows_of(seconds, 1.0) == len(decode(folder(tmp_path), 8000, max_clip_s=1.0))


def test_storage_is_what_a_run_writes(recipe: Path) -> None:
    run("distill", str(recipe))
    told = json.loads(run("plan", str(recipe), *PLAIN))
    sizes = {kind: 0 for kind in ("audio", "embeddings", "logmels")}
    for kind in sizes:
        for path in (cache_root() / kind).rglob("*"):
            if path.suffix == ".i16":
                sizes[kind] += path.stat().st_size
            elif path.suffix == ".npy" and (path.parent / "blocks.npy").exists():
                sizes[kind] += path.stat().st_size - 128  # numpy's header
    planned = {name: part["low"] for name, part in told["estimate"]["storage"].items()}
    work = told["work"]
    assert planned["spectrograms"] == sizes["logmels"]
    # The test clips are decoded and embedded too: those of the training are what is planned.
    assert planned["decoded sound"] == work["clips"] * (8000 + 48_000) * 2 <= sizes["audio"]
    assert planned["embeddings"] == work["clips"] * 2 * 16 * 2 + 5 * -(-work["clips"] * 2 // 16) == sizes["embeddings"]
    state = torch.load("runs/small/checkpoints/last.pt", weights_only=True)
    moments = [
        tensor for entry in state["optimizer"]["state"].values() for tensor in entry.values() if tensor.numel() > 1
    ]
    kept = 4 * sum(tensor.numel() for tensor in (*moments, *state["model"].values(), *state["ema"].values()))
    assert planned["checkpoint"] / 2 == pytest.approx(kept, rel=0.15), "but for running statistics"


# ---- the command


def test_what_is_given_is_taken_and_the_rest_is_measured(recipe: Path) -> None:
    told = json.loads(run("plan", str(recipe), "--clips", "2e6", "--seconds", "10", *PLAIN))
    rates, stages = told["rates"], told["estimate"]["stages"]
    assert {name for name, rate in rates.items() if rate["source"] == GIVEN} == {"decode", "render", "teacher", "train"}
    assert {rates[name]["source"] for name in ("spectrogram", "assemble")} == {MEASURED}
    assert all(0 < rate["low"] <= rate["high"] for rate in rates.values())
    assert told["work"]["clips"] == told["work"]["windows"] == 2_000_000
    assert stages["decoding"]["hours"]["low"] == pytest.approx(2e6 * 10 * 2 / 80 / 3600)
    assert stages["teacher"]["hours"]["high"] == pytest.approx(2e6 * 2 / 50 / 3600)
    assert stages["training"]["hours"]["low"] > 2e6 * 2 / 200 / 3600, "and the batches besides"
    assert not (cache_root() / "audio").exists(), "what is measured leaves nothing in the cache"


def test_the_tables_and_the_next_command(recipe: Path) -> None:
    out, told = invoke(
        *("plan", str(recipe), "views.per_clip=1", "--gpus", "2", "--kind", "H100", "--price", "2.5"),
        *("--clips", "1000000", "--seconds", "10"),
    )
    assert "measuring here" in told
    assert "1,000,000 clips of 10.0 s" in out
    assert "2 x NVIDIA H100 SXM" in out
    assert "a step of 2 clips is too small to keep NVIDIA H100 SXM busy" in out
    assert "assumed: 15% to 50% of 67 TFLOP/s (NVIDIA H100 data sheet" in out
    assert "assumed: 128 kbit/s MP3 to FLAC" in out
    assert f"next     tinyclap embed-teacher {recipe} views.per_clip=1 --workers 2" in out
    (cost,) = [line for line in out.splitlines() if line.startswith("cost")]
    assert " to " in cost
    for name in ("decoding", "teacher", "spectrograms", "training", "embeddings", "checkpoint"):
        assert f"\n{name} " in out


def test_a_teacher_that_is_scaled_follows_its_operations(recipe: Path) -> None:
    from tinyclap.pipelines.build import build_teacher

    told = json.loads(run("plan", str(recipe), "--kind", "a100", "--clips", "1000", "--json"))
    macs = build_teacher(load_recipe(recipe, task="distill").taught_by).costs()["macs"]
    assert macs is not None
    rate = told["rates"]["teacher"]
    assert rate["low"] == pytest.approx(0.15 * 19.5e12 / (2 * macs))
    assert rate["high"] == pytest.approx(0.5 * 19.5e12 / (2 * macs))


def test_more_cores_decode_in_proportion(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = Range(10.0, 20.0, MEASURED)
    monkeypatch.setattr("tinyclap.pipelines.scale.calibrate.decoding", lambda *_: measured)
    for module in ("tinyclap.data.dataset", "tinyclap.pipelines.scale.plan"):
        monkeypatch.setattr(f"{module}.usable_cores", lambda: 2)
    absent = ("data.train={kind: folder, root: nowhere}", "--clips", "1000", "--seconds", "1")
    quick = ("--teacher-rate", "50", "--student-rate", "200", "--view-rate", "90", "--json")
    told = json.loads(run("plan", str(recipe), *absent, *quick, "--cores", "12"))["rates"]["decode"]
    assert told == {"low": 40.0, "high": 120.0, "source": "measured here on 2 cores, taken 4 to 6 times"}
    few = json.loads(run("plan", str(recipe), *absent, *quick, "--cores", "1"))["rates"]["decode"]
    assert few == {"low": 5.0, "high": 10.0, "source": "measured here on 2 cores, taken 0.5 times"}
    generated = json.loads(run("plan", str(recipe), *quick, "--cores", "12"))["rates"]["decode"]
    assert generated["low"] == 10.0, "sounds that are generated by one thread here are by one there"


def test_a_teacher_that_is_not_here_needs_a_rate(recipe: Path) -> None:
    absent = ("plan", str(recipe), "teacher={kind: laion, source: absent.pt}", "--clips", "1000", "--seconds", "10")
    message, code = failure(*absent)
    assert (code, message.splitlines()[-1]) == (
        2,
        "to plan without it, give --teacher-rate, views that it embeds a second",
    )
    out, _ = invoke(*absent, "--teacher-rate", "400")
    assert "note     the teacher is not here: 512 dimensions and 48000 Hz are assumed" in out


def test_data_that_is_not_here_needs_numbers(recipe: Path) -> None:
    absent = ("plan", str(recipe), "data.train={kind: folder, root: nowhere}")
    message, code = failure(*absent, "--clips", "1000")
    assert (code, message.splitlines()[-1]) == (2, "to plan without the data, give --clips and --seconds")
    told = json.loads(run(*absent, "--clips", "1000", "--seconds", "1", *PLAIN))
    assert any("measured on generated sounds" in note for note in told["notes"])


def test_the_own_clips_tell_their_number_length_and_size(recipe: Path, tmp_path: Path) -> None:
    for number in range(7):
        noise = np.random.default_rng(number).normal(0, 0.1, 8000 * (1 + number % 2))
        soundfile.write(tmp_path / f"{number}.wav", noise, 8000, subtype="PCM_16")
    own = f"data.train={{kind: folder, root: {tmp_path}}}"
    told = json.loads(run("plan", str(recipe), own, *PLAIN))
    assert (told["work"]["clips"], told["work"]["clip_s"]) == (7, pytest.approx(10 / 7))
    assert told["rates"]["sound_bytes"]["low"] == pytest.approx((20 * 8000 + 7 * 44) / 10)
    assert told["rates"]["sound_bytes"]["source"] == "measured on 7 clips"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--kind", "abacus"), f"--kind abacus: not known here; there are {', '.join(ACCELERATORS)}"),
        (("--seconds", "0"), "--seconds 0: allowed: above 0"),
        (("--teacher-rate", "-1"), "--teacher-rate -1: allowed: above 0"),
        (("--price", "nan"), "--price nan: allowed: above 0"),
        (("--gpus", "3"), "4 clips in 3 micro-batches cannot be dealt out evenly to 3 processes"),
        (("training.epochs=0",), "training.epochs: got 0"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_measured(
    options: tuple[str, ...], said: str, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyclap.pipelines.scale.calibrate.decoding", lambda *_: pytest.fail("measured"))
    message, code = failure("plan", str(recipe), *options)
    assert code == 2
    assert said in message


@pytest.mark.parametrize("options", [("--clips", "0"), ("--clips", "nan"), ("--gpus", "0")])
def test_numbers_out_of_range_are_wrong_usage(options: tuple[str, ...], recipe: Path) -> None:
    result = CliRunner().invoke(app, ["plan", str(recipe), *options])
    assert result.exit_code == 2
    assert options[0] in result.stderr
