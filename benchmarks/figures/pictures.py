"""Accuracy against what it costs, as a picture."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyclap.common.numbers import scaled, short_count

COLUMNS = {"clip_ms": "ms for a clip of 5 s, waveform to embedding", "clip_macs": "MACs for a clip of 5 s"}
ROWS = {
    "accuracy": "measured here:\nzero-shot accuracy on ESC-10",
    "zero_shot_esc50": "published:\nzero-shot accuracy on ESC-50",
}
OURS, OTHERS = "#b3470f", "#2b6cb0"
LARGEST_AREA, SMALLEST_AREA = 500.0, 20.0  # of a circle, points squared
CLOSE = 1.2  # percentage points


def pareto(models: Mapping[str, Mapping[str, Any]], path: Path, threads: int) -> None:
    """Two rows, as accuracies on different data do not compare: measured here, and published of the same shapes.

    Args:
        models: of run.py; those without an accuracy are left out.
        path: of the PNG file.
        threads: that the times were taken on.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    largest = max(model["parameters"] for model in models.values())
    figure, axes = pyplot.subplots(len(ROWS), len(COLUMNS), figsize=(11, 8), sharey="row", sharex="col")
    for (quality, y_name), line in zip(ROWS.items(), axes, strict=True):
        shown = {key: model for key, model in models.items() if model.get(quality) is not None}
        for cost, axis in zip(COLUMNS, line, strict=True):
            for key, model in shown.items():
                x, y, colour = model[cost], 100 * model[quality], OURS if key.startswith("ours") else OTHERS
                area = SMALLEST_AREA + LARGEST_AREA * model["parameters"] / largest
                axis.scatter(x, y, s=area, color=colour, alpha=0.75, linewidth=0)
                if quality == "accuracy" and model.get("ci95"):
                    axis.plot([x, x], [100 * end for end in model["ci95"]], color=colour, alpha=0.3)
            costs = [model[cost] for model in models.values()]
            label(axis, shown, cost, quality, math.sqrt(min(costs) * max(costs)))
            axis.set_xscale("log")
            axis.margins(x=0.2, y=0.2)
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
            axis.xaxis.set_major_formatter(lambda value, _: short_count(value))
        line[0].set_ylabel(f"{y_name}, %")
    for axis, x_name in zip(axes[-1], COLUMNS.values(), strict=True):
        axis.set_xlabel(x_name)
    told = f"{threads} thread{'s' * (threads > 1)}; a circle's area tells parameters (largest: {scaled(largest)})"
    figure.suptitle(f"Accuracy against cost, {told}")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def label(axis: Any, shown: Mapping[str, Mapping[str, Any]], cost: str, quality: str, middle: float) -> None:
    """Names beside the circles, towards the middle cost; where these lie close, further off and one below the other."""
    taken: list[tuple[float, float]] = []
    for model in sorted(shown.values(), key=lambda model: -model[quality]):
        x, y = model[cost], 100 * model[quality]
        near = sum(abs(y - other_y) < CLOSE and 0.3 < x / other_x < 3 for other_x, other_y in taken)
        taken.append((x, y))
        side = -1 if x > middle else 1
        axis.annotate(
            model["name"],
            (x, y),
            xytext=((70 if near else 12) * side, 4 - 16 * near),
            textcoords="offset points",
            ha="right" if side < 0 else "left",
            fontsize=8,
            arrowprops={"arrowstyle": "-", "linewidth": 0.6, "alpha": 0.6} if near else None,
        )
