"""Plots show each point where its numbers say, hide no label, and are accessible and self-contained in a page."""

import itertools
import math
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest

from tests.support.pages import svg
from tests.support.pages.svg import circles, labels, lines, overlap, texts
from tinyclap.common.numbers import percent, scaled, short_count
from tinyclap.reports.plots import scatter as scatters
from tinyclap.reports.plots.lines import Line, line_plot, write_line_plots
from tinyclap.reports.plots.look import COLOURS, DASHED, Plot
from tinyclap.reports.plots.scatter import Axis, Point, Scatter, log_ticks, scatter_plot, write_scatter_plots

MACS = Axis("MACs", short_count, scaled)
ACCURACY = Axis("accuracy", percent, percent)
CSS = Path(scatters.__file__).parents[1] / "templates" / "report.css.j2"


def plotted(points: list[Point], cost: Axis = MACS) -> Plot:
    plot = scatter_plot(Scatter("Accuracy", cost, ACCURACY, points))
    assert plot is not None
    return plot


def lined(*series: Line, marks: dict[str, float] | None = None, base: int | None = None) -> Plot:
    plot = line_plot("Loss", "epoch", series, marks, base=base)
    assert plot is not None
    return plot


def crowd(n: int) -> list[Point]:
    return [
        Point(f"student {k}", "trial", 1e6 * (1 + 5 * math.sin(k) ** 2), math.cos(3 * k) ** 2, 1000, labelled="room")
        for k in range(n)
    ]


class TestLines:
    def test_points_lie_on_their_scale(self) -> None:
        plot = lined(Line("loss", [(0, 0.0), (5, 1.0), (10, 2.0)]))
        [[(x0, y0), (x1, y1), (x2, y2)]] = lines(plot.svg)
        assert x1 == pytest.approx((x0 + x2) / 2)
        assert y1 == pytest.approx((y0 + y2) / 2)
        ticks = {tick.text: tick for tick in texts(plot.svg)}
        assert ticks["10"].x == pytest.approx(x2)
        middle = ticks["0"].y - y0  # from a line to the foot of its tick's text
        assert [ticks[text].y - middle for text in ("1", "2")] == [pytest.approx(y1), pytest.approx(y2)]

    def test_a_logarithmic_axis_gives_each_doubling_the_same_room(self) -> None:
        plot = lined(Line("loss", [(8, 0.1), (16, 0.2), (64, 0.3)]), base=2)
        [[(x0, _), (x1, _), (x2, _)]] = lines(plot.svg)
        assert x2 - x1 == pytest.approx(2 * (x1 - x0))
        assert {"8", "16", "32", "64"} <= {tick.text for tick in texts(plot.svg)}

    def test_values_that_are_not_finite_are_left_out(self) -> None:
        plot = lined(Line("loss", [(1, math.nan), (2, 1.0), (3, math.inf)]), Line("none", []))
        assert [len(corners) for corners in lines(plot.svg)] == [1]
        assert plot.summary == "Loss over epoch 2 to 2: loss from 1 to 1."
        assert line_plot("Loss", "epoch", [Line("loss", [(1, math.nan)])]) is None

    def test_several_lines_have_a_legend_in_their_own_colours(self) -> None:
        plot = lined(Line("one", [(1, 1), (2, 2)]), Line("two", [(1, 2), (2, 1)], "student", DASHED))
        assert plot.legend == [
            ("one", "stroke:var(--line-1);stroke-width:2;stroke-dasharray:none"),
            ("two", "stroke:var(--student);stroke-width:2;stroke-dasharray:6 4"),
        ]
        drawn = [group[0].attrib["style"] for group in svg.groups(plot.svg, "line")]
        assert ["var(--line-1)" in drawn[0], "var(--student)" in drawn[1], "stroke-dasharray: 6,4" in drawn[1]] == [
            True
        ] * 3
        assert lined(Line("one", [(1, 1)])).legend == []

    @pytest.mark.parametrize(("x", "text"), [(9, "head →"), (2, "head")])
    def test_a_mark_is_named_on_the_side_with_room(self, x: float, text: str) -> None:
        plot = lined(Line("loss", [(0, 0.0), (10, 2.0)]), marks={"head": x})
        [[(at, _), _]], [label] = lines(plot.svg, "mark"), labels(plot.svg)
        [[(left, _), (right, _)]] = lines(plot.svg)
        assert at == pytest.approx(left + x / 10 * (right - left))
        assert label.text == text
        assert left < label.box[0] < label.box[2] < right
        assert not label.box[0] <= at <= label.box[2]


