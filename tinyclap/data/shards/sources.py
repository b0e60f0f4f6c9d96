"""One shard, read from any place: on the disk, by HTTP range requests, or through fsspec (s3, gs, ...)."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinyclap.common.download import look_up, read_range
from tinyclap.common.files import is_file, refuse_pointer
from tinyclap.common.install import extra_line
from tinyclap.data.shards.addresses import is_remote
from tinyclap.errors import TinyclapError

STORE_FAULTS = (
    ("botocore.exceptions", "BotoCoreError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("gcsfs.retry", "HttpError"),
)
READ_AHEAD_BYTES = 2**22  # of what is not on the disk: clips are read one after the other


class Shard:
    """The bytes of a shard.

    Args:
        address: of it.
        size: bytes.
        stamp: tells one state of the file from another.
        fetch: reads (offset, size).
        ahead: how many bytes are fetched at least, for what is read next.
    """

    def __init__(self, address: str, size: int, stamp: str, fetch: Callable[[int, int], bytes], ahead: int = 0) -> None:
        self.address, self.size, self.stamp = address, size, stamp
        self._fetch, self._ahead = fetch, ahead
        self._first, self._block = 0, b""

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on, fewer at the end of the shard."""
        size = max(0, min(size, self.size - offset))
        if not self._first <= offset <= offset + size <= self._first + len(self._block):
            if size >= self._ahead:
                return self._fetch(offset, size)
            self._block = self._fetch(offset, min(self._ahead, self.size - offset))
            self._first = offset
        start = offset - self._first
        return self._block[start : start + size]


def open_shard(address: str) -> Shard:
    """The shard at an address.

    Raises:
        TinyclapError: it is not there, cannot be read in parts, or needs a package that is not installed.
    """
    if address.startswith(("http://", "https://")):
        file = look_up(address)
        return Shard(
            address, file.size, file.stamp, lambda offset, size: read_range(file, offset, size), READ_AHEAD_BYTES
        )
    return _in_cloud(address) if is_remote(address) else _on_disk(Path(address))


def _on_disk(path: Path) -> Shard:
    if not is_file(path):
        raise TinyclapError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    refuse_pointer(path)

    def fetch(offset: int, size: int) -> bytes:
        try:
            with path.open("rb") as stream:
                stream.seek(offset)
                return stream.read(size)
        except OSError as error:
            raise TinyclapError(f"{path} cannot be read: {error.strerror or error}") from error

    status = path.stat()
    return Shard(str(path), status.st_size, str(status.st_mtime_ns), fetch)


def _faults() -> tuple[type[Exception], ...]:
    """What a store may raise; some kinds' own, of credentials for example, are no OSError."""
    own = (getattr(sys.modules[module], name) for module, name in STORE_FAULTS if module in sys.modules)
    return OSError, ValueError, *own


def _in_cloud(address: str) -> Shard:
    """A shard in a store that fsspec knows."""
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise TinyclapError(f"{address} needs fsspec: {extra_line('cloud')}") from error
    try:
        system, path = fsspec.core.url_to_fs(address)
        told = system.info(path)
        stamp = str(
            next(
                (told[key] for key in ("ETag", "etag", "mtime", "LastModified", "updated", "created") if key in told),
                "",
            )
        )
    except ImportError as error:
        raise TinyclapError(
            f"{address} needs a package that is not installed: {error}; {extra_line('cloud')}"
        ) from error
    except _faults() as error:
        raise TinyclapError(f"{address}: {_reason(error)}") from error

    def fetch(offset: int, size: int) -> bytes:
        try:
            content: bytes = system.cat_file(path, start=offset, end=offset + size)
        except _faults() as error:
            raise TinyclapError(f"{address}: {_reason(error)}; run the command again") from error
        if len(content) < size:
            raise TinyclapError(
                f"{address}: {len(content):,} of {size:,} bytes from byte {offset:,} on arrived; run it again"
            )
        return content

    return Shard(address, int(told["size"]), stamp, fetch, READ_AHEAD_BYTES)


def _reason(error: Exception) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else str(error) or type(error).__name__


class Stream(io.RawIOBase):
    """A shard as an open file, for `tarfile`."""

    def __init__(self, shard: Shard) -> None:
        self._shard, self._place = shard, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._shard.size}[whence]
        self._place = base + offset
        return self._place

    def read(self, size: int = -1) -> bytes:
        content = self._shard.read(self._place, self._shard.size if size < 0 else size)
        self._place += len(content)
        return content

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)
