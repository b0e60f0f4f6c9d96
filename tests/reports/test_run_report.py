"""Reports and model cards say what the result files say, and nothing else."""

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.pages import svg
from tests.support.report_runs import (
    ESC10,
    HOSTILE_NAME,
    RECIPE,
    fake_environment,
    fake_epochs,
    fake_evaluation,
    fake_run,
    fake_summary,
    html_tables,
    markdown_table,
    pages,
    text_of,
)
from tinyclap.common import numbers
from tinyclap.errors import TinyclapError
from tinyclap.evaluation import scores
from tinyclap.reports import run_charts, run_report, tables


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a run folder below the current directory, as the command line does."""
    monkeypatch.chdir(tmp_path)
    return lambda name="esc10-1", **replaced: fake_run(Path("runs") / name, **replaced)


class TestFullRun:
    def test_numbers_are_those_of_the_files(self, run: Callable[..., Path]) -> None:
        folder = run()
        page, markdown = pages(folder)
        evaluation = json.loads((folder / "evaluation.json").read_text())
        for text in (text_of(page), markdown):
            for model in ("teacher", "student"):
                low, high = (100 * end for end in evaluation[model]["ci95"])
                assert f"{100 * evaluation[model]['accuracy']:.1f} % [{low:.1f}, {high:.1f}]" in text
                assert f"{100 * evaluation[model]['folds']['mean']:.1f} % ± " in text
            for key in ("cosine", "centred_cosine"):
                assert f"{evaluation[key]:.3f}" in text
            for key in ("agreement", "knn10_overlap", "knn10_chance", "retention"):
                assert f"{100 * evaluation[key]:.1f} %" in text
            for written in ("1,534,208", "68,214", "402 M", "21.3 M", "1.21 MB", "8 min 32 s", "2.11.0", "1a2b3c4"):
                assert written in text
            assert "this is the sound of {}" in text
            assert "audio/3-180977-A-39.ogg" in text
            assert "NaN or infinite samples" in text
            assert "237 training clips, 16 stored views of each" in text
            assert "60 epochs in 7 min 30 s, of which 2.8 % waiting for data" in text
            assert "tinyclap distill runs/esc10-1/recipe.yaml --run runs/esc10-1-again" in text
            installing = 'pip install "path/to/tinyclap[train]" # the folder or wheel of tinyclap 0.1.0;'
            assert installing in " ".join(text.split())

    def test_the_verdict_says_what_is_kept_at_what_cost(self, run: Callable[..., Path]) -> None:
        evaluation = fake_evaluation()
        page, markdown = pages(run(evaluation={**evaluation, "retention": 0.9731}))
        wanted = "The student keeps 97.3 % of its teacher's zero-shot accuracy at 1/19 of the MACs."
        assert wanted in text_of(page)
        assert f"**{wanted}**" in markdown

    def test_markdown_has_the_same_tables(self, run: Callable[..., Path]) -> None:
        page, markdown = pages(run())
        written = html_tables(page)
        accuracy = written["Zero-shot accuracy on 320 clips of 10 classes (chance: 10.0 %), with 95 % intervals"]
        assert len(accuracy) == 7  # header, accuracy, mean over folds, four folds
        assert markdown_table(markdown, "Result") == accuracy
        assert markdown_table(markdown, "Size and cost") == written["The audio encoders"]
        assert markdown_table(markdown, "Classes") == written["Accuracy per class"]
        matrix = markdown_table(markdown, "Teacher: what is taken for what")
        counts = [[int(cell or 0) for cell in row[1:]] for row in matrix[1:]]
        assert counts == fake_evaluation()["confusion"]["teacher"]

    def test_windows_of_different_lengths_are_compared_per_second(self, run: Callable[..., Path]) -> None:
        summary = fake_summary()
        summary["teacher"] |= {"window_s": 10.0, "macs": 800_000_000}
        summary["student"] |= {"window_s": 5.0, "macs": 20_000_000}
        page, markdown = pages(run(summary=summary))
        rows = {row[0]: row[1:] for row in markdown_table(markdown, "Size and cost")}
        assert rows["MACs of one window"] == ["800 M", "20.0 M", ""]
        assert rows["MACs per second of audio"] == ["80.0 M", "4.00 M", "1/20"]
        assert "at 1/20 of the MACs" in text_of(page)

    def test_recipe_stands_there_verbatim(self, run: Callable[..., Path]) -> None:
        page, markdown = pages(run(recipe=RECIPE + "# ``` a fence & <tags>\n"))
        assert "# ``` a fence & <tags>" in markdown
        assert "````yaml\n" + RECIPE in markdown
        block = re.search(r"recipe.yaml</summary><pre[^>]*><code>(.*?)</code>", page, flags=re.DOTALL)
        assert block is not None
        assert html.unescape(block[1]) == RECIPE + "# ``` a fence & <tags>\n"

    def test_nothing_is_loaded_from_elsewhere(self, run: Callable[..., Path]) -> None:
        page, _ = pages(run())
        assert not re.search(r"https?:|//[a-z]|@import|url\(|<link|<script|<img|<iframe", page, flags=re.IGNORECASE)
        assert set(re.findall(r'<(?!use)[^>]*(?:src|href)="([^"]*)"', page)) == {
            f"#{name}"
            for name in [
                "result",
                "size",
                "pareto",
                "export",
                "training",
                "classes",
                "prompts",
                "data",
                "environment",
                "recipe",
                "again",
            ]
        }

    def test_what_a_picture_draws_again_is_in_the_page(self, run: Callable[..., Path]) -> None:
        page, _ = pages(run())
        used = set(re.findall(r'<use[^>]* href="#([^"]*)"', page))
        assert used
        assert used <= set(re.findall(r' id="([^"]*)"', page))

    def test_the_page_is_well_formed_and_says_its_charts(self, run: Callable[..., Path]) -> None:
        page, _ = pages(run())
        unclosed = {"meta", "br"}
        opened: list[str] = []
        for closing, name in re.findall(r"<(/?)([a-zA-Z][\w]*)", re.sub(r"<[^>]*/>", "", page)):
            if closing:
                assert opened.pop() == name
            elif name not in unclosed:
                opened.append(name)
        assert not opened
        assert page.count('<g class="line">') == 4
        assert ">Loss over epoch 1 to 60: loss from 0.8819 to 0.2281.</desc>" in page
        assert "prefers-color-scheme:dark" in page
        assert len(set(re.findall(r' id="([^"]+)"', page))) == len(re.findall(r' id="', page))

    def test_several_evaluations_each_have_their_section(self, run: Callable[..., Path]) -> None:
        first, second = fake_evaluation(), fake_evaluation(90, ESC10[:3])
        page, markdown = pages(run(evaluation=[{**first, "data": "ESC-10"}, {**second, "data": "my_sounds"}]))
        assert "Test clips: ESC-10" in text_of(page)
        for wanted in ("320 clips of 10 classes", "90 clips of 3 classes"):
            assert wanted in text_of(page)
            assert wanted in markdown
        assert "### my_sounds" in markdown

    def test_a_teacher_alone_has_no_students_column(self, run: Callable[..., Path]) -> None:
        score = scores.compare(
            np.eye(3), None, np.eye(3)[:2], [0, 1, 1], ["dog", "rain"], templates=["a {}"], n_bootstrap=50
        )
        summary = {"teacher": {"name": "esc10_teacher", "parameters": 1000}, "clips": 3}
        page, markdown = pages(run(evaluation=score, summary=summary, recipe="task: pretrain\n"))
        assert "The teacher's zero-shot accuracy is 66.7 %." in text_of(page)
        assert "tinyclap pretrain runs/esc10-1/recipe.yaml --run runs/esc10-1-again" in markdown
        assert markdown_table(markdown, "Result")[0] == ["", "Teacher"]
        assert markdown_table(markdown, "Size and cost")[0] == ["", "Teacher"]

    def test_writing_again_gives_the_same_bytes(self, run: Callable[..., Path]) -> None:
        folder = run()
        assert pages(folder) == pages(folder)
        assert {path.name for path in (folder / "report").iterdir()} == {"report.html", "report.md"}


class TestIncompleteRun:
    def test_without_evaluation_the_command_is_named(self, run: Callable[..., Path]) -> None:
        page, markdown = pages(run(evaluation=None))
        for text in (text_of(page), markdown):
            assert "evaluation.json is not in the run folder" in text
            assert "tinyclap evaluate runs/esc10-1" in text
            assert "its accuracy has not been measured yet" in text
            assert "0.8819" in text  # what there is, is shown

    def test_a_recipe_without_test_data_asks_for_some(self, run: Callable[..., Path]) -> None:
        page, _ = pages(run(evaluation=None, recipe="task: distill\ndata: {train: {kind: procedural}}\n"))
        assert "tinyclap evaluate runs/esc10-1 --data folder --root PATH" in text_of(page)

    @pytest.mark.parametrize("missing", ["recipe", "env", "metrics", "summary"])
    def test_each_missing_file_is_named_with_its_remedy(self, run: Callable[..., Path], missing: str) -> None:
        page, markdown = pages(run(**{missing: None}))
        name = missing + {"recipe": ".yaml", "metrics": ".jsonl"}.get(missing, ".json")
        for text in (text_of(page), markdown):
            assert f"{name} is not in the run folder" in text
            assert "--run runs/esc10-1 --resume" in text

    @pytest.mark.parametrize(
        ("damaged", "content"),
        [
            ("evaluation.json", '{"teacher": '),
            ("evaluation.json", "[1]"),
            ("evaluation.json", "{}"),
            ("summary.json", "[]"),
            ("env.json", "\x00"),
            ("recipe.yaml", "a: [1"),
            ("metrics.jsonl", '{"epoch": 1\n{"epoch": 2}\n{}'),
        ],
    )
    def test_a_damaged_file_is_named_and_the_rest_is_shown(
        self, run: Callable[..., Path], damaged: str, content: str
    ) -> None:
        with pytest.warns(UserWarning, match=damaged):
            page, markdown = pages(run(**{damaged.split(".")[0]: content}))
        for text in (text_of(page), markdown):
            assert f"{damaged} cannot be read (" in text

    def test_a_run_killed_while_writing_keeps_its_epochs(self, run: Callable[..., Path]) -> None:
        rows = fake_epochs(7)
        again = {**rows[4], "loss": 0.125}
        lines = [*map(json.dumps, [*rows, again]), '{"epoch": 6, "sta']
        _, markdown = pages(run(metrics="\n".join(lines)))
        logged = markdown_table(markdown, "Training")
        assert [row[0] for row in logged[1:]] == ["1", "2", "3", "4", "5", "6", "7"]
        assert logged[5][2] == "0.125"  # trained again after the crash: the last one counts

    def test_missing_and_unusual_keys_are_written_as_missing(self, run: Callable[..., Path]) -> None:
        metrics = '{"epoch": 1, "loss": NaN}\n{"epoch": 2, "accuracy": 0.5}\n'
        evaluation = {"teacher": {"accuracy": 0.5}, "student": {}, "n_clips": 4}
        page, markdown = pages(run(metrics=metrics, evaluation=evaluation, summary={"bad_clips": []}, env={"gpu": {}}))
        assert "Every clip was usable" in text_of(page)
        assert markdown_table(markdown, "Result")[1] == ["Zero-shot accuracy", "50.0 %", numbers.DASH, ""]
        assert "nan" not in text_of(page).lower()

    @pytest.mark.parametrize("name", ["nowhere", "empty"])
    def test_what_is_no_run_folder_is_refused(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(TinyclapError, match=f"{name}: n"):
            run_report.write_report(tmp_path / name)
        assert not (tmp_path / name / "report").exists()


class TestHostileNames:
    def test_they_stay_text(self, run: Callable[..., Path]) -> None:
        evaluation = fake_evaluation(60, ("dog", HOSTILE_NAME))
        summary = {**fake_summary(), "bad_clips": [{"name": HOSTILE_NAME, "reason": '"><img src=x>'}]}
        environment = {**fake_environment(), "cpu": "<b>cpu</b>"}
        evaluation["prompts"] = [HOSTILE_NAME]
        page, markdown = pages(run(evaluation=evaluation, summary=summary, env=environment))
        assert not re.search(r"<script|<img|<b>cpu", page)
        assert "<script>alert(1)</script>|`rm`](http://evil.example) # heading" in text_of(page)
        outside_code = re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
        assert "<" not in outside_code
        assert "\n# heading" not in outside_code
        assert not re.search(r"(?<!\\)[`\]](?=\(http|rm)", outside_code)
        assert len({len(row) for row in markdown_table(re.sub(r"\\\|", "/", markdown), "Classes")}) == 1

    def test_a_folder_name_with_blanks_is_quoted_in_commands(self, run: Callable[..., Path]) -> None:
        page, _ = pages(run(name="my run; ls", evaluation=None))
        assert "tinyclap evaluate 'runs/my run; ls'" in text_of(page)


@pytest.mark.parametrize(("interval", "doubt"), [([-0.05, 0.01], "may explain"), ([-0.05, -0.01], "hardly explains")])
def test_whether_chance_explains_a_difference_is_told_by_its_clustered_interval(
    interval: list[float], doubt: str
) -> None:
    evaluation = {"difference": -0.02, "difference_ci95": interval, "mcnemar_p": 1e-9}
    rows = {name: explanation for name, _, explanation in tables.closeness_rows(evaluation)}
    assert doubt in rows["Accuracy difference"]
    assert rows["McNemar p-value"] == "two-sided, exact; takes clips as independent"


def test_a_student_that_answers_one_class_and_one_that_may_be_guessing_are_told() -> None:
    labels, classes = ["dog", "door_knock", "rain"], np.eye(3)
    targets = [0, 1, 2] * 20
    sure, alike = np.eye(3)[targets], np.tile([0.1, 1.0, 0.2], (60, 1))
    evaluation = scores.compare(sure, alike, classes, targets, labels, n_bootstrap=200)
    assert evaluation["chance"] == pytest.approx(1 / 3)
    assert tables.warnings(evaluation) == ["The student names 'door knock' for every clip: it tells no sounds apart."]
    guessing = np.eye(3)[[0, 0, 1, 1, 2, 2] * 10]
    evaluation = scores.compare(sure, guessing, classes, targets, labels, n_bootstrap=200)
    assert tables.warnings(evaluation) == [
        "The student may be guessing: always naming the commonest class gives 33.3 %."
    ]
    assert tables.warnings(scores.compare(sure, sure, classes, targets, labels, n_bootstrap=200)) == []
    assert tables.warnings({}) == []


def test_the_report_of_an_unfinished_run_names_the_command_that_goes_on(run: Callable[..., Path]) -> None:
    folder = run(summary=None, evaluation=None)
    for page in pages(folder):
        assert "--resume" in text_of(page)
        assert "tinyclap evaluate" not in text_of(page)


def test_a_second_stage_counts_on_and_is_marked() -> None:
    restarted = [{"epoch": 1, "stage": "all", "loss": 2}, {"epoch": 2, "stage": "all", "loss": 1}]
    chart = run_charts.charts([*restarted, {"epoch": 1, "stage": "head", "loss": 0.5}])[0]
    assert chart.summary == "Loss over epoch 1 to 3: loss from 2 to 0.5."
    assert [label.text for label in svg.labels(chart.svg)] == ["head →"]
