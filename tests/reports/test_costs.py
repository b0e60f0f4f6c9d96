"""The report's cost table: every number is that of a file or a formula."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cost_runs import DASH, DIM, FULL_DIM, bench, bundle, pruned_summary, rewritten, rows_of
from tests.support.report_runs import fake_summary, markdown_table, pages, text_of
from tinyclap.common import numbers
from tinyclap.hardware import student_shape
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student_config import Head, StudentConfig
from tinyclap.reports import bench_entries
from tinyclap.reports import costs as report_costs
from tinyclap.runs.results import Run, read_run


class TestCosts:
    def test_each_column_has_the_figures_of_its_files(self, cost_run: Callable[..., Path]) -> None:
        rows = rows_of(cost_run({"bench.json": bench(), "bundle/bundle.json": bundle()}))
        assert rows[""] == ["Teacher", "Student", "INT8", "Ratio"]
        assert rows["Parameters"] == ["1,534,208", "299,904", "299,904", "1/5.1"]
        assert rows["MACs of one window"] == ["402 M", "21.3 M", "21.3 M", "1/19"]
        assert rows["MACs per second of audio"] == ["80.4 M", "4.26 M", "4.26 M", "1/19"]
        assert rows["File size"] == ["6.14 MB", "1.21 MB", "567 kB", "1/5.1"]
        assert rows["Latency, median"] == ["50.0 ms", "2.50 ms", "3.25 ms", "1/20"]
        assert rows["Latency, 90th percentile"][:3] == ["100 ms", "5.00 ms", "6.50 ms"]
        assert rows["Latency, 99th percentile"][:3] == ["150 ms", "7.50 ms", "9.75 ms"]
        assert rows["Real-time factor"][:3] == ["0.0100", "0.000500", "0.000650"]
        assert rows["Memory in use"][:3] == ["80 MiB"] * 3

    def test_ram_and_flash_are_those_of_the_formula(self, cost_run: Callable[..., Path]) -> None:
        rows, costs = (
            rows_of(cost_run({"bundle/bundle.json": bundle()})),
            student_costs(StudentConfig(embed_dim=FULL_DIM)),
        )
        size = numbers.binary_size
        ram, flash = ([getattr(costs, f"{what}_bytes")(p) for p in ("float32", "int8")] for what in ("ram", "flash"))
        assert rows["RAM for activations"] == [DASH, *map(size, ram), ""]
        assert rows["Flash for weights"] == [DASH, *map(size, flash), ""]
        assert rows["RAM with weights loaded"] == [DASH, size(ram[0] + flash[0]), size(ram[1] + flash[1]), ""]

    @pytest.mark.parametrize("head", ["linear", "projection"])
    def test_the_unpruned_parent_is_counted_from_the_pruned_students_shape(
        self, cost_run: Callable[..., Path], head: Head, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = StudentConfig(embed_dim=FULL_DIM, head=head)
        mapped = StudentConfig(embed_dim=DIM, head="linear" if head == "linear" else "mapped_projection")
        shape = student_shape.StudentShape(mapped, None if head == "linear" else FULL_DIM)
        found = read_run(cost_run(dim=DIM, summary=pruned_summary()))
        before = report_costs.unpruned_shape(found, shape)
        assert before == student_shape.StudentShape(whole)
        assert before.figures()["parameters"] == student_costs(whole).parameters
        assert before.pruned(DIM) == shape
        monkeypatch.setattr(report_costs, "shape_of", lambda _: shape)
        rows = rows_of(found.folder)
        assert rows[""] == ["Teacher", "Unpruned", "Student", "Ratio"]
        assert rows["Parameters"][1] == f"{student_costs(whole).parameters:,}"
        assert rows["of which trunk"] == [DASH, "68,214", "68,214", ""]

    def test_other_graphs_that_were_timed_have_columns_of_their_own(self, cost_run: Callable[..., Path]) -> None:
        other = {
            "name": "mobilenet",
            "file": "nets/mobilenet.onnx",
            "p50_ms": 7.0,
            "parameters": 4_000_000,
            "macs": 9e7,
        }
        rows = rows_of(cost_run({"bench.json": bench({**other, "window_s": 10.0})}))
        assert rows[""] == ["Teacher", "Student", "INT8", "mobilenet", "Ratio"]
        assert rows["Latency, median"][3] == "7.00 ms"
        assert rows["MACs per second of audio"][3] == "9.00 M"
        assert rows["MACs of one window"][4] == "1/19"

    def test_only_graphs_of_the_runs_own_bundle_are_its_own(self, cost_run: Callable[..., Path]) -> None:
        timed = bench()
        own, int8, _ = timed["models"]
        int8 |= {"file": "other/bundle/audio_int8.onnx", "source": "other", "name": "other int8", "parameters": 5}
        stranger = {**own, "file": "runs/another/bundle/audio.onnx", "name": "another float", "p50_ms": 99.0}
        timed["models"].insert(0, stranger)
        rows = rows_of(cost_run({"bench.json": timed}))
        assert rows[""] == ["Teacher", "Student", "another float", "other int8", "Ratio"]
        assert rows["Latency, median"] == ["50.0 ms", "2.50 ms", "99.0 ms", "3.25 ms", "1/20"]
        assert rows["Parameters"][3] == "5"
        assert rows["RAM for activations"][2:] == [DASH, DASH, ""]

    def test_only_the_teachers_exact_name_is_the_teacher(self, cost_run: Callable[..., Path]) -> None:
        timed = bench()
        timed["models"][2]["name"] = "no-teacher float"
        timed["models"].append({**timed["models"][2], "name": "esc10_teacher-1 float"})
        rows = rows_of(cost_run({"bench.json": timed}))
        assert rows[""] == ["Teacher", "Student", "INT8", "no-teacher float", "esc10_teacher-1 float", "Ratio"]
        assert rows["Latency, median"] == [DASH, "2.50 ms", "3.25 ms", "50.0 ms", "50.0 ms", ""]

    @pytest.mark.parametrize(
        ("sources", "own"),
        [
            (["before/esc10-1"], 0),  # moved since, with its name
            (["."], 0),  # timed within the run
            (["elsewhere/esc10-1", "before/esc10-1"], None),  # it could be either
            (["before/another"], None),
            ([".", "../esc10-1"], None),
            (["before/another", "before/esc10-1"], 1),
            (["runs/another/../esc10-1", "before/esc10-1"], 0),  # the path leads to it
        ],
    )
    def test_a_run_that_was_moved_is_known_by_its_folders_name_alone(
        self, cost_run: Callable[..., Path], sources: list[str], own: int | None
    ) -> None:
        models = [
            {"name": source, "source": source, "file": str(Path(source) / "bundle/audio.onnx")} for source in sources
        ]
        cost_run({"bench.json": {"models": models}})
        Path("runs/another").mkdir()
        timed, others = bench_entries.timed_kinds(read_run(Path("runs/esc10-1")))
        assert timed == ({} if own is None else {"student": models[own]})
        assert others == [model for model in models if model not in timed.values()]

    def test_a_bundle_of_the_runs_name_is_not_the_run(self, cost_run: Callable[..., Path]) -> None:
        model = {"name": "b", "source": "esc10-1", "file": "esc10-1/audio.onnx", "p50_ms": 1.0}
        found = read_run(cost_run({"bench.json": {"models": [model, {**model, "file": "\x00"}]}}))
        assert bench_entries.timed_kinds(found) == ({}, found.bench["models"])

    def test_what_is_of_a_window_is_not_compared_where_windows_differ(self, cost_run: Callable[..., Path]) -> None:
        summary = fake_summary()
        summary["teacher"]["window_s"] = 10.0
        timed = bench()
        timed["models"][2]["real_time_factor"] = 0.005
        folder = cost_run({"bench.json": timed}, summary=summary)
        rows, markdown = rows_of(folder), pages(folder)[1]
        for name in ("MACs of one window", *(f"Latency, {what}" for what in ("median", "90th percentile"))):
            assert rows[name][-1] == ""
            assert re.search(rf"^- {name}: .*; windows differ$", markdown, re.MULTILINE)
        assert rows["Real-time factor"] == ["0.00500", "0.000500", "0.000650", "1/10"]
        assert rows["MACs per second of audio"][-1] == "1/9.4"
        for model in timed["models"]:
            model["window_s"] = 5.0  # all were timed on windows of the same length
        rows = rows_of(rewritten(folder, timed))
        assert rows["Latency, median"][-1] == "1/20"
        assert rows["MACs of one window"][-1] == ""

    def test_a_percentile_that_few_repeats_do_not_tell_is_a_dash(self, cost_run: Callable[..., Path]) -> None:
        timed = bench()
        timed["models"][0]["p99_ms"] = None
        rows = rows_of(cost_run({"bench.json": timed}))
        assert rows["Latency, 99th percentile"] == ["150 ms", DASH, "9.75 ms", ""]
        assert rows["Latency, 90th percentile"][-1] == "1/20"

    def test_where_and_how_it_was_timed_is_told(self) -> None:
        timed = bench()
        timed["environment"] |= {"threads": 4, "batch": 8, "host": "pi"}
        timed["models"][0]["from"] = "logmel"
        told = "Some CPU, 2 cores, host pi, 4 threads, 8 clips at a time, some from the spectrogram on"
        assert report_costs.timed_on(Run(Path(), bench=timed)) == told
        assert report_costs.timed_on(Run(Path(), bench={"models": [{"p50_ms": "fast"}]})) == ""

    def test_what_is_missing_is_named_with_its_command(self, cost_run: Callable[..., Path]) -> None:
        export = "tinyclap export --onnx --int8 runs/esc10-1"
        page, markdown = pages(cost_run())
        command = f"{export} && tinyclap bench"
        for text, shown in ((text_of(page), command), (markdown, f"`{command}")):
            assert f"bench.json is not in the run folder. This command makes it: {shown}" in text
            assert "bundle/bundle.json is not in the run folder" in text

    def test_a_student_that_cannot_be_counted_is_told(self, cost_run: Callable[..., Path]) -> None:
        page, markdown = pages(cost_run({"student/config.json": '{"head": "linear"}'}))
        for text in (text_of(page), markdown):
            assert "student/config.json cannot be used (keys of the student: missing" in text
            assert "RAM for activations" not in text

    @pytest.mark.parametrize("name", ["bench.json", "bundle/bundle.json"])
    @pytest.mark.parametrize("content", ["{", "[1]", "\x00"])
    def test_damaged_files_are_named(self, cost_run: Callable[..., Path], name: str, content: str) -> None:
        with pytest.warns(UserWarning, match=name):
            found = pages(cost_run({name: content}))
        for text in map(text_of, found):
            assert f"{name} cannot be read (" in text

    @pytest.mark.parametrize(
        "content",
        [
            {"models": [{"name": 3, "file": None, "p50_ms": "x"}, 7], "environment": []},
            {"models": {"audio.onnx": 1}, "environment": {"threads": "many"}},
            {"graphs": {"audio_int8.onnx": 3, "audio.onnx": {"size_bytes": "x", "macs": -1}}, "files": [], "parity": 0},
            {"graphs": [], "window_s": 0, "parity": {"tolerance": None, "clips": "x"}},
        ],
    )
    def test_unusual_values_leave_dashes(self, cost_run: Callable[..., Path], content: dict[str, Any]) -> None:
        with pytest.warns(UserWarning, match="is damaged: .*; the rest of it is shown"):
            page, _ = pages(cost_run({"bench.json": content, "bundle/bundle.json": content}))
        assert not re.search(r"\bnan\b|\bNone\b|\binf\b", text_of(page))

    def test_hostile_names_stay_text(self, cost_run: Callable[..., Path]) -> None:
        name = "<script>alert(1)</script>|x"
        graph = {**bundle(), "recommended": name}
        graph["graphs"] = {**graph["graphs"], name: {"size_bytes": 1}}
        timed = bench({"name": name, "file": "x.onnx", "p50_ms": 1.0})
        timed["environment"]["cpu"] = name
        page, markdown = pages(cost_run({"bench.json": timed, "bundle/bundle.json": graph}))
        assert "<script" not in page
        assert "<script" not in re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
        assert len({len(row) for row in markdown_table(markdown.replace("\\|", "/"), "Size and cost")}) == 1
