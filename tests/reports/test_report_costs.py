"""The report's tables and pictures of cost, pruning and export: every number is that of a file or a formula."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import svg
from tests.support.report_runs import fake_run, fake_summary, html_tables, markdown_table, pages, text_of
from tinyclap.common import numbers
from tinyclap.hardware import student_shape
from tinyclap.hardware.costs import student_costs
from tinyclap.models.student_config import Head, StudentConfig
from tinyclap.reports import costs as report_costs
from tinyclap.reports import export as report_export
from tinyclap.reports import pareto, run_charts
from tinyclap.reports import timed as report_timed
from tinyclap.runs.results import Run, read_run

FULL_DIM, DIM = 384, 96
DASH = numbers.DASH


def bundle() -> dict[str, Any]:
    return {
        "window_s": 5.0,
        "recommended": "audio.onnx",
        "graphs": {
            "audio.onnx": {"parameters": 299_904, "macs": 21_304_320, "size_bytes": 1_712_963},
            "audio_int8.onnx": {
                **{"parameters": 299_904, "macs": 21_304_320, "size_bytes": 567_329, "measured_clips": 80},
                **{"cosine_to_float": 0.99897, "agreement": 0.9875, "latency_ratio": 1.3856},
            },
            "audio_static.onnx": {"parameters": 299_904, "macs": 21_304_320, "size_bytes": 1_600_000},
        },
        "files": {"text.onnx": {"size_bytes": 90_300_000}},
        "parity": {
            **{"tolerance": 1e-4, "clips": 64, "max_abs_clips": 1.33e-5, "max_abs_batches": 7.5e-8},
            **{"worst_clip": "tone of 94 Hz, 0.65 s", "max_abs_static": 8.9e-8, "max_abs_text": 1.6e-7},
        },
    }


def bench(*others: dict[str, Any]) -> dict[str, Any]:
    def entry(name: str, file: str, p50_ms: float) -> dict[str, Any]:
        costs = {"file_bytes": 6_140_112, "peak_rss_bytes": 80 * 2**20, "parameters": None, "macs": None}
        times = {"p50_ms": p50_ms, "p90_ms": 2 * p50_ms, "p99_ms": 3 * p50_ms, "real_time_factor": p50_ms / 5000}
        return {"name": name, "file": file, **times, **costs}

    models = [
        entry("esc10 float", "runs/esc10-1/bundle/audio.onnx", 2.5),
        entry("esc10 int8", "runs/esc10-1/bundle/audio_int8.onnx", 3.25),
        entry("esc10_teacher-1", "teacher.onnx", 50.0),
    ]
    return {"environment": {"cpu": "Some CPU, 2 cores", "threads": 1, "batch": 1}, "models": [*models, *others]}


def sweep() -> dict[str, Any]:
    rows = [{"method": "none", "finetuned": False, "dim": FULL_DIM, "accuracy": 0.8, "knn10_overlap": 0.7}]
    for method, loss in (("rotation", 0.01), ("magnitude", 0.1)):
        for dim in (192, DIM, 48):
            scores = {"accuracy": 0.8 - loss * 48 / dim, "knn10_overlap": 0.7 - loss}
            rows.append({"method": method, "finetuned": False, "dim": dim, **scores})
    return {"rows": rows}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a run folder with a student of a shape that can be counted; other files by their path in it."""
    monkeypatch.chdir(tmp_path)

    def make(files: dict[str, Any] | None = None, dim: int = FULL_DIM, **replaced: Any) -> Path:
        folder = fake_run(Path("runs/esc10-1"), **replaced)
        config = StudentConfig(embed_dim=dim)
        for name, content in ({"student/config.json": dataclasses.asdict(config)} | (files or {})).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return folder

    return make


def pruned_summary() -> dict[str, Any]:
    pruned = {"from": "runs/esc10", "method": "rotation", "dim": DIM, "full_dim": FULL_DIM, "calibration_clips": 240}
    return {**fake_summary(), "pruned": {**pruned, "calibration": "esc50", "finetune_epochs": 0}}


def rows_of(folder: Path) -> dict[str, list[str]]:
    """The cost table of the Markdown by the names of its lines, which is that of the page."""
    page, markdown = pages(folder)
    rows = markdown_table(markdown, "Size and cost")
    assert rows == html_tables(page)["The audio encoders"]
    return {row[0]: row[1:] for row in rows}


def rewritten(folder: Path, timed: dict[str, Any]) -> Path:
    (folder / "bench.json").write_text(json.dumps(timed))
    return folder


