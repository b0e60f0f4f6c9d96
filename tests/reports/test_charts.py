"""Chart layout: every point on its scale, round ticks, labels that hide nothing, nothing that is not a number."""

import math

import pytest

from tinyclap.common.numbers import percent, scaled, short_count
from tinyclap.reports import charts, scatter
from tinyclap.reports.picture_labels import Dot, place_labels
from tinyclap.reports.scatter import Axis, Point, Quality

MACS = Axis("MACs", short_count, scaled)
ACCURACY = Quality(percent, percent)


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


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1, 100, [1, 3, 10, 30, 100]),
        (1, 20, [1, 2, 3, 5, 10, 20]),
        (1, 30, [1, 2, 5, 10, 20]),
        (2.2, 14, [3, 5, 10]),
        (0.3, 3.1, [0.3, 0.5, 1, 2, 3]),
        (1e6, 1e12, [1e6, 1e8, 1e10, 1e12]),
        (7.9, 8.6, [8, 8.2, 8.4, 8.6]),
    ],
)
def test_logarithmic_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert charts.log_ticks(low, high) == pytest.approx(ticks)


def test_circles_lie_on_their_scales() -> None:
    points = [
        Point("a", "teacher", 1e6, 0.4, 160_000),
        Point("b", "student", 1e7, 0.6, 10_000),
        Point("c", "trial", 1e8, 0.8),
    ]
    picture = scatter.scatter("Accuracy", MACS, ACCURACY, points)
    assert picture is not None
    dots = {dot.kind: dot for dot in picture.dots}
    ticks = {tick.text: tick.at for tick in picture.x_ticks}
    assert ticks["1 M"] == dots["teacher"].x
    assert ticks["100 M"] == dots["trial"].x
    assert dots["student"].x == pytest.approx(
        (dots["teacher"].x + dots["trial"].x) / 2, abs=0.1
    )  # a factor of ten each
    heights = {tick.text: tick.at for tick in picture.y_ticks}
    assert [heights[percent(y)] for y in (0.4, 0.6, 0.8)] == [dots[k].y for k in ("teacher", "student", "trial")]
    assert dots["teacher"].radius == scatter.LARGEST
    assert dots["student"].radius == pytest.approx(scatter.LARGEST / 2)  # the fourth root of 1/16
    assert dots["trial"].radius == scatter.PLAIN
    assert [label.text for _, label in picture.sizes] == ["10.0 k", "160 k parameters"]
    assert picture.summary == (
        "Accuracy: a 40.0 % at 1.00 M, 160 k parameters; b 60.0 % at 10.0 M, 10.0 k parameters; c 80.0 % at 100 M."
    )


def test_costs_that_hardly_differ_are_not_spread_over_the_picture() -> None:
    picture = scatter.scatter("", MACS, ACCURACY, [Point("a", "trial", 1e6, 0.5), Point("b", "trial", 1.01e6, 0.6)])
    assert picture is not None
    places = [dot.x for dot in picture.dots]
    share = math.log10(1.01) / scatter.LEAST_DECADES
    assert max(places) - min(places) == pytest.approx(share * (charts.FRAME.right - scatter.FRAME.left), abs=0.2)


def test_the_front_is_a_staircase_over_what_none_beats() -> None:
    values = [(1e6, 0.5), (2e6, 0.4), (4e6, 0.7), (3e6, 0.9)]
    kinds = ["trial", "trial", "trial", "stopped"]
    points = [Point("", kind, x, y, labelled="never") for kind, (x, y) in zip(kinds, values, strict=True)]
    picture = scatter.scatter("", MACS, ACCURACY, points)
    assert picture is not None
    dots = {dot.told: dot for dot in picture.dots}
    first, last = dots[" 50.0 % at 1.00 M"], dots[" 70.0 % at 4.00 M"]
    assert picture.front == f"{first.x},{first.y} {last.x},{first.y} {last.x},{last.y}"
    assert picture.labels == []


@pytest.mark.parametrize("n", [2, 9, 40])
def test_no_label_covers_another_one_or_a_circle(n: int) -> None:
    points = [
        Point(f"student {k}", "trial", 1e6 * (1 + 5 * math.sin(k) ** 2), math.cos(3 * k) ** 2, 1000, labelled="room")
        for k in range(n)
    ]
    picture = scatter.scatter("", MACS, ACCURACY, points)
    assert picture is not None
    assert picture.labels
    boxes = [label.box for label in picture.labels] + [box for dot in picture.dots for box in dot.boxes]
    for place in range(len(picture.labels)):
        for other in boxes[place + 1 :]:
            left, top, right, bottom = boxes[place]
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
        assert scatter.FRAME.left <= boxes[place][0] <= boxes[place][2] <= scatter.FRAME.width


def test_a_label_that_must_stand_does_so_where_it_hides_least() -> None:
    dots = [Dot(200.0, 100.0, 5.0, "student", "")] * 2
    labels = place_labels(dots, ["first", "second"], ["always", "always"], scatter.FRAME)
    assert [label.text for label in labels] == ["first", "second"]
    assert labels[0].box != labels[1].box
    assert len(place_labels(dots * 9, ["a name"] * 18, ["room"] * 18, scatter.FRAME)) < 18


def test_points_without_a_place_are_left_out() -> None:
    points = [Point("free", "trial", 0, 0.5), Point("lost", "trial", 1e6, math.nan), Point("one", "trial", 1e6, 0.5)]
    picture = scatter.scatter("", MACS, ACCURACY, points)
    assert picture is not None
    assert len(picture.dots) == 1
    assert picture.front == ""
    assert scatter.scatter("", MACS, ACCURACY, points[:2]) is None


@pytest.mark.parametrize(("limit", "drawn"), [(4e6, True), (1e9, False), (None, False)])
def test_a_budget_is_drawn_where_it_is_near(limit: float | None, drawn: bool) -> None:
    picture = scatter.scatter("", Axis("MACs", short_count, scaled, limit), ACCURACY, [Point("a", "trial", 3e6, 0.5)])
    assert picture is not None
    assert (picture.limit is not None) is drawn
