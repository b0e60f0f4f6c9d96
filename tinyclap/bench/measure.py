"""`tinyclap bench`: how long graphs take from sound to embedding on this machine, and what they need besides.

The result is one JSON object: `environment`, the machine at the start, the `host` where it is not this one, and what
was asked for; and `models`, of each graph what it is, its times (`samples_ms`: of every batch in turn) and its costs.
What nobody knows is null.
"""

import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.bench.cold_start import ColdStart, measure_cold_start
from tinyclap.bench.model import TimedGraph
from tinyclap.bench.timing import P99_FEWEST, lasting_ms, median_ratio, ratio_interval
from tinyclap.common.files import write_text
from tinyclap.common.machine import environment
from tinyclap.common.progress import Progress, counted
from tinyclap.errors import MachineError, TinyclapError


def bench(
    models: Sequence[TimedGraph],
    *,
    threads: int = 1,
    batch: int = 1,
    seconds: float = 60.0,
    compare: bool = False,
    provider: str | None = None,
) -> dict[str, Any]:
    """Time models: a batch of clips of each one's own length, from waveform to embedding, by the clock.

    Args:
        models: to time.
        threads: working on one graph; what numpy computes of a front end has its own (OMP_NUM_THREADS).
        batch: clips at a time.
        seconds: of timing, shared among the models; each is repeated 20 times at least.
        compare: let the models take turns call by call, and tell each one's time as a ratio to the first one's.
        provider: execution provider; None for the CPU.

    Raises:
        TinyclapError: nothing to compare, a graph that cannot take the batch, or one that cannot be run.
        MachineError: memory is short.
    """
    refuse_unfit(models, batch, compare)
    before = {**environment(), "threads": threads, "batch": batch, "seconds": seconds, "compared": compare}
    groups = [list(models)] if compare else [[model] for model in models]
    samples, providers = list[list[float]](), list[str]()
    for group in groups:
        opened = [_opened(model, provider, threads, batch) for model in group]
        samples += _timed(group, [call for call, _ in opened], seconds / len(groups))
        providers += [active for _, active in opened]
    fresh = [
        measure_cold_start(model, provider=provider, threads=threads, batch=batch)
        for model in counted(models, "cold starts", len(models), "model")
    ]
    rows = [
        {
            **named(model),
            **_speed(model, ms, batch),
            **_ratio(ms, samples[0], compare),
            **_costs(started),
            "provider": active,
            "samples_ms": ms,
        }
        for model, ms, active, started in zip(models, samples, providers, fresh, strict=True)
    ]
    return {"environment": {**before, "host": None}, "models": rows}


def refuse_unfit(models: Sequence[TimedGraph], batch: int, compare: bool) -> None:
    """Raise a TinyclapError where there is nothing to compare, or a graph that takes another number of clips."""
    if compare and len(models) < 2:
        raise TinyclapError(f"--compare needs two graphs or more, and there is {models[0].path} alone; name another")
    for model in models:
        if model.batch not in (None, batch):
            raise TinyclapError(
                f"{model.path} takes exactly {model.batch} clip{'s' * (model.batch != 1)} at a time; give --batch "
                f"{model.batch}, or leave this graph out"
            )


def as_object(result: Mapping[str, Any]) -> str:
    """A result as one line of JSON, with every sample."""
    return json.dumps(result)


def refuse_unwritable(paths: Sequence[Path]) -> None:
    """Raise a TinyclapError, before anything is timed, if `keep` could not write files there."""
    for path in paths:
        reason = why_unwritable(path)
        if reason:
            raise TinyclapError(
                f"{path} cannot be written, and the times would be lost ({reason}); mend the folder, or name another "
                "file with --out, and of a run that is read-only its bundle (RUN/bundle)"
            )


def why_unwritable(path: Path) -> str | None:
    """Why no file can be written there; None where it can."""
    if path.exists() and not path.is_file():
        return "it is not a plain file and is left as it is"
    try:
        tempfile.TemporaryFile(dir=path.parent).close()  # as root, permissions alone do not tell
    except OSError as error:
        return f"{error.strerror}: {path.parent}"
    return None


def keep(result: Mapping[str, Any], paths: Sequence[Path]) -> None:
    """Write a result to files, each whole or not at all."""
    for path in paths:
        write_text(path, as_object(result) + "\n")


def _opened(model: TimedGraph, provider: str | None, threads: int, batch: int) -> tuple[Callable[[], np.ndarray], str]:
    """One call to be timed, and the provider that is active."""
    encode, active = model.open(provider, threads)
    try:
        clips = model.clips(batch)
        shape = encode(clips).shape
    except MemoryError as error:
        raise MachineError(
            f"{model.path}: memory is short for {batch} clip{'s' * (batch > 1)} at a time ({error}); lower --batch, or "
            "--window where it is given"
        ) from error
    if len(shape) != 2 or shape[0] != batch:
        raise TinyclapError(
            f"{model.path}: its output for a batch of {batch} has the shape {shape}; expected an embedding of each "
            "clip, (batch, dimensions)"
        )
    return partial(encode, clips), active


def _timed(models: Sequence[TimedGraph], calls: Sequence[Callable[[], object]], seconds: float) -> list[list[float]]:
    """Milliseconds of every call of each model."""
    what = f"timing {models[0].name}" if len(models) == 1 else f"timing {len(models)} graphs"
    with Progress(what, None, "round") as progress:
        taken = lasting_ms({str(row): call for row, call in enumerate(calls)}, seconds, tick=progress.update)
    return list(taken.values())


def named(model: TimedGraph) -> dict[str, Any]:
    """What a model is, without any measurement."""
    return {
        "name": model.name,
        "source": str(model.source),
        "file": str(model.path),
        "input": model.input,
        "from": "waveform" if model.takes_waveforms else "logmel",  # where the timing begins
        "precision": model.precision,
        "sample_rate": model.sample_rate,
        "window_s": model.window_s,
        "parameters": model.parameters,
        "macs": model.macs,
        "file_bytes": sum(path.stat().st_size for path in model.files),
    }


def _speed(model: TimedGraph, samples_ms: Sequence[float], batch: int) -> dict[str, Any]:
    p50, p90, p99 = (float(ms) for ms in np.quantile(samples_ms, (0.5, 0.9, 0.99)))
    return {
        "repeats": len(samples_ms),
        "p50_ms": p50,
        "p90_ms": p90,
        "p99_ms": p99 if len(samples_ms) >= P99_FEWEST else None,
        "real_time_factor": p50 / (1000 * batch * model.window_s) if model.window_s else None,
        "clips_per_s": 1000 * batch * len(samples_ms) / sum(samples_ms),
    }


def _ratio(samples_ms: Sequence[float], first_ms: Sequence[float], compare: bool) -> dict[str, Any]:
    if not compare:
        return {"ratio": None, "ratio_ci95": None}
    return {"ratio": median_ratio(samples_ms, first_ms), "ratio_ci95": ratio_interval(samples_ms, first_ms)}


def _costs(fresh: Sequence[ColdStart]) -> dict[str, Any]:
    starts = [one.start_s for one in fresh]
    return {
        "cold_start_s": statistics.median(starts),
        "cold_starts_s": starts,
        "peak_rss_bytes": fresh[0].peak_rss_bytes,
    }
