"""What `tinyclap bench` prints for people: the times in a table, under which conditions, and the next command."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyclap.formatting import aligned, duration, file_size, known, ratio, scaled

HEADER = (
    *("", "p50", "p90", "p99", "real time", "clips/s", "cold start", "memory"),
    *("file", "parameters", "MACs"),
)


def as_table(result: Mapping[str, Any], runs: Sequence[Path] = (), kept: Sequence[Path] = ()) -> str:
    """A result as text.

    Args:
        result: of `bench.bench`.
        runs: that were timed.
        kept: files that hold the result.
    """
    rows = result["models"]
    header = (*HEADER, "ratio") if result["environment"]["compared"] else HEADER
    lines = aligned([header, *(_cells(row, result["environment"]["compared"]) for row in rows)], numbers=True)
    written = [f"written  {', '.join(map(str, kept))}"] if kept else []
    return "\n".join(
        [
            *_heading(result),
            "",
            *lines,
            "",
            *_notes(result),
            *written,
            f"next     {_next_command(result, runs)}",
        ]
    )


def _heading(result: Mapping[str, Any]) -> list[str]:
    """What was timed, and the conditions in one line."""
    told = result["environment"]
    batch, threads = told["batch"], told["threads"]
    windows = sorted({row["window_s"] for row in result["models"] if known(row["window_s"])})
    lengths = f" of {' or '.join(f'{one:g}' for one in windows)} s" if windows else ""
    repeats = sorted({row["repeats"] for row in result["models"]})
    how = (
        "taking turns"
        if result["environment"]["compared"]
        else "one after another"
        if len(result["models"]) > 1
        else "alone"
    )
    load = told["load_average"]
    where = [
        *([told["host"]] if told["host"] else []),
        told["cpu"],
        f"governor {told['governor'] or 'unknown'}",
        f"load {load[0]:.2f}" if load else "load unknown",
        f"onnxruntime {told['onnxruntime']}, {', '.join(sorted({row['provider'] for row in result['models']}))}",
        f"{threads} thread{'s' * (threads > 1)}",
        f"numpy {told['numpy']}",
        f"Python {told['python']}",
        f"tinyclap {told['tinyclap']}",
    ]
    sound = f"{batch} clips{lengths} to their embeddings" if batch > 1 else f"1 clip{lengths} to its embedding"
    counts = " to ".join(f"{count:,}" for count in dict.fromkeys((repeats[0], repeats[-1])))
    return [f"{sound}, wall clock, {counts} repeats, {how}", "; ".join(where)]


def _cells(row: Mapping[str, Any], compared: bool) -> list[str]:
    cells = [
        row["name"],
        *(_ms(row[name]) for name in ("p50_ms", "p90_ms", "p99_ms")),
        ratio(row["real_time_factor"], 1),
        f"{row['clips_per_s']:.4g}",
        duration(row["cold_start_s"]) if row["cold_start_s"] >= 10 else f"{row['cold_start_s']:.2f} s",
        file_size(row["peak_rss_bytes"]),
        file_size(row["file_bytes"]),
        scaled(row["parameters"]),
        scaled(row["macs"]),
    ]
    if compared:
        low, high = row["ratio_ci95"]
        cells.append("1" if row["ratio"] == low == high == 1 else f"{row['ratio']:.3g} [{low:.3g}, {high:.3g}]")
    return cells


def _ms(ms: float) -> str:
    return f"{ms:.{0 if ms >= 1000 else 1 if ms >= 100 else 2 if ms >= 10 else 3}f} ms"


def _notes(result: Mapping[str, Any]) -> list[str]:
    """How to read the columns."""
    rows = result["models"]
    notes = [
        "real time: p50 over the clips' duration; cold start: of a fresh process, to its first embedding; memory: its",
        "peak after 20 clips; MACs: of the network for one clip, without a front end.",
    ]
    if result["environment"]["compared"]:
        notes.append("ratio: median of the time over the first one's in the same round, with its 95 % interval.")
    computed = [row["name"] for row in rows if row["input"] == "logmel" and row["from"] == "waveform"]
    if computed:
        notes.append(f"numpy computes the log-mel front end of {', '.join(computed)}; its time is in the table.")
    without = [row["name"] for row in rows if row["from"] == "logmel"]
    if without:
        notes.append(f"{', '.join(without)} was given log-mel spectrograms: the front end's time is not in the table.")
    return [*notes, ""]


def _next_command(result: Mapping[str, Any], runs: Sequence[Path]) -> str:
    sources = dict.fromkeys(row["source"] for row in result["models"])
    if len(result["models"]) > 1 and not result["environment"]["compared"]:
        return f"tinyclap bench {shlex.join(sources)} --compare"
    if runs:
        return f"tinyclap report {shlex.quote(str(runs[0]))}"
    return f"tinyclap bench {shlex.join(sources)}{' --compare' * result['environment']['compared']} --out bench.json"
