"""An evaluation as a report shows it."""

from collections.abc import Mapping
from typing import Any

from tinyclap.reports import tables


def evaluation_tables(entry: Mapping[str, Any], number: int = 1) -> dict[str, Any]:
    """One evaluation with its tables."""
    matrices = {model: tables.confusion(entry, model) for model in entry["models"]}
    return {
        **entry,
        "title": str(entry.get("data") or f"evaluation {number}"),
        "rows": tables.result_rows(entry),
        "warnings": tables.warnings(entry),
        "closeness": tables.closeness_rows(entry),
        "classes": tables.class_rows(entry),
        "matrices": {model: rows for model, rows in matrices.items() if rows},
        "mistakes": {model: tables.mistakes(rows) for model, rows in matrices.items()},
    }
