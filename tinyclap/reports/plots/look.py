"""What all plots look like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

POINTS_PER_INCH = 72  # a point of an SVG is about a pixel on a phone
PANEL, PNG_DPI = (396, 300), 130  # of each plot in a PNG file, in points
STEPS = (1, 2, 5, 10)  # of the ticks of a linear axis
DASHED, DOTTED = (0, (3, 2)), (0, (1, 1.5))  # in line widths
LINE_WIDTH = 2

# The variables of report.css.j2 in its light mode. An SVG names them, and so follows the page's light and dark modes.
COLOURS = {
    **{"teacher": "#0b62a8", "student": "#b4480c", "line-1": "#5a3ea6", "line-2": "#00707e"},
    **{"ink": "#1d2125", "soft": "#5a626a", "rule": "#dedad2", "card": "#ffffff"},
}
STYLE: Any = {
    **{"figure.dpi": POINTS_PER_INCH, "font.family": "DejaVu Sans", "font.size": 12, "text.parse_math": False},
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "axes.labelsize", "axes.titlesize"), "medium"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), COLOURS["soft"]),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "axes.spines.left", "legend.frameon"), False),
    **{"axes.axisbelow": True, "axes.grid": True, "axes.grid.axis": "y", "grid.color": COLOURS["rule"]},
    **{"axes.xmargin": 0.015, "axes.ymargin": 0.04, "lines.linewidth": LINE_WIDTH, "grid.linewidth": 1},
    **{"xtick.major.size": 4, "ytick.major.size": 0},
}
styled = matplotlib.rc_context(STYLE)
"""Decorates what draws: the style holds meanwhile, whatever the process's own is."""


@dataclass(frozen=True)
class Plot:
    """A picture in a page: `summary` is what a screen reader says, `legend` the names of lines with their CSS."""

    title: str
    summary: str
    svg: Markup
    legend: Sequence[tuple[str, str]] = ()


def panels(rows: int, columns: int, size: tuple[int, int]) -> tuple[Figure, Any]:
    """A figure and its axes by row and column, each of about `size` points."""
    inches = (columns * size[0] / POINTS_PER_INCH, rows * size[1] / POINTS_PER_INCH)
    figure = Figure(figsize=inches, layout="constrained")
    FigureCanvasAgg(figure)  # measures text
    return figure, figure.subplots(rows, columns, squeeze=False)
