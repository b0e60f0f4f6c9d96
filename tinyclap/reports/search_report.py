"""A search's report: one self-contained HTML page and its Markdown twin, from what `tinyclap search` wrote."""

import shlex
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyclap.common import numbers
from tinyclap.common.checks import is_count
from tinyclap.common.files import parse_json
from tinyclap.common.numbers import decimal, known, scaled
from tinyclap.common.structure import fitting
from tinyclap.errors import TinyclapError, listed
from tinyclap.hardware import pareto
from tinyclap.hardware.budget import LIMITS, format_limit
from tinyclap.reports import pages
from tinyclap.reports.console.search import conventions, drawn_costs, next_command, short
from tinyclap.reports.plots.look import Plot
from tinyclap.reports.plots.scatter import Axis, Point, Scatter, scatter_plot, write_scatter_plots
from tinyclap.runs.results import as_mapping, as_mappings
from tinyclap.scaling.options import ASKED, CHOSEN, RESULT
from tinyclap.scaling.search_file import Search

COLUMNS = {
    "macs": "MACs",
    "parameters": "Parameters",
    "ram_bytes": "RAM",
    "flash_bytes": "Flash",
    "latency_ms": "Latency",
}
COSINE = Axis("centred cosine, held-out clips", "{:.6g}".format, decimal)
OPTIONS = {
    # of `tinyclap search`
    "macs": "--max-macs",
    "parameters": "--max-params",
    "ram_bytes": "--max-ram",
    "flash_bytes": "--max-flash",
    "latency_ms": "--max-latency",
}


def is_search(folder: Path) -> bool:
    """Whether `tinyclap search` made this folder."""
    return (folder / ASKED).is_file() or (folder / RESULT).is_file()


def write_search_report(folder: Path) -> Path:
    """Write `report/report.html` and `report/report.md` into a search's folder and return the HTML's path.

    Raises TinyclapError for a search that has not ended yet, or whose search.json is damaged.
    """
    return pages.write_pages(folder, "search", _context(folder, read_search(folder)))


