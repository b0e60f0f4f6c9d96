"""Which charts a run gets: its training over the epochs, its pruning over the dimensions."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tinyclap.common import numbers
from tinyclap.common.numbers import known
from tinyclap.reports.charts import Chart, line_chart
from tinyclap.reports.tables import swept_name
from tinyclap.runs.results import as_mappings

UNPRUNED_STYLE = 0  # of its line among the methods' in the page


def charts(epochs: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Loss, cosine to the teacher and learning rate over the epochs; stages after the first are marked."""
    xs, marks = _epoch_axis(epochs)
    panels = {
        "Loss": {"loss": "loss"},
        "Cosine to the teacher": {"cosine": "cosine", "centred_cosine": "centred cosine"},
        "Learning rate": {"lr": "learning rate"},
    }
    drawn = []
    for title, keys in panels.items():
        series = {
            name: [(x, float(epoch[key])) for x, epoch in zip(xs, epochs, strict=True) if known(epoch.get(key))]
            for key, name in keys.items()
        }
        chart = line_chart(title, "epoch", series, marks)
        drawn += [chart] if chart else []
    return drawn


def sweep_charts(sweep: Mapping[str, Any]) -> list[Chart]:
    """Accuracy and neighbour overlap over the dimensions, a line per method and state; the axis is logarithmic."""
    rows = [row for row in as_mappings(sweep.get("rows")) if known(row.get("dim")) and row["dim"] > 0]
    pruned = sorted((row for row in rows if row.get("method") != "none"), key=lambda row: row["dim"])
    methods = list(dict.fromkeys(row.get("method") for row in rows if row.get("method") != "none"))
    styles = {"unpruned": UNPRUNED_STYLE}
    drawn = []
    for title, key in (("Zero-shot accuracy", "accuracy"), ("10-neighbour overlap", "knn10_overlap")):
        series: dict[str, list[tuple[float, float]]] = {}
        for row in pruned:
            if known(row.get(key)):
                series.setdefault(swept_name(row), []).append((math.log2(row["dim"]), float(row[key])))
                # A method's line is solid, and once trained again it is dashed in the same colour.
                styles.setdefault(
                    swept_name(row), 2 * methods.index(row["method"]) + (4 if row.get("finetuned") else 3)
                )
        whole = next((row[key] for row in rows if row.get("method") == "none" and known(row.get(key))), None)
        if series and whole is not None:
            series["unpruned"] = [(math.log2(pruned[end]["dim"]), float(whole)) for end in (0, -1)]
        chart = line_chart(
            title, "dimensions", series, x_text=lambda x: f"{2**x:.0f}", y_text=numbers.round_percent, styles=styles
        )
        drawn += [chart] if chart else []
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
            marks[str(epoch.get("stage"))] = xs[-1]
    return xs, marks
