"""Scatter plots: quality against a logarithmic cost, a circle's size telling parameters, and the Pareto front."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from tinyclap.common.numbers import known, scaled
from tinyclap.hardware.pareto import pareto
from tinyclap.reports.plots.inline_svg import inline_svg
from tinyclap.reports.plots.labels import BAR, place_labels
from tinyclap.reports.plots.look import COLOURS, DASHED, DOTTED, PANEL, PNG_DPI, STEPS, Plot, panels, styled

SIZE = (340, 272)  # of an SVG in points
KINDS = {
    **{"teacher": "teacher", "student": "student", "chosen": "student", "unpruned": "line-1"},
    **{"trial": "line-2", "swept": "soft", "stopped": "soft"},
}
BACKGROUND, HOLLOW = ("trial", "swept", "stopped"), "stopped"
LARGEST, SMALLEST, PLAIN = 13.0, 3.0, 5.0  # radii in points; the last where parameters are not known
LEAST_DECADES = 0.6  # that a cost axis spans: costs that hardly differ are not drawn as if they did
LOG_DIGITS = ((1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))  # of its ticks, the longest first
MOST_TICKS = 6


@dataclass(frozen=True)
class Point:
    """An encoder.

    Attributes:
        name: said of it, and written beside it.
        kind: one of KINDS, which have each a colour.
        x: its cost, above 0.
        y: its quality, at most 1.
        parameters: that its circle tells.
        interval: of its quality, drawn as a bar.
        labelled: "always", "room" (if nothing is in the way) or "never".
    """

    name: str
    kind: str
    x: float
    y: float
    parameters: float | None = None
    interval: tuple[float, float] | None = None
    labelled: str = "always"


@dataclass(frozen=True)
class Axis:
    """An axis: its name, a tick's text, a figure's text in the summary, and the most that is allowed, if any."""

    name: str
    tick: Callable[[float], str]
    write: Callable[[float], str]
    limit: float | None = None


@dataclass(frozen=True)
class Scatter:
    """What is drawn; points without a cost above 0 and a quality are not."""

    title: str
    cost: Axis
    quality: Axis
    points: Sequence[Point]

    @property
    def drawn(self) -> list[Point]:
        return [point for point in self.points if _positive(point.x) and known(point.y)]

    def describe(self, point: Point) -> str:
        size = f", {scaled(point.parameters)} parameters" if _positive(point.parameters) else ""
        return f"{point.name} {self.quality.write(point.y)} at {self.cost.write(point.x)}{size}"


@styled
def scatter_plot(scatter: Scatter) -> Plot | None:
    """Draw for a page, its title unlike others there; None when there is no point to draw."""
    if not scatter.drawn:
        return None
    figure, [[axes]] = panels(1, 1, SIZE)
    _draw(figure, [(axes, scatter)])
    summary = f"{scatter.title}: {'; '.join(map(scatter.describe, scatter.drawn))}."
    return Plot(scatter.title, summary, inline_svg(figure, scatter.title, summary, COLOURS))


@styled
def write_scatter_plots(path: Path, rows: Sequence[Sequence[Scatter]], note: str) -> None:
    """Write scatter plots in equally long rows, each with a point, as one PNG file; a note stands above them.

    Those against the same cost get the same axis.
    """
    figure, grid = panels(len(rows), len(rows[0]), PANEL)
    figure.suptitle(note, fontsize="small", x=0.01, ha="left")
    for line, row in zip(grid, rows, strict=True):
        line[0].set_ylabel(row[0].quality.name)
    _draw(figure, list(zip(grid.flat, [scatter for row in rows for scatter in row], strict=True)))
    for text in (text for axes in grid.flat for text in axes.texts):
        text.set_path_effects([withStroke(linewidth=3, foreground=COLOURS["card"])])
    figure.savefig(path, dpi=PNG_DPI, format="png")


def radius(parameters: float | None, largest: float | None) -> float:
    """A circle's radius in points: the fourth root, since encoders differ by factors of thousands."""
    if not _positive(parameters) or not _positive(largest):
        return PLAIN
    return max(SMALLEST, LARGEST * (parameters / largest) ** 0.25)


def log_ticks(low: float, high: float) -> list[float]:
    """At most six round numbers within [low, high], both above 0; equally spaced where these lie close together."""
    for digits in LOG_DIGITS:
        ticks = _within(LogLocator(subs=digits, numticks=99).tick_values(low, high), low, high)
        if len(ticks) <= MOST_TICKS:
            break
    if len(ticks) > 2:
        return ticks[:: math.ceil(len(ticks) / MOST_TICKS)]
    return _within(MaxNLocator(MOST_TICKS - 2, steps=STEPS).tick_values(low, high), low, high)