class TestCosts:
    def test_each_column_has_the_figures_of_its_files(self, run: Callable[..., Path]) -> None:
        rows = rows_of(run({"bench.json": bench(), "bundle/bundle.json": bundle()}))
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

    def test_ram_and_flash_are_those_of_the_formula(self, run: Callable[..., Path]) -> None:
        rows, costs = rows_of(run({"bundle/bundle.json": bundle()})), student_costs(StudentConfig(embed_dim=FULL_DIM))
        size = numbers.binary_size
        ram, flash = ([getattr(costs, f"{what}_bytes")(p) for p in ("float32", "int8")] for what in ("ram", "flash"))
        assert rows["RAM for activations"] == [DASH, *map(size, ram), ""]
        assert rows["Flash for weights"] == [DASH, *map(size, flash), ""]
        assert rows["RAM with weights loaded"] == [DASH, size(ram[0] + flash[0]), size(ram[1] + flash[1]), ""]

    @pytest.mark.parametrize("head", ["linear", "projection"])
    def test_the_unpruned_parent_is_counted_from_the_pruned_students_shape(
        self, run: Callable[..., Path], head: Head, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = StudentConfig(embed_dim=FULL_DIM, head=head)
        mapped = StudentConfig(embed_dim=DIM, head="linear" if head == "linear" else "mapped_projection")
        shape = student_shape.StudentShape(mapped, None if head == "linear" else FULL_DIM)
        found = read_run(run(dim=DIM, summary=pruned_summary()))
        before = report_costs.unpruned_shape(found, shape)
        assert before == student_shape.StudentShape(whole)
        assert before.figures()["parameters"] == student_costs(whole).parameters
        assert before.pruned(DIM) == shape
        monkeypatch.setattr(report_costs, "shape_of", lambda _: shape)
        rows = rows_of(found.folder)
        assert rows[""] == ["Teacher", "Unpruned", "Student", "Ratio"]
        assert rows["Parameters"][1] == f"{student_costs(whole).parameters:,}"
        assert rows["of which trunk"] == [DASH, "68,214", "68,214", ""]

    def test_other_graphs_that_were_timed_have_columns_of_their_own(self, run: Callable[..., Path]) -> None:
        other = {
            "name": "mobilenet",
            "file": "nets/mobilenet.onnx",
            "p50_ms": 7.0,
            "parameters": 4_000_000,
            "macs": 9e7,
        }
        rows = rows_of(run({"bench.json": bench({**other, "window_s": 10.0})}))
        assert rows[""] == ["Teacher", "Student", "INT8", "mobilenet", "Ratio"]
        assert rows["Latency, median"][3] == "7.00 ms"
        assert rows["MACs per second of audio"][3] == "9.00 M"
        assert rows["MACs of one window"][4] == "1/19"

    def test_only_graphs_of_the_runs_own_bundle_are_its_own(self, run: Callable[..., Path]) -> None:
        timed = bench()
        own, int8, _ = timed["models"]
        int8 |= {"file": "other/bundle/audio_int8.onnx", "source": "other", "name": "other int8", "parameters": 5}
        stranger = {**own, "file": "runs/another/bundle/audio.onnx", "name": "another float", "p50_ms": 99.0}
        timed["models"].insert(0, stranger)
        rows = rows_of(run({"bench.json": timed}))
        assert rows[""] == ["Teacher", "Student", "another float", "other int8", "Ratio"]
        assert rows["Latency, median"] == ["50.0 ms", "2.50 ms", "99.0 ms", "3.25 ms", "1/20"]
        assert rows["Parameters"][3] == "5"
        assert rows["RAM for activations"][2:] == [DASH, DASH, ""]

    def test_only_the_teachers_exact_name_is_the_teacher(self, run: Callable[..., Path]) -> None:
        timed = bench()
        timed["models"][2]["name"] = "no-teacher float"
        timed["models"].append({**timed["models"][2], "name": "esc10_teacher-1 float"})
        rows = rows_of(run({"bench.json": timed}))
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
        self, run: Callable[..., Path], sources: list[str], own: int | None
    ) -> None:
        models = [
            {"name": source, "source": source, "file": str(Path(source) / "bundle/audio.onnx")} for source in sources
        ]
        run({"bench.json": {"models": models}})
        Path("runs/another").mkdir()
        timed, others = report_timed.timed_kinds(read_run(Path("runs/esc10-1")))
        assert timed == ({} if own is None else {"student": models[own]})
        assert others == [model for model in models if model not in timed.values()]

    def test_a_bundle_of_the_runs_name_is_not_the_run(self, run: Callable[..., Path]) -> None:
        model = {"name": "b", "source": "esc10-1/bundle", "file": "esc10-1/bundle/audio.onnx", "p50_ms": 1.0}
        found = read_run(run({"bench.json": {"models": [model, {**model, "file": "\x00"}]}}))
        assert report_timed.timed_kinds(found) == ({}, found.bench["models"])

    def test_what_is_of_a_window_is_not_compared_where_windows_differ(self, run: Callable[..., Path]) -> None:
        summary = fake_summary()
        summary["teacher"]["window_s"] = 10.0
        timed = bench()
        timed["models"][2]["real_time_factor"] = 0.005
        folder = run({"bench.json": timed}, summary=summary)
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

    def test_a_percentile_that_few_repeats_do_not_tell_is_a_dash(self, run: Callable[..., Path]) -> None:
        timed = bench()
        timed["models"][0]["p99_ms"] = None
        rows = rows_of(run({"bench.json": timed}))
        assert rows["Latency, 99th percentile"] == ["150 ms", DASH, "9.75 ms", ""]
        assert rows["Latency, 90th percentile"][-1] == "1/20"

    def test_where_and_how_it_was_timed_is_told(self) -> None:
        timed = bench()
        timed["environment"] |= {"threads": 4, "batch": 8, "host": "pi"}
        timed["models"][0]["from"] = "logmel"
        told = "Some CPU, 2 cores, host pi, 4 threads, 8 clips at a time, some from the spectrogram on"
        assert report_costs.timed_on(Run(Path(), bench=timed)) == told
        assert report_costs.timed_on(Run(Path(), bench={"models": [{"p50_ms": "fast"}]})) == ""

    def test_what_is_missing_is_named_with_its_command(self, run: Callable[..., Path]) -> None:
        export = "tinyclap export --onnx --int8 runs/esc10-1"
        for text in map(text_of, pages(run())):
            assert f"bench.json is not in the run folder. This command makes it: {export} && tinyclap bench" in (
                text.replace("`", "").replace("&amp;", "&")
            )
            assert "bundle/bundle.json is not in the run folder" in text

    def test_a_student_that_cannot_be_counted_is_told(self, run: Callable[..., Path]) -> None:
        page, markdown = pages(run({"student/config.json": '{"head": "linear"}'}))
        for text in (text_of(page), markdown):
            assert "student/config.json cannot be used (keys of the student: missing" in text
            assert "RAM for activations" not in text

    @pytest.mark.parametrize("name", ["bench.json", "bundle/bundle.json"])
    @pytest.mark.parametrize("content", ["{", "[1]", "\x00"])
    def test_damaged_files_are_named(self, run: Callable[..., Path], name: str, content: str) -> None:
        for text in map(text_of, pages(run({name: content}))):
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
    def test_unusual_values_leave_dashes(self, run: Callable[..., Path], content: dict[str, Any]) -> None:
        page, _ = pages(run({"bench.json": content, "bundle/bundle.json": content}))
        assert not re.search(r"\bnan\b|\bNone\b|\binf\b", text_of(page))

    def test_hostile_names_stay_text(self, run: Callable[..., Path]) -> None:
        name = "<script>alert(1)</script>|x"
        graph = {**bundle(), "recommended": name}
        graph["graphs"] = {**graph["graphs"], name: {"size_bytes": 1}}
        timed = bench({"name": name, "file": "x.onnx", "p50_ms": 1.0})
        timed["environment"]["cpu"] = name
        page, markdown = pages(run({"bench.json": timed, "bundle/bundle.json": graph}))
        assert "<script" not in page
        assert "<script" not in re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
        assert len({len(row) for row in markdown_table(markdown.replace("\\|", "/"), "Size and cost")}) == 1


