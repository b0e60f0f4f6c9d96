"""Text files read whole, with one clear message for each way in which they cannot be."""

from pathlib import Path

from tinyclap.common.files import refuse_pointer
from tinyclap.errors import TinyclapError


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
