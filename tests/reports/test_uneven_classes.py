"""Where classes differ in size, the mean of their accuracies stands beside the accuracy."""

from typing import Any

import numpy as np
import pytest

from tinyclap.evaluation import scores
from tinyclap.reports import tables
from tinyclap.reports.console import run


def evaluation(targets: list[int]) -> dict[str, Any]:
    """A teacher that always says the first of two classes."""
    audio = np.tile([1.0, 0.1], (len(targets), 1)).astype(np.float32)
    return scores.compare(audio, None, np.eye(2, dtype=np.float32), targets, ["sad", "happy"])


def test_a_model_that_only_knows_the_common_class_is_seen_through() -> None:
    found = evaluation([0] * 8 + [1] * 2)
    assert (found["teacher"]["accuracy"], found["teacher"]["uar"]) == (pytest.approx(0.8), pytest.approx(0.5))
    rows = {row.name: row.teacher for row in tables.result_rows(found)}
    assert rows["Mean over the classes"] == "50.0 %"
    assert ("mean over the classes (UAR)", "50.0 %") in run._accuracy_rows(found, ["teacher"])


@pytest.mark.parametrize("change", [{}, {"teacher": {"accuracy": 0.8}}])
def test_it_is_left_out_where_it_is_the_accuracy_and_in_runs_without_it(change: dict[str, Any]) -> None:
    found = evaluation([0] * 5 + [1] * 5) | change
    assert not tables.is_uneven(found)
    assert all(row.name != "Mean over the classes" for row in tables.result_rows(found))
    assert len(run._accuracy_rows(found, ["teacher"])) == 1