class TestScatter:
    def test_circles_lie_on_their_scales(self) -> None:
        points = [
            Point("a", "teacher", 1e6, 0.4, 160_000, (0.35, 0.45)),
            Point("b", "student", 1e7, 0.6, 10_000),
            Point("c", "trial", 1e8, 0.8),
        ]
        plot = plotted(points)
        a, b, c = sorted(circles(plot.svg).values(), key=lambda circle: circle.x)
        assert [circle.kind for circle in (a, b, c)] == ["teacher", "student", "trial"]
        ticks = {tick.text: tick for tick in texts(plot.svg)}
        assert [ticks[text].x for text in ("1 M", "10 M", "100 M")] == [pytest.approx(d.x, abs=0.01) for d in (a, b, c)]
        heights = [ticks[percent(y)].y - circle.y for y, circle in ((0.4, a), (0.6, b), (0.8, c))]
        assert heights == [pytest.approx(heights[0])] * 3
        assert a.radius == scatters.LARGEST
        assert b.radius == pytest.approx(scatters.LARGEST / 2, abs=0.01)  # the fourth root of 1/16
        assert c.radius == scatters.PLAIN
        [[low, high]] = lines(plot.svg, "interval")
        assert low[0] == high[0] == a.x
        assert low[1] - a.y == pytest.approx(a.y - high[1]) == pytest.approx((a.y - b.y) / 4)
        assert {"10.0 k", "160 k parameters"} <= set(ticks)
        assert plot.summary == (
            "Accuracy: a 40.0 % at 1.00 M, 160 k parameters; b 60.0 % at 10.0 M, 10.0 k parameters; c 80.0 % at 100 M."
        )

    def test_costs_that_hardly_differ_are_not_spread_over_the_picture(self) -> None:
        plot = plotted([Point("a", "trial", 1e6, 0.5), Point("b", "trial", 1.01e6, 0.6)])
        one, other = circles(plot.svg).values()
        assert abs(one.x - other.x) < 340 * math.log10(1.01) / scatters.LEAST_DECADES

    def test_the_front_is_a_staircase_over_what_none_beats(self) -> None:
        values = [(1e6, 0.5), (2e6, 0.4), (4e6, 0.7), (3e6, 0.9)]
        kinds = ["trial", "trial", "trial", "stopped"]
        points = [Point("it", kind, x, y, labelled="never") for kind, (x, y) in zip(kinds, values, strict=True)]
        plot = plotted(points)
        found = circles(plot.svg)
        first, last = found["it 50.0 % at 1.00 M"], found["it 70.0 % at 4.00 M"]
        assert lines(plot.svg, "front") == [[(first.x, first.y), (last.x, first.y), (last.x, last.y)]]
        assert labels(plot.svg) == []

    @pytest.mark.parametrize("n", [2, 9, 30])
    def test_no_label_covers_another_one_or_a_circle_and_none_leaves_the_picture(self, n: int) -> None:
        plot = plotted(crowd(n))
        boxes = [label.box for label in labels(plot.svg)]
        assert boxes
        assert len(circles(plot.svg)) == n
        assert not any(overlap(one, other) for one, other in itertools.combinations(boxes, 2))
        assert not any(overlap(box, circle.box) for box in boxes for circle in circles(plot.svg).values())
        assert all(box[0] >= 0 and box[1] >= 0 and box[2] <= 340 and box[3] <= 272 for box in boxes)

    def test_a_label_stands_by_its_own_circle_or_has_a_line_to_it(self) -> None:
        points = [Point(f"encoder {k}", "student", 1e6, 0.5 + k / 200, 1000) for k in range(5)]
        points.append(Point("encoder 9", "student", 1e8, 0.9, 1000))
        plot = plotted(points)
        boxes = {label.text: label.box for label in labels(plot.svg)}
        assert set(boxes) == {point.name for point in points}
        assert not any(overlap(one, other) for one, other in itertools.combinations(boxes.values(), 2))
        near = 0
        for circle in circles(plot.svg).values():
            around = circle.x - circle.radius - 12, circle.y - 25, circle.x + circle.radius + 12, circle.y + 25
            near += overlap(around, boxes[circle.told[: len("encoder 0")]])
        assert len(svg.groups(plot.svg, "leader")) >= len(points) - near > 0

    def test_labels_that_must_stand_do_so_even_at_one_place(self) -> None:
        plot = plotted([Point("first", "student", 1e6, 0.5), Point("second", "teacher", 1e6, 0.5)])
        first, second = labels(plot.svg)
        assert (first.text, second.text) == ("first", "second")
        assert not overlap(first.box, second.box)

    def test_points_without_a_place_are_left_out(self) -> None:
        points = [
            Point("free", "trial", 0, 0.5),
            Point("lost", "trial", 1e6, math.nan),
            Point("one", "trial", 1e6, 0.5),
        ]
        plot = plotted(points)
        assert list(circles(plot.svg)) == ["one 50.0 % at 1.00 M"]
        assert lines(plot.svg, "front") == []
        assert scatter_plot(Scatter("", MACS, ACCURACY, points[:2])) is None

    @pytest.mark.parametrize(("limit", "drawn"), [(4e6, True), (1e9, False), (None, False)])
    def test_a_budget_is_drawn_where_it_is_near(self, limit: float | None, drawn: bool) -> None:
        plot = plotted([Point("a", "trial", 3e6, 0.5)], Axis("MACs", short_count, scaled, limit))
        [circle] = circles(plot.svg).values()
        assert [corner[0] > circle.x for [corner, _] in lines(plot.svg, "limit")] == [True] * drawn

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
    def test_logarithmic_ticks_are_round(self, low: float, high: float, ticks: list[float]) -> None:
        assert log_ticks(low, high) == pytest.approx(ticks)


