"""Files found by the words of their names: SQLite's full-text search or, where it has none, parts of words."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyclap.embeddings.zero_shot import clean_label

if TYPE_CHECKING:
    from tinyclap.library.catalogue import Catalogue
    from tinyclap.library.where import Conditions

TABLE = "CREATE VIRTUAL TABLE names USING fts5(words, tokenize = 'porter unicode61')"
PLAIN_TABLE = "CREATE TABLE names (rowid INTEGER PRIMARY KEY, words TEXT)"
SUFFIXES = ("", *("." + "_" * length for length in range(1, 6)))  # of names, for LIKE


def put(catalogue: "Catalogue", file: int, name: str) -> None:
    """Note the words under which a file is found by name."""
    catalogue.run("DELETE FROM names WHERE rowid = ?", (file,))
    catalogue.run("INSERT INTO names (rowid, words) VALUES (?, ?)", (file, clean_label(name)))


def named(
    catalogue: "Catalogue", text: str, limit: int, where: "Conditions | None" = None, *, begun: bool = False
) -> list[tuple[int, int]]:
    """File and first row of files whose names have all the words of a text, best first.

    Those whose name is the text itself, with or without its suffix, stand before all others; then BM25.

    Args:
        catalogue: of a library.
        text: words.
        limit: of files.
        where: conditions that must hold for the rows.
        begun: after these also names whose words only begin so, "sword" for swordman.
    """
    asked, words = clean_label(text), re.findall(r"\w+", clean_label(text))
    if not words:
        return []
    if not catalogue.run("SELECT 1 FROM sqlite_master WHERE name = 'names_config'"):  # without full-text search
        condition, order = " AND ".join("words LIKE ?" for _ in words), "length(words)"
        return _best(catalogue, asked, condition, order, [f"%{word}%" for word in words], limit, where)
    condition, order = "names MATCH ?", "bm25(names)"
    quoted = [f'"{word}"' for word in words]
    found = _best(catalogue, asked, condition, order, [" ".join(quoted)], limit, where)
    if begun and len(found) < limit:
        beginnings = " ".join(f"{word}*" for word in quoted)
        more = _best(catalogue, asked, condition, order, [beginnings], limit, where)
        found = list(dict.fromkeys([*found, *more]))[:limit]
    return found


def _best(
    catalogue: "Catalogue",
    asked: str,
    condition: str,
    order: str,
    sought: list[Any],
    limit: int,
    where: "Conditions | None",
) -> list[tuple[int, int]]:
    """Files and first rows that fulfil a condition, in an order, the name itself first."""
    rows, values = ("NOT dead", []) if where is None else (f"NOT dead AND {where.clause}", where.values)
    statement = (
        f"SELECT files.id, files.name, (SELECT min(row) FROM rows WHERE file = files.id AND {rows}) AS first "
        f"FROM names JOIN files ON files.id = names.rowid WHERE {condition} {{}} "
        f"AND NOT gone AND reason IS NULL AND first IS NOT NULL ORDER BY {order} LIMIT ?"
    )
    found = catalogue.run(statement.format(""), (*values, *sought, limit))
    if len(found) == limit:  # the name itself may be among those that were cut off
        ends = " OR ".join("words LIKE ?" for _ in SUFFIXES)
        values = [*values, *sought, *(f"%{asked}{suffix}" for suffix in SUFFIXES), asked, limit]
        found = catalogue.run(statement.format(f"AND ({ends}) AND is_own_name(files.name, ?)"), values) + found
    exact = {number: (not is_own_name(name, asked), row) for number, name, row in found}
    return [(number, row) for number, (_, row) in sorted(exact.items(), key=lambda entry: entry[1][0])][:limit]


def is_own_name(name: str, asked: str) -> bool:
    """Whether the last part of a name, with or without its suffix, is what was asked for, a clean label."""
    own = Path(name)
    return asked in (clean_label(own.name), clean_label(own.stem))
