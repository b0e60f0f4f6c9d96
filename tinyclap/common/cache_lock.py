"""The folders of the cache, and who uses them: a process that takes one keeps others from clearing it until it ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tinyclap.common.files import cache_root, claimed, only_one
from tinyclap.errors import TinyclapError

try:
    import fcntl
except ModuleNotFoundError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

LOCKS = "locks"
IN_USE = "cache"  # the lock that all users of the cache share
_used: dict[Path, int] = {}  # the cache that this process uses, and the file descriptor that holds the lock


def cache_folder(kind: str) -> Path:
    """The folder of one kind of cached work; raises as `use_cache` does."""
    use_cache()
    return cache_root() / kind


def use_cache() -> None:
    """From now on this process uses the cache, and nobody else clears it.

    Raises:
        TinyclapError: another process is clearing it.
    """
    root = cache_root()
    if fcntl is None or root in _used:
        return
    _leave()
    with suppress(OSError):  # a cache that may only be read, or has no locks, as on some network disks
        _used[root] = _shared_lock(root)


def touch(folder: Path) -> None:
    """Note that something in the cache was used now."""
    with suppress(OSError):  # not there, or may only be read
        os.utime(folder)


@contextmanager
def one_at_a_time(work: str) -> Iterator[None]:
    """Wait while another process is in such a block with the same `work`, a word that can name a file."""
    root = cache_root()
    with claimed(_lock_file(root).with_name(work), wait=True):
        yield


@contextmanager
def cache_to_oneself() -> Iterator[None]:
    """A cache that no other process uses meanwhile.

    Raises:
        TinyclapError: another process of this machine uses it.
    """
    _leave()
    root = cache_root()
    refusal = f"the cache {root} is in use by another tinyclap, so nothing is removed; wait for it to end"
    with only_one(_lock_file(root), refusal):
        yield


def _leave() -> None:
    """This process uses no cache any more."""
    while _used:
        os.close(_used.popitem()[1])


def _lock_file(root: Path) -> Path:
    folder = root / LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    return folder / IN_USE


def _shared_lock(root: Path) -> int:
    """The descriptor of a lock that ends with this process."""
    descriptor = os.open(_lock_file(root), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise TinyclapError(f"another tinyclap is clearing the cache {root}; run the command again") from error
    return descriptor
