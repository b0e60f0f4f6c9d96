"""A list of audio files as CSV (with a header) or JSONL: one row per clip.

| column  |                                                                                      |
| path    | required; relative to the root, "/"-separated                                        |
| label   | class name                                                                           |
| caption | text, in JSONL also a list of texts                                                  |
| fold    | whole number                                                                         |
| split   | text, e.g. train or test                                                             |
| source  | the recording that the clip was cut from; confidence intervals are clustered by it   |

All but `path` are optional, empty means unknown, further columns are ignored.
"""

import csv
import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from tinyclap.common.files import is_file, parse_json, refuse_pointer
from tinyclap.common.tables import BEYOND, MORE_FIELDS
from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.folder import check_folder
from tinyclap.errors import TinyclapError

COLUMNS = ("path", "label", "caption", "fold", "split", "source")
MAX_ERRORS = 20
SPELLING = 0.8  # similarity above which an unknown column is taken for a misspelt one
JSON_SUFFIXES = (".jsonl", ".ndjson")
Row = dict[str, Any]


def manifest(path: Path | str, root: Path | str | None = None) -> Dataset:
    """The clips listed in a CSV or JSONL file; `root` (default: the list's folder) is where their paths begin.

    Raises TinyclapError with every faulty line at once: unreadable rows, missing files, a path listed twice, values of
    the wrong kind, misspelt columns.
    """
    path = Path(path)
    root = path.parent if root is None else Path(root)
    if not path.is_file():
        raise TinyclapError(f"no manifest {path.absolute()}: give a .csv or .jsonl file")
    if path.suffix.lower() not in (".csv", *JSON_SUFFIXES):
        raise TinyclapError(f"{path}: a manifest ends in .csv, {' or '.join(JSON_SUFFIXES)}")
    check_folder(root)
    errors: list[str] = []
    lines: dict[str, int] = {}  # where each clip name was first seen
    clips = []
    for line, row in _rows(path, errors):
        clip = _clip(row, root, problems := [])
        if clip.name in lines:
            problems.append(
                f"{clip.name} is listed in line {lines[clip.name]} already; several captions of one clip go into one "
                "JSONL row, as a list"
            )
        lines.setdefault(clip.name, line)
        errors += [f"line {line}: {problem}" for problem in problems]
        clips.append(clip)
    if errors:
        more = [f"... and {len(errors) - MAX_ERRORS} more"] if len(errors) > MAX_ERRORS else []
        raise TinyclapError(
            "\n  ".join([f"{path}, clips looked for in {root.absolute()}:", *errors[:MAX_ERRORS], *more])
        )
    return Dataset(path.stem, clips)


def _rows(path: Path, errors: list[str]) -> Iterator[tuple[int, Row]]:
    """(line number, row) of every row that can be parsed; what is wrong with the others and the columns is an error."""
    columns: set[str] = set()
    parse = _csv_rows if path.suffix.lower() == ".csv" else _json_rows
    refuse_pointer(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, row in parse(file, columns, errors):
                if "path" in columns:
                    yield line, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TinyclapError(f"{path} cannot be read: {error}") from error
    if "path" not in columns:
        errors.insert(0, f"no column path; the columns are {', '.join(sorted(columns)) or '(none)'}")
    for wanted in COLUMNS:
        for given in difflib.get_close_matches(wanted, sorted(columns - set(COLUMNS)), cutoff=SPELLING):
            if wanted not in columns:
                errors.insert(0, f"column {given}: did you mean {wanted}?")


def _csv_rows(file: TextIO, columns: set[str], errors: list[str]) -> Iterator[tuple[int, Row]]:
    reader = csv.DictReader(file, restkey=BEYOND)
    columns.update(reader.fieldnames or [])
    for row in reader:
        if any(row.pop(BEYOND, ())):  # empty fields at the end say nothing
            errors.append(f"line {reader.line_num}: {MORE_FIELDS.format('comma')}")
        else:
            yield reader.line_num, row


def _json_rows(file: TextIO, columns: set[str], errors: list[str]) -> Iterator[tuple[int, Row]]:
    for line, text in enumerate(file, start=1):
        row = _json_row(text, line, errors)
        columns.update(row)
        if row:
            yield line, row


def _json_row(text: str, line: int, errors: list[str]) -> Row:
    if not text.strip():
        return {}
    try:
        row = parse_json(text)
    except json.JSONDecodeError as error:
        errors.append(f"line {line}: not JSON: {error.msg} at column {error.colno}")
        return {}
    except ValueError as error:
        errors.append(f"line {line}: {error}")
        return {}
    if not isinstance(row, dict):
        errors.append(f'line {line}: expected an object such as {{"path": ...}}, got {text.strip()[:40]}')
        return {}
    return row


def _clip(row: Row, root: Path, problems: list[str]) -> Clip:
    given = _text(row, "path", problems)
    file = root / (given or "")
    if given is None:
        problems.append("no path")
    elif not is_file(file):
        problems.append(f"no file {given}")
    return Clip(
        name=file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix(),
        label=_text(row, "label", problems),
        captions=_captions(row, problems),
        fold=_fold(row, problems),
        split=_text(row, "split", problems),
        source=_text(row, "source", problems),
        path=file,
    )


def _text(row: Row, key: str, problems: list[str]) -> str | None:
    """The field as text, None where it is empty; a number is a fine label."""
    value = row.get(key)
    if value is None or isinstance(value, str):
        return (value or "").strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        problems.append(f"{key} must be text, got {value!r}")
    return str(value)


def _captions(row: Row, problems: list[str]) -> tuple[str, ...]:
    value = row.get("caption")
    captions = value if isinstance(value, list) else [value]
    if not all(caption is None or isinstance(caption, str) for caption in captions):
        problems.append(f"caption must be text or a list of texts, got {value!r}")
        return ()
    return tuple(caption.strip() for caption in captions if caption and caption.strip())


def _fold(row: Row, problems: list[str]) -> int | None:
    text = _text(row, "fold", problems)
    if text is None:
        return None
    whole = text.removesuffix(".0")  # a table program writes 1.0 where some rows have no fold
    if not whole.isdecimal():
        problems.append(f"fold must be a whole number, got {text}")
        return None
    return int(whole)
