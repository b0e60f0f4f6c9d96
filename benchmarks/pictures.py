"""Accuracy against what it costs, as a picture for the README."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

COLUMNS = {"clip_ms": "ms for a clip of 5 s, one thread, waveform to embedding", "clip_macs": "MACs for a clip of 5 s"}
ROWS = {
    "accuracy": "measured here:\nzero-shot accuracy on ESC-10",
    "zero_shot_esc50": "published:\nzero-shot accuracy on ESC-50",
}
OURS, OTHERS = "#b3470f", "#2b6cb0"
LARGEST_AREA = 900.0  # of a circle, points squared


def pareto(models: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Two rows, as accuracies on different data do not compare: measured here, and published of the same shapes.

    Args:
        models: of run.py; those without an accuracy are left out.
        path: of the PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    largest = max(model["parameters"] for model in models.values())
    figure, axes = pyplot.subplots(len(ROWS), len(COLUMNS), figsize=(11, 8), sharey="row", sharex="col")
    for line, (quality, y_name) in zip(axes, ROWS.items(), strict=True):
        shown = {key: model for key, model in models.items() if model.get(quality) is not None}
        for axis, (cost, x_name) in zip(line, COLUMNS.items(), strict=True):
            for key, model in shown.items():
                area = 20 + LARGEST_AREA * model["parameters"] / largest
                colour = OURS if key.startswith("ours") else OTHERS
                y = 100 * model[quality]
                axis.scatter(model[cost], y, s=area, color=colour, alpha=0.75, linewidth=0)
                if quality == "accuracy" and model.get("ci95"):
                    axis.plot([model[cost]] * 2, [100 * end for end in model["ci95"]], color=colour, alpha=0.4)
            label(axis, shown, cost, quality)
            axis.set_xscale("log")
            axis.margins(x=0.15, y=0.2)
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
            if line is axes[-1]:
                axis.set_xlabel(x_name)
        line[0].set_ylabel(f"{y_name}, %")
    figure.suptitle("Accuracy against cost; a circle's area tells parameters", fontsize=12)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def label(axis: Any, shown: Mapping[str, Mapping[str, Any]], cost: str, quality: str) -> None:
    """Names beside the circles, one below the other where circles lie close."""
    taken: list[tuple[float, float]] = []
    for _, model in sorted(shown.items(), key=lambda item: -item[1][quality]):
        x, y = model[cost], 100 * model[quality]
        near = sum(abs(y - other_y) < 2 and 0.3 < x / other_x < 3 for other_x, other_y in taken)
        taken.append((x, y))
        axis.annotate(model["name"], (x, y), xytext=(9, 6 - 11 * near), textcoords="offset points", fontsize=8)
