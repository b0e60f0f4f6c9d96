"""The run's encoders in a picture of accuracy against cost: teacher, student, and the student with other dimensions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyclap.common import numbers
from tinyclap.common.numbers import known, percent
from tinyclap.hardware.student_shape import StudentShape
from tinyclap.reports.costs import CostColumn, unpruned_shape, windows_differ
from tinyclap.reports.plots.look import Plot
from tinyclap.reports.plots.scatter import Axis, Point, Scatter, scatter_plot
from tinyclap.runs.results import Run, as_mapping, as_mappings

ACCURACY = Axis("zero-shot accuracy", numbers.round_percent, percent)


@dataclass(frozen=True)
class Cost:
    """What a picture is against: its key among the figures, its name in the title and over a column, and its axis."""

    key: str
    name: str
    column: str
    axis: Axis


def _macs(key: str, name: str) -> Cost:
    return Cost(key, name, name, Axis(f"{name}, logarithmic", numbers.short_count, numbers.scaled))


def _latency(key: str, of: str = "") -> Cost:
    axis = Axis(f"latency in ms{of}, logarithmic", "{:g}".format, numbers.milliseconds)
    return Cost(key, f"median latency{of}", f"Median latency{of}", axis)


MACS, MACS_PER_SECOND = _macs("macs", "MACs of a window"), _macs("macs_per_s", "MACs per second of audio")
LATENCY, LATENCY_PER_SECOND = _latency("p50_ms"), _latency("ms_per_s", " per second of audio")


@dataclass(frozen=True)
class Candidate:
    """An encoder whose accuracy is known: its name, its kind in the picture, and its costs."""

    name: str
    kind: str
    accuracy: float
    figures: Mapping[str, Any]
    interval: tuple[float, float] | None = None


def candidates(run: Run, columns: Sequence[CostColumn], shape: StudentShape | None) -> list[Candidate]:
    """What the run's files know the accuracy of, on its first evaluation's clips."""
    evaluation = run.evaluations[0] if run.evaluations else {}
    figures = {model.kind: model.figures for model in columns}
    pruned = as_mapping(run.summary.get("pruned"))
    found = [
        Candidate(kind, kind, accuracy, figures[kind], _interval(as_mapping(evaluation[kind]).get("ci95")))
        for kind in ("teacher", "student")
        if kind in figures and known(accuracy := as_mapping(evaluation.get(kind)).get("accuracy"))
    ]
    before = unpruned_shape(run, shape)
    if not pruned or before is None:
        return found
    own = (pruned.get("method"), bool(pruned.get("finetune_epochs")))
    for row in as_mappings(run.sweep.get("rows")):
        dim, accuracy = row.get("dim"), row.get("accuracy")
        if type(dim) is not int or not 1 <= dim <= before.config.embed_dim or not known(accuracy):
            continue
        if row.get("method") == "none":
            found.append(Candidate(f"unpruned, {dim} dims", "unpruned", accuracy, figures.get("unpruned", {})))
        elif (row.get("method"), bool(row.get("finetuned"))) == own and dim != pruned.get("dim"):
            found.append(Candidate(f"{dim} dims", "swept", accuracy, before.pruned(dim).figures()))
    return found


def pictures(found: Sequence[Candidate]) -> list[Plot]:
    """Accuracy against MACs and against latency, where at least two encoders can be compared."""
    drawn = []
    for cost in _costs(found):
        points = [
            _point(one, cost.key) for one in found if known(one.figures.get(cost.key)) and one.figures[cost.key] > 0
        ]
        scatter = Scatter(f"Accuracy against {cost.name}", cost.axis, ACCURACY, points)
        plot = scatter_plot(scatter) if len(points) > 1 else None
        drawn += [plot] if plot else []
    return drawn


def picture_rows(found: Sequence[Candidate]) -> list[tuple[str, ...]]:
    """The pictures' numbers as text, under the names of their columns."""
    costs = _costs(found)
    header = ("", "Zero-shot accuracy", *(cost.column for cost in costs), "Parameters")
    rows = [
        (
            one.name,
            percent(one.accuracy),
            *(cost.axis.write(one.figures.get(cost.key)) for cost in costs),  # type: ignore[arg-type]
            numbers.scaled(one.figures.get("parameters")),
        )
        for one in found
    ]
    return [header, *rows]


def _costs(found: Sequence[Candidate]) -> tuple[Cost, Cost]:
    """What pictures are against: of a window, or per second of audio where windows differ."""
    figures = [one.figures for one in found]
    return (
        MACS_PER_SECOND if windows_differ(figures, "macs") else MACS,
        LATENCY_PER_SECOND if windows_differ(figures, "p50_ms") else LATENCY,
    )


def _point(one: Candidate, key: str) -> Point:
    labelled = "room" if one.kind == "swept" else "always"
    return Point(
        one.name, one.kind, one.figures[key], one.accuracy, one.figures.get("parameters"), one.interval, labelled
    )


def _interval(pair: Any) -> tuple[float, float] | None:
    whole = isinstance(pair, list) and len(pair) == 2 and all(map(known, pair))
    return (pair[0], pair[1]) if whole else None
