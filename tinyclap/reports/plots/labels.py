"""Names beside the circles of a scatter plot, moved by adjustText so that none covers another one or a circle."""

from collections.abc import Sequence
from typing import Any, Protocol

from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from tinyclap.reports.plots.look import COLOURS

# In points: a label's least distance from its circle, the most of one that may be left out, an interval's width.
GAP, FAR, BAR = 3, 12, 5
ITERATIONS = 200
LEADER = {"arrowstyle": "-", "color": COLOURS["soft"], "gid": "leader", "zorder": 1.6}


class Labelled(Protocol):
    """What a label needs of a point; `labelled` is "always", "room" or "never"."""

    @property
    def name(self) -> str: ...
    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...
    @property
    def interval(self) -> tuple[float, float] | None: ...
    @property
    def labelled(self) -> str: ...


def place_labels(axes: Axes, points: Sequence[tuple[Labelled, float]]) -> None:
    """Label points, given with the radii of their circles in points; the axes' layout must be finished.

    A label that stands away from its circle gets a line to it. One that is labelled only if there is room is left out
    where it would cover something or stand far away.
    """
    taken = [box for point, radius in points for box in _boxes(axes, point, radius)]
    labels = [(point, radius, _label(axes, point, radius)) for point, radius in points if point.labelled != "never"]
    _adjust(axes, labels, taken)
    for label in reversed(labels):
        point, radius, text = label
        box, circle = text.get_window_extent(), _boxes(axes, point, radius)[0]
        others = [other.get_window_extent() for _, _, other in labels if other is not text]
        hides = box.count_overlaps([*taken, *others]) > 0
        if point.labelled == "room" and (hides or not box.overlaps(circle.padded(FAR))):
            text.remove()
            labels.remove(label)
    _adjust(axes, labels, taken, arrowprops=LEADER, min_arrow_len=FAR, force_pull=0.0, expand=(1, 1))


def _boxes(axes: Axes, point: Labelled, radius: float) -> list[Bbox]:
    """What the circle and its interval take of the screen."""
    x, y = axes.transData.transform((point.x, point.y))
    circle = Bbox.from_extents(x - radius, y - radius, x + radius, y + radius)
    if point.interval is None:
        return [circle]
    low, high = (axes.transData.transform((point.x, end))[1] for end in point.interval)
    return [circle, Bbox.from_extents(x - BAR / 2, low, x + BAR / 2, high)]


def _label(axes: Axes, point: Labelled, radius: float) -> Text:
    """A label beside its circle, a little higher: the front leads on level from there."""
    text = axes.text(point.x, point.y, point.name, color=COLOURS["ink"], ha="center", va="center", gid="halo")
    box, (x, y) = text.get_window_extent(), axes.transData.transform((point.x, point.y))
    aside = radius + GAP + box.width / 2
    side = -1 if x + aside + box.width / 2 > axes.bbox.xmax else 1
    middle_x, middle_y = axes.transData.inverted().transform((x + side * aside, y + box.height / 2))
    text.set_position((middle_x, middle_y))
    return text


def _adjust(axes: Axes, labels: Sequence[tuple[Labelled, float, Text]], taken: Sequence[Bbox], **more: Any) -> None:
    from adjustText import adjust_text  # imports pyplot

    adjust_text(
        [text for _, _, text in labels],
        target_x=[point.x for point, _, _ in labels],
        target_y=[point.y for point, _, _ in labels],
        objects=[box.transformed(axes.transData.inverted()) for box in taken],
        ax=axes,
        iter_lim=ITERATIONS,  # not seconds, so that each time gives the same
        avoid_self=False,
        prevent_crossings=False,  # swaps labels
        force_explode=0.0,
        **more,
    )
