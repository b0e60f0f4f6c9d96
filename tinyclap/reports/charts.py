"""Where the lines, ticks and labels of a small line chart go; the report's template draws them as inline SVG.

Drawn by the page itself, a chart takes its colours from the page's style and so follows its light and dark modes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LOG_DIGITS = ((1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))  # of a logarithmic axis's ticks, the longest first


@dataclass(frozen=True)
class Frame:
    """The drawing and the rectangle for the lines within it, in viewBox units (about pixels at a third of the page)."""

    width: int = 340
    height: int = 210
    left: int = 54
    right: int = 322
    top: int = 10
    bottom: int = 172


FRAME = Frame()


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis; `at` in viewBox units."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """One series: its SVG `points`, the place of its last value, and the number of its style in the page."""

    name: str
    points: str
    end: tuple[float, float]
    style: int


@dataclass(frozen=True)
class Chart:
    """A laid-out chart; all places in viewBox units. `summary` is what a screen reader says instead."""

    title: str
    x_name: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    marks: list[Tick]
    summary: str


def nice_ticks(low: float, high: float, n: int = 5) -> list[float]:
    """At most `n` + 1 round numbers (1, 2 or 5 times a power of ten apart) that lie within [low, high]."""
    if high <= low:
        return [low]
    rough = (high - low) / n
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, n: int = 6) -> list[float]:
    """At most `n` round numbers within [low, high], both above 0, for a logarithmic axis.

    The first digits are those of the longest list that has room; where the ends lie so close together that it gives
    fewer than three, the numbers are those of `nice_ticks`.
    """
    decades = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    for digits in LOG_DIGITS:
        ticks = [digit * decade for decade in decades for digit in digits]
        ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(ticks) <= n:
            return ticks if len(ticks) > 2 else nice_ticks(low, high, n - 2)
    return ticks[:: math.ceil(len(ticks) / n)]


def line_chart(
    title: str,
    x_name: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    marks: Mapping[str, float] | None = None,
    x_text: Callable[[float], str] = "{:g}".format,
    y_text: Callable[[float], str] = "{:.6g}".format,
    styles: Mapping[str, int] | None = None,
) -> Chart | None:
    """Lay out `series` (name -> (x, y) points) and `marks` (name -> x); None when no point is finite.

    `x_text` and `y_text` write a place on an axis; `styles` are those of the lines by name, otherwise 1, 2, ...
    """
    finite = {name: [p for p in points if math.isfinite(p[1])] for name, points in series.items()}
    finite = {name: points for name, points in finite.items() if points}
    if not finite:
        return None
    xs = [x for points in finite.values() for x, _ in points]
    ys = [y for points in finite.values() for _, y in points]
    x_low, x_high = span(min(xs), max(xs), 0.0)
    y_low, y_high = span(min(ys), max(ys), 0.04)

    def place_x(x: float) -> float:
        return round(FRAME.left + (x - x_low) / (x_high - x_low) * (FRAME.right - FRAME.left), 1)

    def place_y(y: float) -> float:
        return round(FRAME.bottom - (y - y_low) / (y_high - y_low) * (FRAME.bottom - FRAME.top), 1)

    lines = [
        Line(
            name,
            " ".join(f"{place_x(x)},{place_y(y)}" for x, y in points),
            (place_x(points[-1][0]), place_y(points[-1][1])),
            (styles or {}).get(name, number),
        )
        for number, (name, points) in enumerate(finite.items(), 1)
    ]
    first_last = "; ".join(f"{name} from {p[0][1]:.4g} to {p[-1][1]:.4g}" for name, p in finite.items())
    return Chart(
        title=title,
        x_name=x_name,
        lines=lines,
        x_ticks=[Tick(place_x(x), x_text(x)) for x in nice_ticks(x_low, x_high) if x == int(x)],
        y_ticks=[Tick(place_y(y), y_text(y)) for y in nice_ticks(y_low, y_high)],
        marks=[Tick(place_x(x), name) for name, x in (marks or {}).items()],
        summary=f"{title} over {x_name} {x_text(min(xs))} to {x_text(max(xs))}: {first_last}.",
    )


def span(low: float, high: float, margin: float) -> tuple[float, float]:
    """An axis that holds [low, high] with some room, also where the two are equal."""
    if high > low:
        return low - margin * (high - low), high + margin * (high - low)
    room = abs(low) * 0.1 or 1.0
    return low - room, high + room
