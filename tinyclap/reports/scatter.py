"""Where the circles and labels of a picture of quality against cost go; the report's template draws it as inline SVG.

The cost axis is logarithmic, a circle's size tells parameters, and no label covers another one or a circle.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeGuard

from tinyclap.common.numbers import known, scaled
from tinyclap.hardware.pareto import pareto
from tinyclap.reports import charts
from tinyclap.reports.charts import Frame, Tick
from tinyclap.reports.picture_labels import Corner, Dot, Label, place_labels

FRAME = Frame(height=272, left=58, bottom=200)
LARGEST, SMALLEST, PLAIN = 13.0, 3.0, 5.0  # radii; the last where parameters are not known
LEAST_DECADES = 0.6  # that the cost axis spans
LEGEND_Y = 252.0
KINDS = ("teacher", "unpruned", "student", "swept", "chosen", "trial", "stopped")  # each has its own colours
BACKGROUND = ("swept", "trial", "stopped")


@dataclass(frozen=True)
class Point:
    """What is drawn.

    Attributes:
        name: said of it, and written beside it.
        kind: one of KINDS.
        x: its cost, above 0.
        y: its quality, at most 1.
        parameters: that its circle tells.
        interval: of its quality, drawn as a line.
        labelled: "always", "room" (if no other label is in the way) or "never".
    """

    name: str
    kind: str
    x: float
    y: float
    parameters: float | None = None
    interval: tuple[float, float] | None = None
    labelled: str = "always"


@dataclass(frozen=True)
class Scatter:
    """A laid-out picture; all places in viewBox units. `summary` is what a screen reader says instead."""

    title: str
    x_name: str
    dots: list[Dot]
    labels: list[Label]
    front: str
    limit: Tick | None
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    sizes: list[tuple[Dot, Label]]
    summary: str


@dataclass(frozen=True)
class Axis:
    """What the cost axis shows: its name, a tick's text, a figure's text, and the most that is allowed, if any."""

    name: str
    tick: Callable[[float], str]
    told: Callable[[float], str]
    limit: float | None = None


@dataclass(frozen=True)
class Quality:
    """What the other axis shows: a tick's text and a figure's text."""

    tick: Callable[[float], str]
    told: Callable[[float], str]


def scatter(title: str, axis: Axis, quality: Quality, points: Sequence[Point]) -> Scatter | None:
    """Lay out points, those that matter most first; None when none has a cost above 0 and a quality."""
    drawn = [point for point in points if known(point.x) and point.x > 0 and known(point.y)]
    if not drawn:
        return None
    place = _Places.around(drawn, axis.limit)
    largest = max((point.parameters for point in drawn if _positive(point.parameters)), default=None)
    dots = [place.dot(point, radius(point.parameters, largest), _told(point, axis, quality)) for point in drawn]
    corners = _steps(drawn, place)
    return Scatter(
        title=title,
        x_name=axis.name,
        # What matters most is drawn last; among the rest small ones, so that a large one hides none.
        dots=sorted(dots, key=lambda dot: (dot.kind not in BACKGROUND, -dot.radius)),
        labels=place_labels(
            dots,
            [point.name for point in drawn],
            [point.labelled for point in drawn],
            FRAME,
            [*pairwise(corners), *place.budget],
        ),
        front=" ".join(f"{x},{y}" for x, y in corners),
        limit=None if place.limit is None else Tick(place.x(place.limit), axis.told(place.limit)),
        x_ticks=[Tick(place.x(x), axis.tick(x)) for x in charts.log_ticks(place.x_low, place.x_high)],
        y_ticks=[Tick(place.y(y), quality.tick(y)) for y in charts.nice_ticks(place.y_low, place.y_high) if y <= 1],
        sizes=_sizes(drawn, largest),
        summary=f"{title}: {'; '.join(_told(point, axis, quality) for point in drawn)}.",
    )


def radius(parameters: float | None, largest: float | None) -> float:
    """A circle's radius: the fourth root, since encoders differ by factors of thousands."""
    if not _positive(parameters) or not _positive(largest):
        return PLAIN
    return round(max(SMALLEST, LARGEST * (parameters / largest) ** 0.25), 1)


@dataclass(frozen=True)
class _Places:
    """The ends of both axes."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    limit: float | None = None

    @classmethod
    def around(cls, points: Sequence[Point], limit: float | None) -> "_Places":
        xs = [point.x for point in points]
        near = limit if _positive(limit) and min(xs) / 3 < limit < 3 * max(xs) else None
        ends = [*xs, *([near] if near else [])]
        low, high = math.log10(min(ends)), math.log10(max(ends))
        # Costs that hardly differ are not drawn as if they did.
        margin = max(0.1 * (high - low), (LEAST_DECADES - (high - low)) / 2)
        ys = [y for point in points for y in (point.y, *(point.interval or ()))]
        y_low, y_high = charts.span(min(ys), max(ys), 0.1)
        return cls(10 ** (low - margin), 10 ** (high + margin), y_low, y_high, near)

    @property
    def budget(self) -> list[tuple[Corner, Corner]]:
        """The line of the limit, if it is drawn."""
        if self.limit is None:
            return []
        x = self.x(self.limit)
        return [((x, float(FRAME.top)), (x, float(FRAME.bottom)))]

    def dot(self, point: Point, size: float, told: str) -> Dot:
        ends = None if point.interval is None else (self.y(point.interval[0]), self.y(point.interval[1]))
        return Dot(self.x(point.x), self.y(point.y), size, point.kind, told, ends)

    def x(self, value: float) -> float:
        share = math.log(value / self.x_low) / math.log(self.x_high / self.x_low)
        return round(FRAME.left + share * (FRAME.right - FRAME.left), 1)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return round(FRAME.bottom - share * (FRAME.bottom - FRAME.top), 1)


def _steps(points: Sequence[Point], place: _Places) -> list[Corner]:
    """The front as a staircase: what the best quality is up to a cost."""
    whole = [point for point in points if point.kind != "stopped"]
    corners: list[Corner] = []
    for index in pareto({"cost": [point.x for point in whole]}, [point.y for point in whole]):
        x, y = place.x(whole[index].x), place.y(whole[index].y)
        corners += [(x, corners[-1][1]), (x, y)] if corners else [(x, y)]
    return corners if len(corners) > 1 else []


def _sizes(points: Sequence[Point], largest: float | None) -> list[tuple[Dot, Label]]:
    """The legend: the smallest circle and the largest with their parameters."""
    counts = [point.parameters for point in points if _positive(point.parameters)]
    entries, x = [], FRAME.left + 0.0
    for count in sorted({min(counts), max(counts)}) if counts else []:
        size = radius(count, largest)
        dot = Dot(round(x + size, 1), LEGEND_Y, size, "size", "")
        label = Label(round(dot.x + size + 5, 1), LEGEND_Y + 4, "start", scaled(count))
        entries.append((dot, label))
        x = label.box[2] + 14
    if entries:
        last, label = entries[-1]
        entries[-1] = (last, Label(label.x, label.y, label.anchor, f"{label.text} parameters"))
    return entries


def _told(point: Point, axis: Axis, quality: Quality) -> str:
    size = f", {scaled(point.parameters)} parameters" if _positive(point.parameters) else ""
    return f"{point.name} {quality.told(point.y)} at {axis.told(point.x)}{size}"


def _positive(value: Any) -> TypeGuard[float]:
    return known(value) and value > 0
