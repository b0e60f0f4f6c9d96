"""Conditions on the columns of a library, such as "duration<3" or "tag=kick"."""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

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
TIMES = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}
UNITS = {  # that may stand behind a number, by the column, and how much of its own unit they are
    **dict.fromkeys(("duration", "start", "end"), TIMES),
    "rate": {"hz": 1.0, "khz": 1e3},
    "size": {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9},
}
TEXTS = {"name": "name", "path": "path"}
ALLOWED = (
    f"{', '.join(NUMBERS)} with <, <=, >, >=, = or !=, e.g. duration<3s, rate>=44.1kHz, size<1MB; tag=kick or "
    "tag!=kick; name=*kick* or path=*/drums/* (* for anything)"
)


class Conditions(NamedTuple):
    """A clause of SQL over `rows` and `files`, and the values of its marks."""

    clause: str
    values: list[str | float]


def conditions(where: str | Sequence[str] | None) -> Conditions | None:
    """What must all hold for a row; None without a condition.

    Raises:
        TinyclapError: a text that is no condition.
    """
    found = [_clause(str(condition)) for condition in ([where] if isinstance(where, str) else where or [])]
    clause = " AND ".join(each.clause for each in found)
    return Conditions(clause, [value for each in found for value in each.values]) if found else None


def filtered(catalogue: Catalogue, where: Conditions | None) -> np.ndarray | None:
    """The rows for which conditions hold, int64 and sorted; None without a condition."""
    if where is None:
        return None
    statement = f"SELECT row FROM rows JOIN files ON files.id = rows.file WHERE NOT dead AND {where.clause}"
    return catalogue.numbers(f"{statement} ORDER BY row", where.values)


def _clause(condition: str) -> Conditions:
    found = re.fullmatch(r"\s*(\w+)\s*(<=|>=|!=|<|>|=)\s*(.+?)\s*", condition)
    column, how, value = found.groups() if found else ("", "", "")
    if column in NUMBERS:
        number = re.fullmatch(r"([-+.\deE]*[\d.])\s*([a-zA-Z]*)", value)
        unit = 1.0 if number is None or not number[2] else UNITS.get(column, {}).get(number[2].lower())
        if number is not None and unit is not None:
            with suppress(ValueError):
                return Conditions(f"{NUMBERS[column]} {how} ?", [float(number[1]) * unit])
    if how in ("=", "!=") and column == "tag":
        inside = "IN" if how == "=" else "NOT IN"
        return Conditions(f"files.id {inside} (SELECT file FROM tags WHERE tag = ? COLLATE NOCASE)", [value])
    if how in ("=", "!=") and column in TEXTS:
        glob = f"lower({TEXTS[column]}) GLOB lower(?)"  # of ASCII letters, as NOCASE
        patterns: list[str | float] = [value] if column == "path" else [value, f"*{os.sep}{value}"]
        return Conditions(f"{'' if how == '=' else 'NOT '}({' OR '.join(glob for _ in patterns)})", patterns)
    raise TinyclapError(f"--where {condition!r} is no condition; allowed: {ALLOWED}")
