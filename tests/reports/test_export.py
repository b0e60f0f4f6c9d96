"""What the report says of a bundle."""

from collections.abc import Callable
from pathlib import Path

from tests.support.cost_runs import DASH, bundle
from tests.support.report_runs import fake_summary, html_tables, markdown_table, pages, text_of
from tinyclap.reports import export as report_export


class TestExport:
    def test_each_graph_has_its_line(self, cost_run: Callable[..., Path]) -> None:
        page, markdown = pages(cost_run({"bundle/bundle.json": bundle()}))
        rows = markdown_table(markdown, "Export")
        assert rows == html_tables(page)["The graphs of the bundle"]
        times = "\N{MULTIPLICATION SIGN}"
        assert rows[1:] == [
            ["audio.onnx", "1.71 MB", f"1.3 {times} 10⁻⁵", DASH, DASH],
            ["audio_int8.onnx", "567 kB", DASH, "0.9990", "98.8 %"],
            ["audio_static.onnx", "1.60 MB", f"8.9 {times} 10⁻⁸", DASH, DASH],
            ["text.onnx", "90.3 MB", f"1.6 {times} 10⁻⁷", DASH, DASH],
        ]
        for text in (text_of(page), markdown):
            assert f"on 64 sounds (1.0 {times} 10⁻⁴ is allowed; the largest was on: tone of 94 Hz, 0.65 s)" in text
            assert "on 80 clips" in text
            assert "INT8 took 1.39 times the time of float" in text

    def test_an_older_bundle_tells_what_it_can(self) -> None:
        assert report_export.sentences({"graphs": {"audio.onnx": {}}}) == []
        assert [row.name for row in report_export.graph_rows({"graphs": {"audio.onnx": {}}})] == ["audio.onnx"]

    def test_a_teacher_is_not_asked_to_be_exported(self, cost_run: Callable[..., Path]) -> None:
        summary = {"teacher": fake_summary()["teacher"]}
        page, markdown = pages(cost_run(recipe="task: pretrain\n", summary=summary))
        for text in (page, markdown):
            assert "tinyclap export" not in text
            assert "tinyclap bench" not in text
