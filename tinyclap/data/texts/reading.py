"""Text files read whole, with one clear message for each way in which they cannot be."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from tinyclap.common.files import refuse_pointer
from tinyclap.errors import TinyclapError, listed


def existing_file(path: str, what: str) -> Path:
    """The file of a path that may begin with ~; raises TinyclapError unless there is one that git-lfs has fetched."""
    file = Path(path).expanduser()
    if file.is_dir():
        raise TinyclapError(f"texts: {file} is a folder; give the file, {what}")
    if not file.is_file():
        raise TinyclapError(f"texts: there is no file {file}; give {what}")
    refuse_pointer(file)
    return file


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Raises:
        TinyclapError: it cannot be read, is in another encoding (with the line), or no text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TinyclapError(f"texts: {path} cannot be read: {error.strerror or error}") from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TinyclapError(f"texts: {path} is in UTF-16; save it as UTF-8")
    if b"\0" in content:
        raise TinyclapError(f"texts: {path} is no text file; give one in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise TinyclapError(f"texts: {path}, line {line}: not UTF-8; save the file as UTF-8") from error


def table_rows(path: Path, delimiter: str = ",") -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The columns of a table and its rows that are not empty, each with its line; what a row lacks is "".

    Raises:
        TinyclapError: as `read_text`; a quote that is never closed, a header that is empty or names a column twice.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), restval="", delimiter=delimiter, strict=True)
    try:
        columns = [column.strip() for column in reader.fieldnames or []]
        reader.fieldnames = columns
        rows = [(reader.line_num, row) for row in reader if any(row.values())]
    except csv.Error as error:
        raise TinyclapError(f"texts: {path}, line {reader.reader.line_num}: {error}") from error
    if not columns or len(set(columns)) < len(columns):
        raise TinyclapError(f"texts: {path}: the first line must name the columns, each once; got {listed(columns)}")
    return columns, rows


def refuse_faults(path: Path, faults: Sequence[tuple[int, str]]) -> None:
    """Raise a TinyclapError that lists what is wrong in which line, unless nothing is."""
    if faults:
        raise TinyclapError(f"texts: {path}: " + listed([f"line {line}: {fault}" for line, fault in faults]))
