"""Files that are never seen half written, and where cached work is kept."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def cache_root() -> Path:
    """Folder of everything that can be computed again: `$TINYCLAP_CACHE`, else `~/.cache/tinyclap`."""
    return Path(os.environ.get("TINYCLAP_CACHE") or Path.home() / ".cache" / "tinyclap")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all (temporary file in the same folder, then rename)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(temporary, 0o644)  # mkstemp makes files that nobody else may read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A temporary folder on the same file system as `path`; removed at the end if it still has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    temporary.chmod(0o755)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `path` only if the block ends without an error."""
    with _folder_beside(path) as temporary:
        yield temporary
        if path.exists():  # set aside first, so that a kill in between loses nothing
            former = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-former-"))
            os.replace(path, former / path.name)
            os.replace(temporary, path)
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