def _within(ticks: Sequence[float], low: float, high: float) -> list[float]:
    return [float(tick) for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]


def _draw(figure: Figure, plots: Sequence[tuple[Axes, Scatter]]) -> None:
    """Circles of one scale on all axes, the legend of their sizes, and labels, which need the finished layout."""
    counts = [point.parameters for _, scatter in plots for point in scatter.drawn if _positive(point.parameters)]
    largest = max(counts, default=None)
    for axes, scatter in plots:
        _draw_axes(
            axes, scatter, [point.x for _, other in plots if other.cost == scatter.cost for point in other.drawn]
        )
        _draw_points(axes, scatter, largest)
    if counts:
        circle: Any = {"marker": "o", "ls": "", "mfc": "none", "mec": COLOURS["soft"], "gid": "size"}
        sizes = sorted({min(counts), max(counts)})
        handles = [Line2D([], [], markersize=2 * radius(size, largest), **circle) for size in sizes]
        names = [*map(scaled, sizes[:-1]), f"{scaled(sizes[-1])} parameters"]
        figure.legend(handles, names, loc="outside lower left", ncols=2, columnspacing=1, borderpad=0.8)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, scatter in plots:
        place_labels(axes, [(point, radius(point.parameters, largest)) for point in scatter.drawn])


def _draw_axes(axes: Axes, scatter: Scatter, xs: Sequence[float]) -> None:
    """Axes around the points and all of `xs`, and the limit of the cost where it is near."""
    limit = scatter.cost.limit
    near = _positive(limit) and min(xs) / 3 < limit < 3 * max(xs)
    ends = [*xs, *([limit] if near and limit else [])]
    low, high = math.log10(min(ends)), math.log10(max(ends))
    margin = max(0.1 * (high - low), (LEAST_DECADES - (high - low)) / 2)
    ys = [y for point in scatter.drawn for y in (point.y, *(point.interval or ()))]
    room = 0.1 * (max(ys) - min(ys) or abs(max(ys)) or 1)
    axes.set(xscale="log", xlim=(10 ** (low - margin), 10 ** (high + margin)), ylim=(min(ys) - room, max(ys) + room))
    axes.set_xlabel(scatter.cost.name, loc="right")
    ticks = log_ticks(*axes.get_xlim())
    axes.set_xticks(ticks, [scatter.cost.tick(x) for x in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    high_y = min(1.0, axes.get_ylim()[1])
    shown = [y for y in MaxNLocator(5, steps=STEPS).tick_values(axes.get_ylim()[0], high_y) if y <= high_y + 1e-9]
    axes.set_yticks([y for y in shown if y >= axes.get_ylim()[0]])
    axes.yaxis.set_major_formatter(lambda y, _: scatter.quality.tick(y))
    if near and limit:
        axes.axvline(limit, color=COLOURS["soft"], linewidth=1, linestyle=DASHED, gid="limit")


def _draw_points(axes: Axes, scatter: Scatter, largest: float | None) -> None:
    """The front, intervals and circles: what matters most last, and among the rest small ones over large ones."""
    soft, whole = COLOURS["soft"], [point for point in scatter.drawn if point.kind != HOLLOW]
    front = [whole[k] for k in pareto({"cost": [point.x for point in whole]}, [point.y for point in whole])]
    if len(front) > 1:
        xs, ys = [point.x for point in front], [point.y for point in front]
        axes.step(xs, ys, where="post", color=soft, linewidth=1.5, linestyle=DOTTED, gid="front")
    bar: Any = {"linewidth": BAR, "solid_capstyle": "butt", "alpha": 0.3, "zorder": 1.5}
    for point in scatter.drawn:
        if point.interval:
            axes.plot([point.x] * 2, point.interval, color=soft, gid="interval", **bar)
    circles = [(point, radius(point.parameters, largest)) for point in scatter.drawn]
    for point, size in sorted(circles, key=lambda item: (item[0].kind not in BACKGROUND, -item[1])):
        colour, hollow = COLOURS[KINDS[point.kind]], point.kind == HOLLOW
        face, edge = ("none", colour) if hollow else (colour, COLOURS["card"])
        circle: Any = {"markersize": 2 * size, "mfc": face, "mec": edge, "mew": 1.5, "clip_on": False}
        axes.plot(point.x, point.y, "o", gid=f"circle {point.kind}: {scatter.describe(point)}", **circle)


def _positive(value: Any) -> TypeGuard[float]:
    return known(value) and value > 0
