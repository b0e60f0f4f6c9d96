"""Files that are never seen half written, and where cached work is kept."""

import hashlib
import io
import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyclap.errors import TinyclapError

if TYPE_CHECKING:
    import numpy as np

try:
    import fcntl
except ModuleNotFoundError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


LFS_POINTER = b"version https://git-lfs.github.com/spec/"  # how a file begins that git-lfs has not fetched
LONGEST_PATH, LONGEST_NAME = 4096, 255  # bytes, of Linux; others allow less
PATH_RULE = f"a path of at most {LONGEST_PATH} bytes, names of at most {LONGEST_NAME}, after ~ a user who is here"
DEEPEST = 64  # levels of JSON
LONGEST_INT = 20  # characters: 64 bits and a sign
NOT_FETCHED = "a git-lfs pointer and not the file itself; fetch it with `git lfs pull`"


def cache_root() -> Path:
    """Folder of what can be computed again: `$TINYCLAP_CACHE`, `$XDG_CACHE_HOME/tinyclap` or `~/.cache/tinyclap`."""
    own, everyones = os.environ.get("TINYCLAP_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else Path(everyones or Path.home() / ".cache") / "tinyclap"


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file whole or not at all (temporary file in the same folder, then rename)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, 0o644)  # mkstemp makes files that nobody else may read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Of a file name that is no text, what cannot be written is escaped as JSON and YAML would: \\udcff for the byte 0xff.
    """
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, absent: Any) -> Any:
    """What a JSON file holds, or `absent` if there is no such file.

    Raises:
        TinyclapError: the file is damaged, or holds another type than `absent` has.
    """
    if not path.is_file():
        return absent
    refuse_pointer(path)
    try:
        value = parse_json(path.read_bytes())
    except ValueError as error:
        raise TinyclapError(f"{path} is damaged ({error}); remove it and run the command that made it again") from error
    if not isinstance(value, type(absent)):
        raise TinyclapError(
            f"{path} is damaged (expected {type(absent).__name__}, got {type(value).__name__}); "
            "remove it and run the command that made it again"
        )
    return value


def is_file(path: Path) -> bool:
    """Whether there is such a file; no name is too long to be asked for."""
    try:
        return path.is_file()
    except OSError:
        return False


def can_name_file(text: str) -> bool:
    """Whether a text can be a path, as PATH_RULE says."""
    names = [len(name.encode("utf-8", "surrogatepass")) for name in text.split("/")]
    try:
        Path(text).expanduser()
    except RuntimeError:  # there is no such user
        return False
    return max(names) <= LONGEST_NAME and sum(names) + len(names) <= LONGEST_PATH


def parse_json(text: str | bytes) -> Any:
    """What JSON text says; whole numbers of more than 64 bits are floats, and those beyond floats infinite.

    Raises:
        ValueError: it is no JSON, or nested more deeply than anything that is read here.
    """
    try:
        value = json.loads(text, parse_int=_whole_number)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not _is_shallow(value, DEEPEST):
        raise ValueError("nested too deeply")
    return value


def _whole_number(digits: str) -> float:
    return int(digits) if len(digits) <= LONGEST_INT else float(digits)


def _is_shallow(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_shallow(item, levels - 1) for item in inner if isinstance(item, dict | list))


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A temporary folder on the same file system as `path`; removed at the end if it still has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = f".{path.name}-{platform.node()}-"
    for left in [entry for entry in path.parent.iterdir() if entry.name.startswith(mine)]:
        if not _is_running(left.name.removeprefix(mine).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)  # by a process that was killed
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{mine}{os.getpid()}-"))
    temporary.chmod(0o755)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_running(process: str) -> bool:
    """Whether this machine has such a process, by its number; True when in doubt."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError):
        return True
    return True


@contextmanager
def only_one(path: Path, refusal: str) -> Iterator[None]:
    """Raise a TinyclapError with this text while another process is in such a block; a kill frees it."""
    with claimed(path) as mine:
        if not mine:
            raise TinyclapError(refusal)
        yield


@contextmanager
def claimed(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Whether no other process is in such a block, which a kill frees; with `wait`, once that is so."""
    with path.open("w") as lock:
        mine = True
        if fcntl is not None:  # elsewhere than on POSIX nobody is kept out
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                mine = False
        yield mine


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `path` only if the block ends without an error."""
    with _folder_beside(path) as temporary:
        yield temporary
        if path.exists():  # set aside first, so that a kill in between loses nothing
            former = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-former-"))
            try:
                os.replace(path, former / path.name)
                try:
                    os.replace(temporary, path)
                except OSError:
                    os.replace(former / path.name, path)
                    raise
            finally:
                shutil.rmtree(former)
        else:
            os.replace(temporary, path)


@contextmanager
def cached_folder(path: Path) -> Iterator[Path]:
    """As `whole_folder`, for content that its name decides: where another process was faster, its folder stays."""
    with _folder_beside(path) as temporary:
        yield temporary
        try:
            temporary.rename(path)  # fails if there is a folder that is not empty
        except OSError:
            if not path.is_dir():
                raise


def write_array(path: Path, array: "np.ndarray") -> None:
    """Write a .npy file whole or not at all."""
    import numpy as np  # not at the top: the command line reads files before it needs arrays

    content = io.BytesIO()  # written to a file of its own, np.save may not notice a full disk
    np.save(content, array)
    write_bytes(path, content.getbuffer())


def sha256_of(path: Path) -> str:
    """Hexadecimal hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def refuse_pointer(path: Path) -> None:
    """Raise a TinyclapError for a file that git-lfs has not fetched."""
    if is_pointer(path):
        raise TinyclapError(f"{path}: {NOT_FETCHED}")


def is_pointer(path: Path) -> bool:
    """Whether git-lfs has not fetched a file: it holds a few lines that say where its content lies."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(LFS_POINTER)) == LFS_POINTER


def refuse_odd_name(path: Path) -> None:
    """Raise a TinyclapError for a path that is not valid UTF-8, which libraries of models cannot open."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise TinyclapError(f"{path}: its name is not valid UTF-8; rename it, or choose another one") from error


def as_text(name: str) -> str:
    """A file's name as text, even where it is not valid UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def as_name(text: str) -> str:
    """The file's name of which `as_text` made a text."""
    return re.sub(r"\\u(dc[89a-f][0-9a-f])", lambda found: chr(int(found[1], 16)), text)
