"""Conditions on the columns of a library, such as "duration<3" or "tag=kick"."""

import re
from collections.abc import Sequence

import numpy as np

from tinyclap.errors import TinyclapError
from tinyclap.library.catalogue import Catalogue

NUMBERS = {  # by what one calls them, the columns
    "duration": "duration_s",
    "rate": "sample_rate",
    "channels": "channels",
    "size": "size_bytes",
    "start": "start_s",
    "end": "end_s",
}
TEXTS = {"name": "name", "path": "path"}
COMPARED = ("<=", ">=", "!=", "<", ">", "=")
ALLOWED = (
    f"{', '.join(NUMBERS)} with <, <=, >, >=, = or !=, e.g. duration<3 (seconds, Hz, bytes); tag=kick or tag!=kick; "
    "name=*kick* or path=*/drums/* (* for anything)"
)


def filtered(catalogue: Catalogue, where: str | Sequence[str] | None) -> np.ndarray | None:
    """The rows for which all conditions hold, int64 and sorted; None without a condition.

    Raises:
        TinyclapError: a text that is no condition.
    """
    conditions = [where] if isinstance(where, str) else list(where or [])
    if not conditions:
        return None
    clauses, values = [], []
    for condition in conditions:
        clause, value = _clause(str(condition))
        clauses.append(clause)
        values.append(value)
    statement = "SELECT row FROM rows JOIN files ON files.id = rows.file WHERE NOT dead AND "
    return catalogue.numbers(f"{statement}{' AND '.join(clauses)} ORDER BY row", values)


def _clause(condition: str) -> tuple[str, str | float]:
    found = re.fullmatch(r"\s*(\w+)\s*(<=|>=|!=|<|>|=)\s*(.+?)\s*", condition)
    column, how, value = found.groups() if found else ("", "", "")
    if column in NUMBERS:
        try:
            return f"{NUMBERS[column]} {how} ?", float(value)
        except ValueError:
            pass
    if how in ("=", "!=") and column == "tag":
        inside = "IN" if how == "=" else "NOT IN"
        return f"files.id {inside} (SELECT file FROM tags WHERE tag = ? COLLATE NOCASE)", value
    if how in ("=", "!=") and column in TEXTS:
        return f"{TEXTS[column]} {'' if how == '=' else 'NOT '}GLOB ?", value
    raise TinyclapError(f"--where {condition!r} is no condition; allowed: {ALLOWED}")
