"""An evaluation under degradations as reports and the console show it."""

from collections.abc import Mapping
from typing import Any

from tinyclap.common import numbers
from tinyclap.common.numbers import DASH, aligned, known, percent, percent_interval
from tinyclap.reports.tables import Row
from tinyclap.runs.results import MODELS, as_mapping, as_mappings

MEAN = "Mean over the degradations"


def robustness_tables(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One evaluation with its table and the points of its picture."""
    rows = [*as_mappings(entry.get("conditions")), {**entry, "condition": MEAN, "settings": ""}]
    shown = [_row(row) for row in rows]
    return {**entry, "title": str(entry.get("data") or ""), "rows": shown, "points": list(map(_points, rows))}


def robustness_lines(entry: Mapping[str, Any]) -> list[str]:
    """The same as text, for the console."""
    rows, compared = robustness_tables(entry)["rows"], all(model in entry for model in MODELS)
    heading = ("", "teacher", "student", "difference") if compared else ("", "teacher")
    return aligned([heading, *((row.name, row.teacher, row.student, row.compared)[: len(heading)] for row in rows)])


def _row(row: Mapping[str, Any]) -> Row:
    teacher, student = (_accuracy(row.get(model)) for model in MODELS)
    difference = numbers.points(row.get("difference"), row.get("difference_ci95"))
    return Row(str(row.get("condition")), teacher, student, difference, str(row.get("settings") or ""))


def _accuracy(figures: Any) -> str:
    found = as_mapping(figures)
    accuracy = found.get("accuracy")
    return f"{percent(accuracy)} {percent_interval(found.get('ci95'))}".strip() if known(accuracy) else DASH


def _points(row: Mapping[str, Any]) -> dict[str, Any]:
    """Condition and accuracies, for the picture."""
    accuracies = {model: as_mapping(row.get(model)).get("accuracy") for model in MODELS}
    return {"name": str(row.get("condition"))} | {model: value for model, value in accuracies.items() if known(value)}
