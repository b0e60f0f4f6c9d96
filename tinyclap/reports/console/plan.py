"""What `tinyclap plan` says: storage, hours and cost of a distillation, and where each figure comes from."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tinyclap.common.numbers import aligned, duration, file_size, three_digits, whole

TO = " to "
LONG_H = 10  # hours, from which on minutes do not matter
RATES = {
    "decode": ("decoding", "s of sound/s a process"),
    "render": ("views for the teacher", "a second and process"),
    "teacher": ("teacher", "views/s each"),
    "spectrogram": ("spectrograms", "views/s a process"),
    "assemble": ("batches", "clips/s put together a process"),
    "train": ("student", "clips/s trained on each"),
    "sound_bytes": ("sound files", "bytes for each second"),
}


def plan_object(plan: Mapping[str, Any]) -> str:
    """A plan as one JSON object."""
    return json.dumps(plan)


def plan_lines(plan: Mapping[str, Any], words: Sequence[str], gpus: int) -> str:
    """A plan as tables, and the next command.

    Args:
        plan: `Plan.as_dict`.
        words: recipe and overrides, as typed.
        gpus: that were asked for.
    """
    work, found = plan["work"], plan["estimate"]
    lines = [
        f"plan     {plan['name']}: {whole(work['clips'])} clips of {three_digits(work['clip_s'])} s, "
        f"{whole(work['windows'])} windows, {whole(work['views'])} views of each, {whole(work['epochs'])} epochs",
        f"on       {plan['device']}; measured on {plan['here']}",
        "",
        *_storage(found, plan["free_bytes"]),
        "",
        *_hours(found),
        "",
        *_rates(plan["rates"]),
        "",
        *_costs(found["cost"], found["accelerators"]),
        f"bounds   {found['longest']} of the time ({found['stages'][found['longest']]['bound']}), "
        f"{found['largest']} of the storage",
        *(f"note     {note}" for note in plan["notes"]),
        f"next     tinyclap embed-teacher {shlex.join(words)}" + (f" --workers {gpus}" if gpus > 1 else ""),
    ]
    return "\n".join(lines)


def _storage(found: Mapping[str, Any], free: int) -> list[str]:
    rows = [("storage", "bytes", "comes from")]
    rows += [
        (name, _between(part, file_size), part["source"]) for name, part in found["storage"].items() if part["high"]
    ]
    total = {bound: sum(part[bound] for part in found["storage"].values()) for bound in ("low", "high")}
    fits = "more than is free" if total["high"] > free else "of what is free"
    return aligned([*rows, ("all", _between(total, file_size), f"{fits} here, {file_size(free)}")])


def _hours(found: Mapping[str, Any]) -> list[str]:
    rows = [("time", "", "processes", "bound by")]
    rows += [
        (name, _between(stage["hours"], _hours_as_time), str(stage["workers"]), stage["bound"])
        for name, stage in found["stages"].items()
    ]
    return aligned([*rows, ("all", _between(found["hours"], _hours_as_time), "", "")])


def _hours_as_time(hours: float) -> str:
    return f"{three_digits(hours)} h" if hours >= LONG_H else duration(3600 * hours)


def _rates(rates: Mapping[str, Any]) -> list[str]:
    rows = [("rates", "", "", "comes from")]
    for key, (name, unit) in RATES.items():
        rows.append((name, _between(rates[key], three_digits), unit, rates[key]["source"]))
    return aligned(rows)


def _costs(cost: Mapping[str, Any], accelerators: int) -> list[str]:
    if not cost:
        return []
    busy, every = (_between(cost[name], three_digits) for name in ("at work", "all hours"))
    held = "it is" if accelerators == 1 else "they are"
    return [f"cost     {busy} while teacher and training run, {every} where {held} held all the time"]


def _between(part: Mapping[str, Any], write: Any) -> str:
    """Both bounds, or the one that they are written as."""
    low, high = write(part["low"]), write(part["high"])
    return low if low == high else f"{low}{TO}{high}"
