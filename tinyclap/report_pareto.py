"""The run's encoders in a picture of accuracy against cost: teacher, student, and the student with other dimensions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyclap import formatting
from tinyclap.formatting import known, percent
from tinyclap.report_costs import Model, Shape, unpruned_shape
from tinyclap.results import Run, objects, part
from tinyclap.scatter import Axis, Point, Quality, Scatter, scatter

ACCURACY = Quality(formatting.round_percent, percent)


@dataclass(frozen=True)
class Candidate:
    """An encoder whose accuracy is known: its name, its kind in the picture, and its costs."""

    name: str
    kind: str
    accuracy: float
    figures: Mapping[str, Any]
    interval: tuple[float, float] | None = None


def candidates(run: Run, columns: Sequence[Model], shape: Shape | None) -> list[Candidate]:
    """What the run's files know the accuracy of, on its first evaluation's clips."""
    evaluation = run.evaluations[0] if run.evaluations else {}
    figures = {model.kind: model.figures for model in columns}
    pruned = part(run.summary.get("pruned"))
    found = [
        Candidate(kind, kind, accuracy, figures[kind], _interval(part(evaluation[kind]).get("ci95")))
        for kind in ("teacher", "student")
        if kind in figures and known(accuracy := part(evaluation.get(kind)).get("accuracy"))
    ]
    before = unpruned_shape(run, shape)
    if not pruned or before is None:
        return found
    own = (pruned.get("method"), bool(pruned.get("finetune_epochs")))
    for row in objects(run.sweep.get("rows")):
        dim, accuracy = row.get("dim"), row.get("accuracy")
        if type(dim) is not int or not 1 <= dim <= before.config.embed_dim or not known(accuracy):
            continue
        if row.get("method") == "none":
            found.append(Candidate(f"unpruned, {dim} dims", "unpruned", accuracy, figures.get("unpruned", {})))
        elif (row.get("method"), bool(row.get("finetuned"))) == own and dim != pruned.get("dim"):
            found.append(Candidate(f"{dim} dims", "swept", accuracy, before.pruned(dim).figures()))
    return found


def pictures(found: Sequence[Candidate]) -> list[Scatter]:
    """Accuracy against MACs and against latency, where at least two encoders can be compared."""
    windows = {one.figures["window_s"] for one in found if known(one.figures.get("window_s"))}
    key, name = ("macs", "MACs of a window") if len(windows) < 2 else ("macs_per_s", "MACs per second of audio")
    axes = {
        key: Axis(f"{name}, logarithmic", formatting.short_count, formatting.scaled),
        "p50_ms": Axis("median latency in ms, logarithmic", "{:g}".format, formatting.milliseconds),
    }
    titles = {key: f"Accuracy against {name}", "p50_ms": "Accuracy against latency"}
    drawn = []
    for key, axis in axes.items():
        points = [_point(one, key) for one in found if known(one.figures.get(key)) and one.figures[key] > 0]
        picture = scatter(titles[key], axis, ACCURACY, points) if len(points) > 1 else None
        drawn += [picture] if picture else []
    return drawn


def picture_rows(found: Sequence[Candidate]) -> list[tuple[str, ...]]:
    """The pictures' numbers as text, under the names of their columns."""
    header = ("", "Zero-shot accuracy", "MACs of a window", "Median latency", "Parameters")
    rows = [
        (
            one.name,
            percent(one.accuracy),
            formatting.scaled(one.figures.get("macs")),
            formatting.milliseconds(one.figures.get("p50_ms")),
            formatting.scaled(one.figures.get("parameters")),
        )
        for one in found
    ]
    return [header, *rows]


def _point(one: Candidate, key: str) -> Point:
    labelled = "room" if one.kind == "swept" else "always"
    return Point(
        one.name, one.kind, one.figures[key], one.accuracy, one.figures.get("parameters"), one.interval, labelled
    )


def _interval(pair: Any) -> tuple[float, float] | None:
    whole = isinstance(pair, list) and len(pair) == 2 and all(map(known, pair))
    return (pair[0], pair[1]) if whole else None
