"""Files of texts, of which every message begins with "texts:"."""

from collections.abc import Sequence
from pathlib import Path

from tinyclap.common import tables
from tinyclap.common.files import refuse_pointer
from tinyclap.errors import TinyclapError

PLACE = "texts: "


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
    """As `common.tables.read_text`."""
    return tables.read_text(path, PLACE)


def read_table(path: Path) -> tuple[list[str], tables.Rows]:
    """As `common.tables.read_table`."""
    return tables.read_table(path, PLACE)


def refuse_faults(path: Path, faults: Sequence[tuple[int, str]]) -> None:
    """As `common.tables.refuse_faults`."""
    tables.refuse_faults(path, faults, PLACE)
