"""What folders of generated files have in common: their templates, and when they may be replaced."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyclap.errors import TinyclapError


def filled(path: Path, values: Mapping[str, Any] | None = None) -> str:
    """A text file with @NAME@ replaced."""
    text = path.read_text("utf-8")
    for key, value in (values or {}).items():
        text = text.replace(f"@{key}@", str(value))
    return text


def refuse_taken(folder: Path, overwrite: bool, option: str, marker: str, what: str) -> None:
    """Only a folder of such files is ever replaced, and only if asked to.

    Args:
        folder: to be written.
        overwrite: whether it was asked to.
        option: that named it.
        marker: the file by which such a folder is known.
        what: it is that such a folder holds.
    """
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents) or folder.is_mount():
        raise TinyclapError(f"{option} {folder}: it cannot be replaced as a whole; name a folder in it")
    if folder.exists() and not folder.is_dir():
        raise TinyclapError(f"{option} {folder} is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / marker).is_file():
            raise TinyclapError(
                f"{option} {folder} is not empty and holds no {marker}, so it is left alone; name another"
            )
        if not overwrite:
            raise TinyclapError(f"{option} {folder} holds {what}; replace it with --overwrite, or name another")
