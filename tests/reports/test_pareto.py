"""The report's pictures of accuracy against cost."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cost_runs import DASH, DIM, bench, pruned_summary, sweep
from tests.support.pages import svg
from tests.support.report_runs import fake_summary, markdown_table, pages
from tinyclap.common import numbers
from tinyclap.hardware import student_shape
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student_config import StudentConfig
from tinyclap.reports import pareto, run_charts
from tinyclap.runs.results import Run


class TestPictures:
    def test_the_pictures_numbers_are_those_of_the_tables(self, cost_run: Callable[..., Path]) -> None:
        folder = cost_run({"bench.json": bench(), "sweep.json": sweep()}, dim=DIM, summary=pruned_summary())
        page, markdown = pages(folder)
        rows = markdown_table(markdown, "What accuracy costs")
        evaluation = json.loads((folder / "evaluation.json").read_text())
        costs = student_costs(StudentConfig(embed_dim=192))
        accuracy = [numbers.percent(evaluation[model]["accuracy"]) for model in ("teacher", "student")]
        assert rows[1] == ["teacher", accuracy[0], "402 M", "50.0 ms", "1.53 M"]
        assert rows[2] == ["student", accuracy[1], "21.3 M", "2.50 ms", "300 k"]
        assert rows[3][:2] == ["unpruned, 384 dims", "80.0 %"]
        assert [row[0] for row in rows[4:]] == ["192 dims", "48 dims"]  # 96 is the student itself
        swept = numbers.scaled(costs.macs), DASH, numbers.scaled(costs.parameters)
        assert rows[4] == ["192 dims", "79.8 %", *swept]
        said = re.findall(r"<desc[^>]*>(Accuracy against [^<]*)</desc>", page)
        assert [text.split(":")[0] for text in said] == [
            "Accuracy against MACs of a window",
            "Accuracy against median latency",
        ]
        assert f"teacher {accuracy[0]} at 402 M, 1.53 M parameters" in said[0]
        assert f"192 dims 79.8 % at {swept[0]}, {swept[2]} parameters" in said[0]
        assert f"student {accuracy[1]} at 2.50 ms, 300 k parameters" in said[1]

    def test_windows_of_different_lengths_are_drawn_by_the_second(self, cost_run: Callable[..., Path]) -> None:
        summary = fake_summary()
        summary["teacher"] |= {"window_s": 10.0, "macs": 800_000_000}
        timed = bench()
        timed["models"][2]["real_time_factor"] = 0.005
        page, markdown = pages(cost_run({"bench.json": timed}, summary=summary))
        assert ">Accuracy against MACs per second of audio: teacher" in page
        assert "at 80.0 M, 1.53 M parameters" in page
        assert ">Accuracy against median latency per second of audio: teacher" in page
        assert "at 5.00 ms, 1.53 M parameters" in page
        assert ">latency in ms per second of audio, logarithmic<" in page
        rows = markdown_table(markdown, "What accuracy costs")
        assert rows[0][2:4] == ["MACs per second of audio", "Median latency per second of audio"]
        assert [row[2:4] for row in rows[1:]] == [["80.0 M", "5.00 ms"], ["4.26 M", "0.500 ms"]]

    @pytest.mark.parametrize("missing", ["evaluation", "summary"])
    def test_without_two_encoders_there_is_no_picture(self, cost_run: Callable[..., Path], missing: str) -> None:
        page, markdown = pages(cost_run(**{missing: None}))
        assert 'id="pareto"' not in page
        assert "#pareto" not in page
        assert "What accuracy costs" not in markdown

    def test_a_damaged_sweep_leaves_the_others(self) -> None:
        shape = student_shape.StudentShape(StudentConfig(embed_dim=DIM))
        rows = [{"dim": "x"}, {"dim": 0, "accuracy": 0.5}, {"dim": 9999, "method": "rotation", "accuracy": 0.5}, 3]
        found = Run(Path(), summary=pruned_summary(), sweep={"rows": rows})
        assert pareto.candidates(found, [], shape) == []
        assert run_charts.sweep_charts({"rows": [{"dim": 0, "method": "rotation", "accuracy": 0.5}]}) == []

    def test_the_pruning_curve_shows_what_nothing_pruned_reaches(self) -> None:
        chart, overlap = run_charts.sweep_charts(sweep())
        assert [name for name, _ in chart.legend] == ["rotation", "magnitude", "unpruned"]
        rotation, _, [(x0, y0), (x1, y1)] = svg.lines(chart.svg)
        assert y0 == y1
        assert (x0, x1) == (rotation[0][0], rotation[-1][0])
        for one in (chart, overlap):
            assert [
                text.text for text in svg.texts(one.svg) if text.anchor == "end" and not text.text.endswith(" %")
            ] == ["dimensions"]
