"""What `tinyclap probe` says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import aligned, duration, whole
from tinyclap.reports.probe import probe_tables

FEW = 1  # pairs, beside which there is room for what is asked


def as_table(result: Mapping[str, Any], place: Path, report: Path | None = None) -> str:
    """A probe as text.

    Args:
        result: as `evaluation.probe.probe` returns it.
        place: the run or the bundle.
        report: of the run.
    """
    shown = probe_tables(result) or {"tables": [], "at_chance": [], "agreement": []}
    explained = all(len(table["pairs"]) <= FEW for table in shown["tables"])  # else the report explains them
    blocks = [
        [
            f"{table['title']}:",
            *aligned(
                [
                    ("", *table["pairs"], "chance", *([""] if explained else [])),
                    *(
                        (f"  {row.name}", *row.cells, row.chance, *([row.help] if explained else []))
                        for row in table["rows"]
                    ),
                ]
            ),
        ]
        for table in shown["tables"]
    ]
    blocks.append([*shown["at_chance"], *shown["agreement"]])
    heard = f"{whole(result.get('recordings'))} generated recordings of {duration(result.get('duration_s'))}, "
    asked = f"{whole(result.get('texts'))} texts, {whole(result.get('n'))} puzzles of each probe"
    ends = [f"asked    {heard if result.get('duration_s') else ''}{asked}, seed {result.get('seed')}"]
    ends += [f"run      {place}", f"report   {report}"] if report else [f"bundle   {place}"]
    there = shell_path(place)
    ends.append(f"next     tinyclap {f'evaluate {there}' if report else f'classify YOUR_SOUNDS --bundle {there}'}")
    return "\n".join(line for block in [*blocks, ends] if block for line in (*block, "")).rstrip("\n")