class TestInAPage:
    @pytest.fixture(params=["lines", "scatter"])
    def plot(self, request: pytest.FixtureRequest) -> Plot:
        if request.param == "lines":
            return lined(Line("loss $x^2$ <b>", [(1, 2), (2, 1)]), marks={"<i>": 2})
        return plotted([Point("a <b> & $x_1$", "teacher", 1e6, 0.4, 10, (0.3, 0.5)), Point("b", "stopped", 2e6, 0.5)])

    def test_it_has_a_name_and_a_description_for_screen_readers(self, plot: Plot) -> None:
        root = ElementTree.fromstring(plot.svg)
        assert root.get("role") == "img"
        named = {element.get("id"): element.text for element in root if element.tag in ("title", "desc")}
        assert named[root.get("aria-labelledby")] == plot.title
        assert named[root.get("aria-describedby")] == plot.summary

    def test_it_loads_nothing_and_says_no_date(self, plot: Plot) -> None:
        assert not re.search(
            r"https?:|//|@import|url\(|<script|<style|<image|<\?xml|<!DOCTYPE|metadata|matplotlib", plot.svg
        )
        found = ElementTree.fromstring(plot.svg)
        ids = [element.get("id") for element in found.iter() if element.get("id")]
        assert len(set(ids)) == len(ids)
        assert {str(element.get("href"))[1:] for element in found.iter("use")} <= set(ids)

    def test_ids_of_two_pictures_differ(self) -> None:
        points = [Point("a", "teacher", 1e6, 0.4)]
        pair = [scatter_plot(Scatter(title, MACS, ACCURACY, points)) for title in ("Against MACs", "Against time")]
        ids = [set(re.findall(r' id="([^"]*)"', plot.svg)) for plot in pair if plot]
        assert not ids[0] & ids[1]

    def test_every_colour_is_one_of_the_page_and_text_is_text_as_wide_as_the_page(self, plot: Plot) -> None:
        assert not re.search(r"#[0-9a-fA-F]{3}\b|#[0-9a-fA-F]{6}\b|rgb\(", re.sub(r'href="[^"]*"', "", plot.svg))
        assert set(re.findall(r"var\(--([\w-]+)\)", plot.svg)) <= set(COLOURS)
        root = ElementTree.fromstring(plot.svg)
        assert "width" not in root.attrib
        assert root.attrib["viewBox"].startswith("0 0 340 ")
        assert {text.size for text in texts(plot.svg)} == {12}  # in a viewBox about as wide as a phone
        assert not any(overlap(one.box, other.box) for one, other in itertools.combinations(texts(plot.svg), 2))

    def test_the_same_bytes_each_time_whatever_the_style_outside(self) -> None:
        with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "other", "axes.grid": False}):
            other = plotted(crowd(6))
        assert other == plotted(crowd(6))

    def test_the_colours_are_those_of_the_light_page(self) -> None:
        light = CSS.read_text(encoding="utf-8").split("@media (prefers-color-scheme:dark)")[0]
        css = {name: value for name, value in re.findall(r"--([\w-]+):(#\w+)", light) if name in COLOURS}
        assert {name: value if len(value) == 7 else f"#{value[1:] * 2}" for name, value in css.items()} == COLOURS


def test_files_are_pngs(tmp_path: Path) -> None:
    write_line_plots(tmp_path / "a.png", {"Loss": [Line("loss", [(1, 2), (2, 1)], band=[(1, 3), (0, 2)])]}, "epoch")
    plot = Scatter("", MACS, ACCURACY, [Point("a", "trial", 3e6, 0.5)])
    write_scatter_plots(tmp_path / "b.png", [[plot, plot]], "two")
    for name in ("a.png", "b.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_plots_against_the_same_cost_share_its_axis(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn = []
    monkeypatch.setattr(scatters, "place_labels", lambda axes, points: drawn.append(axes.get_xlim()))
    rows = [[Scatter("", MACS, ACCURACY, [Point("a", "trial", cost, 0.5)])] for cost in (1e6, 1e9)]
    write_scatter_plots(tmp_path / "a.png", rows, "")
    assert drawn[0] == drawn[1]
    assert drawn[0][0] < 1e6 < 1e9 < drawn[0][1]


def test_importing_touches_no_backend() -> None:
    code = "import sys, tinyclap.reports.run_report; print('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
