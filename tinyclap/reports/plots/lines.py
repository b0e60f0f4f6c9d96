"""Line charts: values over epochs or dimensions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from tinyclap.reports.plots.inline_svg import inline_svg
from tinyclap.reports.plots.look import COLOURS, DOTTED, LINE_WIDTH, PANEL, PNG_DPI, STEPS, Plot, panels, styled

SIZE = (340, 210)  # of an SVG in points
END = {"marker": "o", "markersize": 7}


@dataclass(frozen=True)
class Line:
    """A series: its (x, y) points, one of COLOURS, and its dashes, DASHED or DOTTED.

    Attributes:
        band: the ends of an interval at each point.
        marked: whether its last point is.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: str = "line-1"
    dashes: Any = "-"
    band: Sequence[tuple[float, float]] = ()
    marked: bool = True

    @property
    def stroke(self) -> str:
        """The line in CSS."""
        dashes = "" if self.dashes == "-" else " ".join(f"{LINE_WIDTH * length:g}" for length in self.dashes[1])
        return f"stroke:var(--{self.colour});stroke-width:{LINE_WIDTH};stroke-dasharray:{dashes or 'none'}"


@styled
def line_plot(
    title: str,
    x_name: str,
    lines: Sequence[Line],
    marks: Mapping[str, float] | None = None,
    y_text: Callable[[float], str] = "{:.6g}".format,
    base: int | None = None,
) -> Plot | None:
    """Draw lines for a page; None when no point is finite.

    Args:
        title: unlike others in the page.
        x_name: what x is.
        lines: points that are not finite are left out.
        marks: names of places on the x axis.
        y_text: writes a tick.
        base: of a logarithmic x axis.
    """
    lines = [replace(line, points=[point for point in line.points if math.isfinite(point[1])]) for line in lines]
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    figure, [[axes]] = panels(1, 1, SIZE)
    _draw(axes, x_name, lines, y_text, base)
    _mark(axes, marks or {})
    xs = [x for line in lines for x, _ in line.points]
    ranges = "; ".join(f"{line.name} from {line.points[0][1]:.4g} to {line.points[-1][1]:.4g}" for line in lines)
    summary = f"{title} over {x_name} {min(xs):g} to {max(xs):g}: {ranges}."
    legend = [(line.name, line.stroke) for line in lines] if len(lines) > 1 else []
    return Plot(title, summary, inline_svg(figure, title, summary, COLOURS), legend)


@styled
def write_line_plots(
    path: Path,
    plots: Mapping[str, Sequence[Line]],
    x_name: str,
    y_text: Callable[[float], str] = "{:.6g}".format,
    base: int | None = None,
) -> None:
    """Write line charts by their titles, side by side, as one PNG file; the other arguments are `line_plot`'s."""
    figure, [row] = panels(1, len(plots), PANEL)
    for axes, (title, lines) in zip(row, plots.items(), strict=True):
        _draw(axes, x_name, lines, y_text, base)
        axes.set_title(title, loc="left", color=COLOURS["ink"])
    handles = {line.get_label(): line for axes in row for line in axes.get_lines()}
    figure.legend(handles.values(), handles.keys(), loc="outside lower left", ncols=3, fontsize="small")
    figure.savefig(path, dpi=PNG_DPI, format="png")


def _draw(axes: Axes, x_name: str, lines: Sequence[Line], y_text: Callable[[float], str], base: int | None) -> None:
    for line in lines:
        xs, ys = zip(*line.points, strict=True)
        end: Any = {**END, "markevery": [len(xs) - 1]} if line.marked else {}
        axes.plot(xs, ys, color=COLOURS[line.colour], linestyle=line.dashes, label=line.name, gid="line", **end)
        if line.band:
            lows, highs = zip(*line.band, strict=True)
            axes.fill_between(xs, lows, highs, color=COLOURS[line.colour], alpha=0.1, linewidth=0)
    axes.set_xlabel(x_name, loc="right")
    if base:
        axes.set_xscale("log", base=base)
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS, integer=True))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.yaxis.set_major_formatter(lambda y, _: y_text(y))


def _mark(axes: Axes, marks: Mapping[str, float]) -> None:
    """Places on the x axis with their names beside them, on the side with more room."""
    for name, x in marks.items():
        axes.axvline(x, color=COLOURS["soft"], linewidth=1, linestyle=DOTTED, gid="mark")
        left = x > sum(axes.get_xlim()) / 2
        axes.annotate(
            f"{name} →" if left else name,
            (x, 1),
            xycoords=axes.get_xaxis_transform(),
            xytext=(-5 if left else 5, -2),
            textcoords="offset points",
            ha="right" if left else "left",
            va="top",
            gid="halo",
        )
