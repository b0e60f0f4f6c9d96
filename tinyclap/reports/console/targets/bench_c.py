"""What `tinyclap bench` prints of generated C: the time here, instructions on emulated boards, and the next command."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyclap.bench.emulator import PACKAGES
from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import DASH, aligned, milliseconds, scaled

HEADER = ("", "p50", "p90", "instructions", "stack", "code")


def as_table(result: Mapping[str, Any], kept: Sequence[Path] = ()) -> str:
    """A result of `bench.measure_c.bench_c` as text; `kept`: files for it."""
    environment, about, native, rows = (result[name] for name in ("environment", "c", "native", "emulated"))
    where = environment["host"] or "this machine"
    times = [milliseconds(native["p50_ms"]), milliseconds(native["p90_ms"])]
    cells = [[f"{row['core']}, emulated", DASH, DASH, *_counts(row)] for row in rows]
    window = f"{about['window_samples'] / about['sample_rate']:g} s"
    written = [f"samples  {', '.join(map(str, kept))}"] if kept else []
    return "\n".join(
        [
            f"{about['path']}: {window} of sound to its embedding in {about['precision']}, "
            f"{about['arena_bytes']:,} bytes in one arena",
            f"{environment['cpu']}; one thread, wall clock, {native['repeats']:,} repeats; cc {native['flags']}",
            "",
            *aligned([HEADER, [where, *times, DASH, DASH, DASH], *cells], numbers=True),
            "",
            *_notes(rows),
            "",
            *written,
            f"next     {shell_path(Path(about['path']) / 'README.md')} says how to build it into firmware",
        ]
    )


def _counts(row: Mapping[str, Any]) -> list[str]:
    return [scaled(row["instructions"]), f"{row['stack_bytes']:,} B", f"{row['code_bytes']:,} B"]


def _notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return [f"no instructions are counted: the tools are missing (Debian: apt install {PACKAGES})"]
    boards = ", ".join(f"{row['core']}: {row['machine']}" for row in rows)
    return [
        f"instructions: of QEMU with -icount shift=0 ({boards}), from the first sample to the embedding; they are no",
        "cycles. stack: the most that is used, besides the arena; code: with constants, the selftest and printing.",
    ]
