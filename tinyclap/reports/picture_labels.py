"""Where names stand beside the circles of a picture, so that none covers another one, a circle or a line."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinyclap.reports.charts import Frame

LETTER, LINE = 6.6, 13.0  # width and height of a letter
INTERVAL = 5.0  # width of its bar

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in viewBox units."""

Corner = tuple[float, float]
Line = tuple[Corner, Corner]


@dataclass(frozen=True)
class Label:
    """A text and where its anchor (start, middle or end) stands, in viewBox units."""

    x: float
    y: float
    anchor: str
    text: str

    @property
    def box(self) -> Box:
        """What it takes, about."""
        width = LETTER * len(self.text)
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return left, self.y - 0.8 * LINE, left + width, self.y + 0.2 * LINE


@dataclass(frozen=True)
class Dot:
    """A circle in viewBox units with the ends of its interval, and what is said of it."""

    x: float
    y: float
    radius: float
    kind: str
    told: str
    interval: tuple[float, float] | None = None

    @property
    def boxes(self) -> list[Box]:
        """What the circle and its interval take."""
        circle = (self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius)
        if self.interval is None:
            return [circle]
        return [circle, (self.x - INTERVAL / 2, self.interval[1], self.x + INTERVAL / 2, self.interval[0])]


def place_labels(
    dots: Sequence[Dot], names: Sequence[str], stands: Sequence[str], frame: Frame, lines: Sequence[Line] = ()
) -> list[Label]:
    """Names beside dots where they hide nothing.

    Args:
        dots: those that matter most first.
        names: of the dots.
        stands: of each, whether its label stands "always" (where it hides least), if there is "room", or "never".
        frame: that no label leaves.
        lines: level or upright, kept free too.
    """
    placed: list[Label] = []
    drawn = [box for dot in dots for box in dot.boxes]
    for (x0, y0), (x1, y1) in lines:
        drawn.append((min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1) + 1, max(y0, y1) + 1))
    for dot, name, stand in zip(dots, names, stands, strict=True):
        if stand == "never":
            continue
        taken = [*drawn, *(label.box for label in placed)]
        candidates = [label for label in _around(dot, name) if _inside(label, frame)]
        hidden = [sum(_overlap(label.box, box) for box in taken) for label in candidates]
        if hidden and (min(hidden) == 0 or stand == "always"):
            placed.append(candidates[hidden.index(min(hidden))])
    return placed


def _around(dot: Dot, text: str) -> list[Label]:
    """Places for a dot's label, the best first."""
    gap = dot.radius + 4
    diagonal = 0.7 * dot.radius + 3
    above, below, middle = dot.y - gap, dot.y + gap + 0.7 * LINE, dot.y + 0.3 * LINE
    found = [
        Label(dot.x + gap, middle, "start", text),
        Label(dot.x - gap, middle, "end", text),
        Label(dot.x, above, "middle", text),
        Label(dot.x, below, "middle", text),
    ]
    for sign in (-1, 1):
        y = dot.y + sign * diagonal + (0.7 * LINE if sign > 0 else 0)
        found += [Label(dot.x + diagonal, y, "start", text), Label(dot.x - diagonal, y, "end", text)]
    return [Label(round(label.x, 1), round(label.y, 1), label.anchor, text) for label in found]


def _inside(label: Label, frame: Frame) -> bool:
    left, top, right, bottom = label.box
    return left >= frame.left and right <= frame.width and top >= 0 and bottom <= frame.bottom


def _overlap(one: Box, other: Box) -> float:
    """The area that two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0
