"""Chart layout: every point on its scale, round ticks, nothing that is not a number."""

import math

import pytest

from tinyclap import charts


def test_points_lie_on_their_scale() -> None:
    chart = charts.line_chart("Loss", "epoch", {"loss": [(0, 0.0), (5, 1.0), (10, 2.0)]})
    assert chart is not None
    (x0, y0), (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in chart.lines[0].points.split())
    assert (x0, x2) == (charts.FRAME.left, charts.FRAME.right)
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
    assert y1 == pytest.approx((y0 + y2) / 2, abs=0.1)
    ticks = {tick.text: tick.at for tick in chart.y_ticks}
    assert ticks["0"] == y0
    assert ticks["2"] == y2
    assert charts.FRAME.top < y2 < y0 < charts.FRAME.bottom


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.21, 0.93, [0.4, 0.6, 0.8]), (1, 60, [20, 40, 60]), (3, 3, [3])],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert charts.nice_ticks(low, high) == ticks


def test_values_that_are_not_finite_are_left_out() -> None:
    chart = charts.line_chart("Loss", "epoch", {"loss": [(1, math.nan), (2, 1.0), (3, math.inf)], "none": []})
    assert chart is not None
    assert [line.name for line in chart.lines] == ["loss"]
    assert len(chart.lines[0].points.split()) == 1
    assert charts.line_chart("Loss", "epoch", {"loss": [(1, math.nan)]}) is None