class TestPictures:
    def test_the_pictures_numbers_are_those_of_the_tables(self, run: Callable[..., Path]) -> None:
        folder = run({"bench.json": bench(), "sweep.json": sweep()}, dim=DIM, summary=pruned_summary())
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

    def test_windows_of_different_lengths_are_drawn_by_the_second(self, run: Callable[..., Path]) -> None:
        summary = fake_summary()
        summary["teacher"] |= {"window_s": 10.0, "macs": 800_000_000}
        timed = bench()
        timed["models"][2]["real_time_factor"] = 0.005
        page, markdown = pages(run({"bench.json": timed}, summary=summary))
        assert ">Accuracy against MACs per second of audio: teacher" in page
        assert "at 80.0 M, 1.53 M parameters" in page
        assert ">Accuracy against median latency per second of audio: teacher" in page
        assert "at 5.00 ms, 1.53 M parameters" in page
        assert ">latency in ms per second of audio, logarithmic<" in page
        rows = markdown_table(markdown, "What accuracy costs")
        assert rows[0][2:4] == ["MACs per second of audio", "Median latency per second of audio"]
        assert [row[2:4] for row in rows[1:]] == [["80.0 M", "5.00 ms"], ["4.26 M", "0.500 ms"]]

    @pytest.mark.parametrize("missing", ["evaluation", "summary"])
    def test_without_two_encoders_there_is_no_picture(self, run: Callable[..., Path], missing: str) -> None:
        page, markdown = pages(run(**{missing: None}))
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


class TestExport:
    def test_each_graph_has_its_line(self, run: Callable[..., Path]) -> None:
        page, markdown = pages(run({"bundle/bundle.json": bundle()}))
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

    def test_a_teacher_is_not_asked_to_be_exported(self, run: Callable[..., Path]) -> None:
        summary = {"teacher": fake_summary()["teacher"]}
        page, markdown = pages(run(recipe="task: pretrain\n", summary=summary))
        for text in (page, markdown):
            assert "tinyclap export" not in text
            assert "tinyclap bench" not in text
