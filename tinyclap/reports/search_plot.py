"""The picture of a search: each trial by what it costs and how good it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyclap.hardware.pareto import pareto
from tinyclap.reports.console.search import conventions, drawn_costs


def plot(result: Mapping[str, Any], path: Path) -> None:
    """Centred cosine over each cost: every trial, the front that none beats, and the budget."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    trials = [trial for trial in result["trials"] if trial["finished"]]
    stopped = [trial for trial in result["trials"] if not trial["finished"]]
    values = [trial["centred_cosine"] for trial in trials]
    shown = drawn_costs(result)
    figure, axes = pyplot.subplots(1, len(shown), figsize=(4 * len(shown), 4), sharey=True, constrained_layout=True)
    for axis, (name, cost) in zip(axes, shown.items(), strict=True):
        unit = cost.unit
        costs = [trial[name] / unit for trial in trials]
        if stopped:
            early = [trial["centred_cosine"] for trial in stopped]
            axis.scatter([trial[name] / unit for trial in stopped], early, s=18, color="0.75", label="stopped early")
        axis.scatter(costs, values, s=26, color="C0", label="all epochs")
        front = pareto({name: costs}, values)
        axis.step(
            [costs[k] for k in front], [values[k] for k in front], where="post", color="C0", lw=1.2, label="front"
        )
        axis.scatter(costs[:1], values[:1], s=90, facecolors="none", edgecolors="C3", lw=1.8, label="chosen")
        limit = result["budget"][name]
        near = limit is not None and limit / unit < 3 * max(costs)
        if near:
            axis.axvline(limit / unit, color="C3", ls="--", lw=1, label="budget")
        axis.set_xlim(0, 1.12 * max(*costs, limit / unit if near else 0, 1e-9))
        axis.set_xlabel(cost.name)
        axis.grid(alpha=0.25)
    axes[0].set_ylabel("centred cosine, held-out clips")
    named = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named.keys(), loc="outside upper center", ncols=len(named), fontsize=8, frameon=False)
    figure.suptitle(conventions(result), fontsize=8, color="0.4", y=-0.02)
    figure.savefig(path, dpi=130, bbox_inches="tight")
    pyplot.close(figure)
