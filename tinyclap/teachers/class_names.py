"""The names of a tagger's classes: AudioSet's, or those that a file lists."""

import csv
from importlib import resources
from pathlib import Path

from tinyclap.common.files import parse_json
from tinyclap.errors import TinyclapError, listed

TABLE = resources.files("tinyclap") / "assets" / "audioset_classes.csv"
AUDIOSET_CLASSES: tuple[str, ...] = tuple(
    row["name"] for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines())
)
"""AudioSet's 527, in the order of its taggers (Gemmeke et al., ICASSP 2017; CC BY-SA 4.0)."""


def read_classes(path: Path) -> tuple[str, ...]:
    """Names of classes in the order of a tagger's outputs: a JSON list, a CSV file with a column `name` or
    `display_name` (sorted by `index` where it has one), or a line each.

    Raises:
        TinyclapError: no such file, nothing in it, or a name twice.
    """
    if not path.is_file():
        raise TinyclapError(f"teacher.classes: there is no file {path}")
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".json":
        names = _json_names(text, path)
    elif path.suffix == ".csv":
        names = _csv_names(text, path)
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        raise TinyclapError(f"teacher.classes: {path} " + (f"names {listed(twice)} twice" if twice else "is empty"))
    return tuple(names)


def _json_names(text: str, path: Path) -> list[str]:
    try:
        names = parse_json(text)
    except ValueError as error:
        raise TinyclapError(f"teacher.classes: {path} is damaged ({error})") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TinyclapError(f"teacher.classes: {path} must hold a JSON list of texts")
    return names


def _csv_names(text: str, path: Path) -> list[str]:
    rows = list(csv.DictReader(text.splitlines()))
    columns = list(rows[0]) if rows else []
    column = next((name for name in ("name", "display_name") if name in columns), None)
    if column is None:
        raise TinyclapError(
            f"teacher.classes: {path} has the columns {', '.join(columns)}; expected name or display_name"
        )
    if "index" in columns:
        try:
            rows.sort(key=lambda row: int(row["index"]))
        except (TypeError, ValueError) as error:
            raise TinyclapError(f"teacher.classes: {path}: an index is no whole number") from error
    return [row[column] for row in rows]
