"""What `tinyclap bench` prints for people: the times in a table, under which conditions, and the next command."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyclap.bench.timing import P99_FEWEST
from tinyclap.common.numbers import DASH, aligned, duration, file_size, known, milliseconds, ratio, scaled

HEADER = (
    *("", "window", "p50", "p90", "p99", "real time", "clips/s"),
    *("cold start", "memory", "file", "parameters", "MACs"),
)


def as_table(result: Mapping[str, Any], runs: Sequence[Path] = (), kept: Sequence[Path] = ()) -> str:
    """A result as text.

    Args:
        result: of `bench.measure.bench`.
        runs: that were timed.
        kept: files for the result.
    """
    environment, rows = result["environment"], result["models"]
    header = (*HEADER, "ratio") if environment["compared"] else HEADER
    lines = aligned([header, *(_cells(row, environment["compared"]) for row in rows)], numbers=True)
    written = [f"samples  {', '.join(map(str, kept))}"] if kept else []
    after = _next_command(environment, len(rows), runs, kept)
    return "\n".join(
        [*_heading(environment, rows), "", *lines, "", *_notes(environment, rows), "", *written, f"next     {after}"]
    )


def _heading(environment: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was timed, and the conditions in one line."""
    batch, threads = environment["batch"], environment["threads"]
    windows = sorted({row["window_s"] for row in rows if known(row["window_s"])})
    lengths = f" of {' or '.join(f'{one:g}' for one in windows)} s" if windows else ""
    repeats = sorted({row["repeats"] for row in rows})
    how = "taking turns" if environment["compared"] else "one after another" if len(rows) > 1 else "alone"
    load = environment["load_average"]
    driver = f" ({environment['scaling_driver']})" if environment["scaling_driver"] else ""
    where = [
        *([environment["host"]] if environment["host"] else []),
        environment["cpu"],
        f"governor {environment['governor'] or 'unknown'}{driver}",
        f"load {load[0]:.2f}" if load else "load unknown",
        f"onnxruntime {environment['onnxruntime']}, {', '.join(sorted({row['provider'] for row in rows}))}",
        f"{threads} thread{'s' * (threads > 1)}",
        f"numpy {environment['numpy']}",
        f"Python {environment['python']}",
        f"tinyclap {environment['tinyclap']}",
    ]
    sound = f"{batch} clips{lengths} to their embeddings" if batch > 1 else f"1 clip{lengths} to its embedding"
    counts = " to ".join(f"{count:,}" for count in dict.fromkeys((repeats[0], repeats[-1])))
    return [f"{sound}, wall clock, {counts} repeats, {how}", "; ".join(where)]


def _cells(row: Mapping[str, Any], compared: bool) -> list[str]:
    cells = [
        row["name"],
        f"{row['window_s']:g} s" if known(row["window_s"]) else DASH,
        *(milliseconds(row[name]) for name in ("p50_ms", "p90_ms", "p99_ms")),
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


def _notes(environment: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """How to read the columns."""
    notes = [
        "a clip is one window; real time: p50 over its duration; clips/s: of all repeats, slow ones among them;",
        "cold start: of a fresh process, to its first embedding, its files in the page cache; memory: its peak after",
        "20 clips; MACs: of the network for one clip, without a front end.",
    ]
    if any(row["p99_ms"] is None for row in rows):
        notes.append(f"p99: of {P99_FEWEST} repeats or more; of fewer it would be almost the maximum.")
    if environment["compared"]:
        notes.append("ratio: median of the time over the first one's in the same round, with its 95 % interval.")
        if len({row["window_s"] for row in rows}) > 1:
            notes.append("Windows differ, and the ratio is of one each: compare the column real time for equal sound.")
    computed = [row["name"] for row in rows if row["input"] == "logmel" and row["from"] == "waveform"]
    if computed:
        notes.append(f"numpy computes the log-mel front end of {', '.join(computed)}; its time is in the table.")
    without = [row["name"] for row in rows if row["from"] == "logmel"]
    if without:
        notes.append(f"without the time of a front end, since log-mel spectrograms were given: {', '.join(without)}.")
    return notes


def _next_command(environment: Mapping[str, Any], n_models: int, runs: Sequence[Path], kept: Sequence[Path]) -> str:
    if n_models > 1 and not environment["compared"]:
        return f"{environment['command']} --compare"
    if runs:
        return f"tinyclap report {shlex.quote(str(runs[0]))}"
    further = "--out bench.json" if not kept else "--threads 2" if environment["host"] else "--host ME@PI"
    return f"{environment['command']} {further}"