def read_search(folder: Path) -> dict[str, Any]:
    """What search.json says, its trials as `tinyclap search` ranked them.

    Raises TinyclapError where it is missing, damaged, or without a trial that can be shown.
    """
    path = folder / RESULT
    if not path.is_file():
        raise TinyclapError(f"{folder} holds a search that has not ended: the same `tinyclap search` goes on with it")
    try:
        found, faults = fitting(parse_json(path.read_bytes()), Search)
        trials = [trial for trial in as_mappings(as_mapping(found).get("trials")) if _whole(trial)]
        if not trials:
            raise ValueError("no trial in it can be read")
        result = {**found, "trials": trials}
        conventions(result)
        _refuse_odd_dims(result)
    except (ValueError, TypeError, KeyError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise TinyclapError(f"{path} is damaged ({why}); remove it and run the same `tinyclap search` again") from error
    if faults:
        warnings.warn(f"{path} is damaged: {listed(faults)}; the rest of it is shown", stacklevel=2)
    return result


def pictures(result: Mapping[str, Any]) -> list[Plot]:
    """The scatters in the page."""
    return [plot for scatter in scatters(result) if (plot := scatter_plot(scatter))]


def write_front(result: Mapping[str, Any], path: Path) -> None:
    """Write the scatters as a PNG file."""
    note = (
        "Each circle is a student, a hollow one was stopped early. Dotted: what no other one beats; dashed: the budget."
    )
    shown = [scatter for scatter in scatters(result) if scatter.drawn]
    write_scatter_plots(path, [shown], f"{note}\nCosts are {conventions(result)}.")


def scatters(result: Mapping[str, Any]) -> list[Scatter]:
    """Centred cosine against each cost: every trial, the front that none beats, and the budget."""
    trials, limits = result["trials"], as_mapping(result.get("budget"))
    drawn = []
    for key, cost in drawn_costs(result).items():
        unit = cost.unit
        limit = limits[key] / unit if known(limits.get(key)) else None
        axis = Axis(
            f"{cost.name}, logarithmic",
            "{:g}".format,
            lambda x, key=key, unit=unit: format_limit(key, x * unit),  # type: ignore[misc]
            limit,
        )
        front = _front(trials, key)
        points = [
            Point(
                "chosen" if place == 1 else str(place),
                "chosen" if place == 1 else "trial" if trial.get("finished") else "stopped",
                trial[key] / unit,
                trial["centred_cosine"],
                trial.get("parameters"),
                labelled="always" if place == 1 else "room" if place in front else "never",
            )
            for place, trial in enumerate(trials, 1)
            if known(trial.get(key))
        ]
        drawn.append(Scatter(f"Centred cosine against {cost.what}", axis, COSINE, points))
    return drawn


def table(result: Mapping[str, Any]) -> list[list[str]]:
    """All trials as text under the names of their columns, the budget first."""
    trials, limits = result["trials"], as_mapping(result.get("budget"))
    names = [name for name in LIMITS if any(known(trial.get(name)) for trial in trials)]
    header = ["", "Centred cosine", "Epochs", *(COLUMNS[name] for name in names), "Student"]
    budget = [
        "budget",
        "",
        "",
        *(format_limit(name, limits[name]) if known(limits.get(name)) else "" for name in names),
        "",
    ]
    rows = [
        [
            str(place),
            decimal(trial["centred_cosine"]),
            f"{numbers.whole(trial.get('epochs'))}{'' if trial.get('finished') else ', stopped'}",
            *(format_limit(name, trial[name]) if known(trial.get(name)) else numbers.DASH for name in names),
            short(trial["student"]),
        ]
        for place, trial in enumerate(trials, 1)
    ]
    return [header, budget, *rows]


def _context(folder: Path, result: Mapping[str, Any]) -> dict[str, Any]:
    trials, best = result["trials"], result["trials"][0]
    where = Path(pages.display_path(folder))
    rows = table(result)
    return {
        "result": result,
        "name": folder.resolve().name,
        "verdict": (
            f"Of {scaled(result.get('fitting'))} students that fit the budget, {len(trials)} were trained briefly; "
            f"the best follows its teacher with a centred cosine of {decimal(best['centred_cosine'])}."
        ),
        "tiles": _tiles(result, rows),
        "pictures": pictures(result),
        "rows": rows,
        "finished": sum(bool(trial.get("finished")) for trial in trials),
        "conventions": conventions(result),
        "chosen": _read_text(folder / CHOSEN),
        "recipe": str(result.get("recipe") or ""),
        "environment": as_mapping(result.get("environment")),
        "next_command": next_command(result, where),
        "search_command": _command(result, where),
        "report_command": f"tinyclap report {shlex.quote(str(where))}",
    }


def _tiles(result: Mapping[str, Any], rows: Sequence[Sequence[str]]) -> list[tuple[str, str, str]]:
    """(figure, what it is, beside what) of the chosen student."""
    header, budget, best = rows[:3]
    tiles = [(best[1], "centred cosine", f"on {numbers.whole(result.get('held_out_clips'))} clips held out")]
    for name, limit, figure in list(zip(header, budget, best, strict=True))[3:-1]:
        tiles.append((figure, name, f"at most {limit}" if limit else "no limit"))
    return tiles


def _command(result: Mapping[str, Any], folder: Path) -> str:
    """The command that searches so again, with the recipe that the report shows."""
    budget = as_mapping(result.get("budget"))
    given = []
    for key, option in OPTIONS.items():
        unit = "ms" if key == "latency_ms" else "B" if key.endswith("_bytes") else ""
        given += [f"{option} {budget[key]}{unit}"] if known(budget.get(key)) else []
    if as_mapping(budget.get("latency")):
        given.append("--latency FILE")
    given.append(f"--precision {budget.get('precision')}{' --fused' if budget.get('fused') else ''}")
    counts = {"trials": len(result["trials"]), **{key: result.get(key) for key in ("epochs", "views", "seed")}}
    given += [f"--{key} {value}" for key, value in counts.items() if known(value)]
    return f"tinyclap search RECIPE {' '.join(given)} --out {shlex.quote(f'{folder}-again')}"


def _front(trials: Sequence[Mapping[str, Any]], key: str) -> list[int]:
    """The ranks of the finished trials that no other one beats."""
    ranked = [
        (place, trial) for place, trial in enumerate(trials, 1) if trial.get("finished") and known(trial.get(key))
    ]
    kept = pareto.pareto({key: [trial[key] for _, trial in ranked]}, [trial["centred_cosine"] for _, trial in ranked])
    return [ranked[index][0] for index in kept]


def _whole(trial: Mapping[str, Any]) -> bool:
    """Whether a trial has a value and a student that can be named."""
    try:
        short(trial["student"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return False
    return known(trial.get("centred_cosine"))


def _refuse_odd_dims(result: Mapping[str, Any]) -> None:
    """Raise what `read_search` tells of where nobody can say whether the best student is to be pruned."""
    best = result["trials"][0]["student"]
    for name, dim in (("full_dim", result["full_dim"]), ("the best student's embed_dim", best["embed_dim"])):
        if not is_count(dim):
            raise ValueError(f"{name} is {dim!r}, expected a whole number above 0")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
