"""Accuracy against what it costs, as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyclap.common.numbers import percent, round_percent, scaled, short_count
from tinyclap.reports.plots.scatter import Axis, Point, Scatter, write_scatter_plots

COSTS = {
    "clip_ms": Axis("ms for a clip of 5 s, waveform to embedding", short_count, scaled),
    "clip_macs": Axis("MACs for a clip of 5 s", short_count, scaled),
}
QUALITIES = {
    "accuracy": Axis("measured here:\nzero-shot accuracy on ESC-10", round_percent, percent),
    "zero_shot_esc50": Axis("published:\nzero-shot accuracy on ESC-50", round_percent, percent),
}


def pareto(models: Mapping[str, Mapping[str, Any]], path: Path, threads: int) -> None:
    """Two rows, as accuracies on different data do not compare: measured here, and published of the same shapes.

    Args:
        models: of run.py; those without an accuracy are left out.
        path: of the PNG file.
        threads: that the times were taken on.
    """
    rows = [
        [Scatter("", axis, quality, points(models, cost, key)) for cost, axis in COSTS.items()]
        for key, quality in QUALITIES.items()
    ]
    note = "a circle's size tells parameters; the dotted line leads over those that no other one beats in both"
    write_scatter_plots(path, rows, f"Accuracy against cost, {threads} thread{'s' * (threads > 1)}; {note}")


def points(models: Mapping[str, Mapping[str, Any]], cost: str, quality: str) -> list[Point]:
    """The models whose accuracy is known, ours in the student's colour; intervals are those of what was measured."""
    return [
        Point(
            model["name"],
            "student" if key.startswith("ours") else "teacher",
            model[cost],
            model[quality],
            model["parameters"],
            tuple(model["ci95"]) if quality == "accuracy" and model.get("ci95") else None,
        )
        for key, model in models.items()
        if model.get(quality) is not None
    ]
