"""The bytes of a sound as a file, which is what decoders read: a temporary one, the latest of each thread."""

import os
import tempfile
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

_thread = threading.local()


class _File:
    """A temporary file that goes with this object."""

    def __init__(self, name: str, content: bytes) -> None:
        descriptor, path = tempfile.mkstemp(prefix="tinyclap-", suffix=f"-{name}"[-100:])
        self.path = Path(path)
        weakref.finalize(self, _remove, path, os.getpid())
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)


def _remove(path: str, process: int) -> None:
    if os.getpid() == process:  # a forked process has a copy of the object, not of the file
        with suppress(OSError):
            os.unlink(path)


def kept(key: object) -> Path | None:
    """The file that this thread has made for `key`, if it was its latest."""
    latest: tuple[object, Any] = getattr(_thread, "latest", (None, None))
    return latest[1].path if latest[1] is not None and latest[0] == key else None


def keep(key: object, name: str, content: bytes) -> Path:
    """A file with this content, whose name ends in `name`; the thread's one before it is removed."""
    file = _File(name, content)
    _thread.latest = key, file
    return file.path
