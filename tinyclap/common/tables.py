"""Text files and tables read whole, with one clear message for each way in which they cannot be."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyclap.common.files import LFS_POINTER, NOT_FETCHED, parse_json
from tinyclap.errors import TinyclapError, listed

JSON_SUFFIXES = (".jsonl", ".ndjson")
TABLE_SUFFIXES = (".csv", ".tsv", *JSON_SUFFIXES)
Rows = list[tuple[int, dict[str, Any]]]
"""Of a table, each with its line in the file."""
MORE_FIELDS = "more fields than columns; put the text in quotes if it holds a {}"  # comma or tab
BEYOND = "\0"  # the key of what has no column; no file that is read here holds it


def read_text(path: Path, place: str = "") -> str:
    """The text of a file in UTF-8, with or without a byte order mark; `place` begins what is said of it.

    Raises:
        TinyclapError: it cannot be read, git-lfs has not fetched it, it is in another encoding (with the line) or no
            text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TinyclapError(f"{place}{path} cannot be read: {error.strerror or error}") from error
    if content.startswith(LFS_POINTER):
        raise TinyclapError(f"{place}{path}: {NOT_FETCHED}")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TinyclapError(f"{place}{path} is in UTF-16; save it as UTF-8")
    if b"\0" in content:
        raise TinyclapError(f"{place}{path} is no text file; give one in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise TinyclapError(f"{place}{path}, line {line}: not UTF-8; save the file as UTF-8") from error


def read_table(path: Path, place: str = "", *, example: str = '{"caption": ...}') -> tuple[list[str], Rows]:
    """The columns of a .csv, .tsv or .jsonl file and its rows that are not empty.

    Args:
        path: of one of TABLE_SUFFIXES; tables begin with a header, and of JSON each line is an object.
        place: begins what is said of the file.
        example: of such an object.

    Returns:
        What a row of a table lacks is ""; of JSON its values are what they are, and columns all that any row has.

    Raises:
        TinyclapError: as `read_text`; another kind of file, a quote that is never closed, a header that is empty or
            names a column twice, lines of more fields than columns, or that hold no JSON object.
    """
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise TinyclapError(f"{place}{path}: a table ends in {', '.join(TABLE_SUFFIXES)}")
    if suffix in JSON_SUFFIXES:
        return _objects(path, place, example)
    return _fields(path, place, "\t" if suffix == ".tsv" else ",")


def refuse_faults(path: Path, faults: Sequence[tuple[int, str]], place: str = "") -> None:
    """Raise a TinyclapError that lists what is wrong in which line, unless nothing is."""
    if faults:
        raise TinyclapError(f"{place}{path}: " + listed([f"line {line}: {fault}" for line, fault in faults]))


def _fields(path: Path, place: str, delimiter: str) -> tuple[list[str], Rows]:
    text = io.StringIO(read_text(path, place), newline="")
    reader = csv.DictReader(text, restkey=BEYOND, restval="", delimiter=delimiter, strict=True)
    try:
        columns = [column.strip() for column in reader.fieldnames or []]
        reader.fieldnames = columns
        rows: Rows = [(reader.line_num, row) for row in reader if any(row.values())]
    except csv.Error as error:
        raise TinyclapError(f"{place}{path}, line {reader.reader.line_num}: {error}") from error
    if not columns or len(set(columns)) < len(columns):
        raise TinyclapError(f"{place}{path}: the first line must name the columns, each once; got {listed(columns)}")
    # A table program may write empty fields at the end of a line, which say nothing.
    more = [line for line, row in rows if any(row.pop(BEYOND, ()))]
    separator = "tab" if delimiter == "\t" else "comma"
    refuse_faults(path, [(line, MORE_FIELDS.format(separator)) for line in more], place)
    return columns, rows


def _objects(path: Path, place: str, example: str) -> tuple[list[str], Rows]:
    rows: Rows = []
    faults = []
    for line, text in enumerate(read_text(path, place).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            row = parse_json(text)
        except ValueError as error:
            faults.append((line, f"no JSON: {error}"))
            continue
        if isinstance(row, dict):
            rows.append((line, row))
        else:
            faults.append((line, f"expected an object such as {example}, got {text.strip()[:40]}"))
    refuse_faults(path, faults, place)
    return list(dict.fromkeys(key for _, row in rows for key in row)), rows
