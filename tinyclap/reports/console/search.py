"""What a search found, for people: the ranked table, and the front of what costs buy, as a picture."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyclap.common.numbers import aligned, decimal, known, scaled, whole
from tinyclap.hardware.budget import LIMITS, format_limit
from tinyclap.scaling.options import CHOSEN, FRONT, RESULT

MAX_TRIALS = 10


@dataclass(frozen=True)
class CostAxis:
    """What a picture is against: in a word, as its axis says it with its unit, and how much one unit is."""

    what: str
    name: str
    unit: float


AXES = {
    "macs": CostAxis("MACs", "million MACs of a window", 1e6),
    "ram_bytes": CostAxis("RAM", "RAM in KiB", 1024),
    "flash_bytes": CostAxis("flash", "flash in KiB", 1024),
    "parameters": CostAxis("parameters", "thousand parameters", 1e3),
    "latency_ms": CostAxis("latency", "predicted latency in ms", 1),
}
ALWAYS = ("macs", "ram_bytes", "flash_bytes")


def as_table(result: Mapping[str, Any], folder: Path) -> str:
    """The best students with their costs and the budget, and the command to run next."""
    trials, told = result["trials"], result.get
    limits = {name: result["budget"][name] for name in LIMITS if known(result["budget"].get(name))}
    names = [name for name in LIMITS if all(known(trial.get(name)) for trial in trials)]
    columns = {"macs": "MACs", "parameters": "parameters", "ram_bytes": "RAM", "flash_bytes": "flash"}
    header = ("", "centred cosine", "epochs", *(columns.get(name, LIMITS[name]) for name in names), "student")
    rows = [
        header,
        ("budget", "", "", *(format_limit(name, limits[name]) if name in limits else "" for name in names), ""),
    ]
    rows += [
        (
            str(place),
            decimal(trial["centred_cosine"]),
            whole(trial.get("epochs")),
            *(format_limit(name, trial[name]) for name in names),
            short(trial["student"]),
        )
        for place, trial in enumerate(trials[:MAX_TRIALS], 1)
    ]
    lines = aligned(rows)
    finished = sum(bool(trial.get("finished")) for trial in trials)
    return "\n".join(
        [
            f"{scaled(told('fitting'))} of {scaled(told('students'))} students fit; {len(trials)} were trained on "
            f"{told('data')}, {finished} of them",
            f"for all {whole(told('epochs'))} epochs, and ranked on {whole(told('held_out_clips'))} clips held out",
            "",
            *lines,
            *([f"... {len(trials) - MAX_TRIALS} more in {folder / RESULT}"] if len(trials) > MAX_TRIALS else []),
            "",
            conventions(result),
            "a student: its trunk (gates are squeeze-excite); features to dimensions; sample rate, mels, hop",
            "",
            f"picture  {folder / FRONT}",
            f"next     {next_command(result, folder)}",
        ]
    )


def as_object(result: Mapping[str, Any], folder: Path) -> str:
    """The same as one JSON object."""
    entry = {"search": str(folder), "chosen": str(folder / CHOSEN), "next": next_command(result, folder)}
    return json.dumps({**entry, **result})


def conventions(result: Mapping[str, Any]) -> str:
    """What the costs of a search's table are."""
    budget, window_s = result["budget"], result["trials"][0]["student"]["window_s"]
    ram = "with fused blocks" if budget["fused"] else "layer by layer"
    timed = "; latency predicted, of float32 graphs" if budget.get("latency") else ""
    return (
        f"for a window of {window_s:g} s: MACs of the network without its front end; RAM and flash in "
        f"{budget['precision']}, {ram}{timed}"
    )


def drawn_costs(result: Mapping[str, Any]) -> dict[str, CostAxis]:
    """What a search's pictures are against: what every device has, and what else was limited."""
    budget = result["budget"]
    return {name: axis for name, axis in AXES.items() if name in ALWAYS or known(budget.get(name))}


def next_command(result: Mapping[str, Any], folder: Path) -> str:
    """What trains the chosen student in full, and for a microcontroller writes its firmware."""
    dim = result["trials"][0]["student"]["embed_dim"]
    then = f" && tinyclap prune --dim {dim}" if dim < result["full_dim"] else ""
    board = result.get("board")
    if isinstance(board, str):
        int8 = " --int8" if result["budget"]["precision"] == "int8" else ""
        then += f" && tinyclap export --c firmware{int8} --device {shlex.quote(board)}"
    return f"tinyclap distill {shlex.quote(str(folder / CHOSEN))}{then}"


def short(student: Mapping[str, Any]) -> str:
    """A student in a few words."""
    phinet, spec = student["phinet"], student["frontend"]
    gates = f", {phinet['activation']}" + (", gates" if phinet["squeeze_excite"] else "")
    hop_ms = 1000 * spec["hop_length"] / spec["sample_rate"]
    return (
        f"alpha {phinet['alpha']:g}, beta {phinet['beta']:g}, t0 {phinet['t0']:g}, depth {phinet['depth']}{gates}; "
        f"{student['features']} to {student['embed_dim']}; {spec['sample_rate'] / 1000:g} kHz, {spec['n_mels']} mels, "
        f"{hop_ms:g} ms"
    )
