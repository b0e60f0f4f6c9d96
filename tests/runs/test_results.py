"""`evaluation.json` holds evaluations of any task; what shows one task leaves the others alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.report_runs import fake_evaluation, fake_run, html_tables, pages
from tinyclap.errors import TinyclapError
from tinyclap.reports.console.run import as_object, as_table
from tinyclap.runs.results import ZERO_SHOT, evaluations_of, read_evaluations, read_run, write_evaluation

RETRIEVAL: dict[str, Any] = {"task": "retrieval", "data": "mine", "student": {"recall_at_1": 0.5}}


def test_an_entry_that_names_no_task_is_a_zero_shot_one() -> None:
    assert [one["models"] for one in evaluations_of([fake_evaluation(), RETRIEVAL])] == [["teacher", "student"]]
    assert [one["data"] for one in evaluations_of([fake_evaluation(), RETRIEVAL], "retrieval")] == ["mine"]


def test_evaluations_are_told_apart_by_task_and_data(tmp_path: Path) -> None:
    own = {**fake_evaluation(), "task": ZERO_SHOT, "data": "mine"}
    for entry in (RETRIEVAL, own, {**own, "n_clips": 7}, {**RETRIEVAL, "data": "other"}):
        write_evaluation(tmp_path, entry, "mine")
    kept = [(one["task"], one["data"]) for one in read_evaluations(tmp_path)]
    assert sorted(kept) == [("retrieval", "mine"), ("retrieval", "other"), (ZERO_SHOT, "mine")]
    assert kept[-1] == ("retrieval", "other"), "the run's own test data come first"
    (zero_shot,) = evaluations_of(read_evaluations(tmp_path))
    assert zero_shot["n_clips"] == 7


def test_reports_and_tables_show_zero_shot_alone(tmp_path: Path) -> None:
    alone, beside = fake_run(tmp_path / "alone"), fake_run(tmp_path / "beside")
    (alone / "evaluation.json").write_text(json.dumps([fake_evaluation()]))
    (beside / "evaluation.json").write_text(json.dumps([RETRIEVAL, fake_evaluation()]))
    assert "evaluation.json" not in read_run(beside).gaps
    assert html_tables(pages(beside)[0]) == html_tables(pages(alone)[0])
    assert as_table(beside).replace("beside", "alone") == as_table(alone)
    assert json.loads(as_object(beside))["n_clips"] == json.loads(as_object(alone))["n_clips"]


def test_a_damaged_part_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    evaluation = fake_evaluation()
    evaluation["confusion"]["student"] = evaluation["confusion"]["student"][:4]  # rows cut
    evaluation["teacher"]["accuracy"] = "most"
    evaluation["per_class"][2] = 7
    folder = fake_run(tmp_path / "run", evaluation=evaluation)
    with pytest.warns(UserWarning, match=r"run: evaluation\.json is damaged: .*; the rest of it is shown"):
        (read,) = read_run(folder).evaluations
    assert list(read["confusion"]) == ["teacher"]
    assert "accuracy" not in read["teacher"]
    assert (read["student"], len(read["per_class"])) == (evaluation["student"], 9)
    with pytest.warns(UserWarning, match="is damaged"):
        page, markdown = pages(folder)
    for text in (page, markdown):
        for fault in ("confusion.student has 4 rows for 10 labels", "expected a number"):
            assert fault in text
        assert "Teacher: what is taken for what" in text or "Confusion matrix of the teacher" in text


def test_metrics_of_a_training_that_diverged_are_not_damaged(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1, "loss": NaN}\n{"epoch": 2, "loss": Infinity}\n')
    run = read_run(tmp_path)
    assert run.epochs == [{"epoch": 1, "loss": None}, {"epoch": 2, "loss": None}]
    assert "metrics.jsonl" not in run.damage


@pytest.mark.parametrize("content", ["{", "[1]", '"x"', "[" * 5000])
def test_an_evaluation_is_not_added_to_a_file_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(TinyclapError, match=r"evaluation\.json is damaged"):
        read_evaluations(tmp_path)
