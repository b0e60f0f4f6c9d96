"""Which charts a run gets: its training over the epochs, its pruning over the dimensions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tinyclap.common import numbers
from tinyclap.common.numbers import known
from tinyclap.reports.plots.lines import Line, line_plot
from tinyclap.reports.plots.look import DASHED, DOTTED, Plot
from tinyclap.reports.tables import swept_name
from tinyclap.runs.results import as_mappings

TERMS = ("contrastive", "masked", "captioning")  # of the loss of a pretraining with more than one objective
STROKES = (("line-1", "-"), ("line-2", DASHED), ("teacher", DOTTED), ("student", DASHED))
METHOD_COLOURS = ("teacher", "student", "soft")


def charts(epochs: Sequence[Mapping[str, Any]], of: str = "") -> list[Plot]:
    """Loss, cosine to the teacher and learning rate over the epochs; stages after the first are marked.

    Args:
        epochs: of a training.
        of: ends the titles, where a page shows two trainings.
    """
    xs, marks = _epoch_axis(epochs)
    terms = [term for term in TERMS if any(known(epoch.get(term)) for epoch in epochs)]
    panels = {
        "Loss": {name: name for name in ("loss", *(terms if len(terms) > 1 else ()))},
        "Cosine to the teacher": {"cosine": "cosine", "centred_cosine": "centred cosine"},
        "Learning rate": {"lr": "learning rate"},
    }
    drawn = []
    for title, keys in panels.items():
        lines = [
            Line(
                name,
                [(x, float(epoch[key])) for x, epoch in zip(xs, epochs, strict=True) if known(epoch.get(key))],
                colour,
                dashes,
            )
            for (key, name), (colour, dashes) in zip(keys.items(), STROKES, strict=False)
        ]
        plot = line_plot(f"{title}{of}", "epoch", lines, marks)
        drawn += [plot] if plot else []
    return drawn


def sweep_charts(sweep: Mapping[str, Any]) -> list[Plot]:
    """Accuracy and neighbour overlap over the dimensions, a line per method and state; the axis is logarithmic."""
    rows = [row for row in as_mappings(sweep.get("rows")) if known(row.get("dim")) and row["dim"] > 0]
    pruned = sorted((row for row in rows if row.get("method") != "none"), key=lambda row: row["dim"])
    methods = list(dict.fromkeys(row.get("method") for row in rows if row.get("method") != "none"))
    drawn = []
    for title, key in (("Zero-shot accuracy", "accuracy"), ("10-neighbour overlap", "knn10_overlap")):
        lines: dict[str, Line] = {}
        for row in pruned:
            if known(row.get(key)):
                colour = METHOD_COLOURS[methods.index(row.get("method")) % len(METHOD_COLOURS)]
                # A method's line is solid, and once trained again it is dashed in the same colour.
                new = Line(swept_name(row), [], colour, DASHED if row.get("finetuned") else "-")
                line = lines.setdefault(swept_name(row), new)
                lines[line.name] = replace(line, points=[*line.points, (row["dim"], float(row[key]))])
        whole = next((row[key] for row in rows if row.get("method") == "none" and known(row.get(key))), None)
        if lines and whole is not None:
            level = [(pruned[end]["dim"], float(whole)) for end in (0, -1)]
            lines["unpruned"] = Line("unpruned", level, "ink", DOTTED, marked=False)
        plot = line_plot(title, "dimensions", list(lines.values()), y_text=numbers.round_percent, base=2)
        drawn += [plot] if plot else []
    return drawn


def _epoch_axis(epochs: Sequence[Mapping[str, Any]]) -> tuple[list[float], dict[str, float]]:
    """Each record's place on the axis, counting on where a later stage starts anew, and where stages start."""
    xs: list[float] = []
    marks: dict[str, float] = {}
    for number, epoch in enumerate(epochs):
        own = epoch.get("epoch")
        x = float(own) if known(own) else float(number + 1)
        xs.append(x if not xs or x > xs[-1] else xs[-1] + 1)
        if number and epoch.get("stage") != epochs[number - 1].get("stage"):
            marks[str(epoch.get("stage") or "unnamed")] = xs[-1]
    return xs, marks
