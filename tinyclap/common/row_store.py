"""Rows computed once and kept: a memory-mapped array in the cache, filled block by block.

A block is marked done after its bytes are written, so a killed run goes on where it stopped and ends with the same
bytes.

Several processes, on several machines too, fill one store in parts of `PART_BLOCKS` blocks: parts are written as files
of their own (whole, with a checksum), and whoever opens the store next gathers them into the array. Nobody else writes
into it, because a network disk may write back whole pages, others' rows among them.
"""

import hashlib
import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from tinyclap.common.arrays import map_array
from tinyclap.common.cache_lock import touch
from tinyclap.common.files import cached_folder, claimed, write_bytes
from tinyclap.common.parallel import prepared_ahead
from tinyclap.common.progress import Progress
from tinyclap.errors import TinyclapError

BLOCK_ROWS = 16
PART_BLOCKS = 32
PARTS, PART = "parts", ".part"  # the folder of a store's parts, and the suffix of one
DIGEST_BYTES = 16
BLOCK = np.dtype([("done", np.uint8), ("rounding_error", np.float32)])


@dataclass(frozen=True)
class Filled:
    """A filled store.

    Attributes:
        rows: the stored array, memory-mapped, read-only.
        folder: where it is kept.
        computed: rows that were computed in this call; 0 when all were stored already.
        rounding_error: largest absolute difference between a computed value and what its stored one stands for.
    """

    rows: np.ndarray
    folder: Path
    computed: int
    rounding_error: float


@dataclass(frozen=True)
class RowStore:
    """Rows to be kept.

    Attributes:
        folder: named by everything that the rows depend on.
        shape: of the array; its first axis is the rows.
        dtype: of the stored values: a float, or an integer of `scale` each.
        compute: a block of rows and what was prepared for it -> float (block, *shape[1:]).
        scale: what one unit of a stored value stands for.
    """

    folder: Path
    shape: tuple[int, ...]
    dtype: type
    compute: Callable[[range, Any], np.ndarray]
    scale: float = 1.0

    def missing(self) -> list[int]:
        """Numbers of the blocks that are not filled; the files are made if they are not there or not whole."""
        if not _is_whole(self.folder, self.shape, np.dtype(self.dtype)):
            shutil.rmtree(self.folder, ignore_errors=True)  # damaged: what lies in the cache can be made again
            with cached_folder(self.folder) as temporary:
                open_memmap(temporary / "rows.npy", "w+", self.dtype, self.shape)
                open_memmap(temporary / "blocks.npy", "w+", BLOCK, (self.n_blocks,))
        self.gather()
        missing: list[int] = np.flatnonzero(np.load(self.folder / "blocks.npy")["done"] == 0).tolist()
        return missing

    def stored(self) -> np.ndarray | None:
        """The array, memory-mapped and read-only, where every row of it is filled; None elsewhere."""
        if not _is_whole(self.folder, self.shape, np.dtype(self.dtype)):
            return None
        if not np.load(self.folder / "blocks.npy")["done"].all():
            return None
        rows: np.ndarray = np.load(self.folder / "rows.npy", mmap_mode="r")
        return rows

    def rows(self, block: int) -> range:
        """The rows of a block."""
        return range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, self.shape[0]))

    def size(self, blocks: Iterable[int]) -> int:
        """Bytes that blocks take on the disk."""
        row = math.prod(self.shape[1:]) * np.dtype(self.dtype).itemsize
        return row * sum(len(self.rows(block)) for block in blocks)

    def put(self, block: int, prepared: Any) -> None:
        """Compute a block and write it."""
        stored, error = self._computed(self.rows(block), prepared)
        _overwrite(self.folder / "rows.npy", self.rows(block).start, stored)
        _overwrite(self.folder / "blocks.npy", block, np.array([(1, error)], BLOCK))

    def _computed(self, rows: range, prepared: Any) -> tuple[np.ndarray, float]:
        """Rows as they are stored, and their largest rounding error."""
        exact = self.compute(rows, prepared)
        units = np.rint(exact / self.scale) if np.issubdtype(self.dtype, np.integer) else exact
        stored: np.ndarray = units.astype(self.dtype)
        return stored, np.abs(exact - stored * np.float32(self.scale)).max()

    # ---- parts

    @property
    def n_blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.shape[0] // BLOCK_ROWS)

    @property
    def n_parts(self) -> int:
        """How many parts there are."""
        return -(-self.n_blocks // PART_BLOCKS)

    def blocks(self, part: int) -> range:
        """The blocks of a part."""
        return range(part * PART_BLOCKS, min((part + 1) * PART_BLOCKS, self.n_blocks))

    def missing_parts(self) -> list[int]:
        """Numbers of the parts that nobody has finished."""
        # Before the blocks: gathering goes from here to there.
        written = {int(path.stem) for path in self._part_files()}
        done = np.load(self.folder / "blocks.npy")["done"] != 0
        return [part for part in range(self.n_parts) if part not in written and not done[self.blocks(part)].all()]

    @contextmanager
    def claim(self, part: int) -> Iterator[bool]:
        """Whether a part is to be made in this block: it is missing, and no other process is in such a block of it."""
        folder = self.folder / PARTS
        folder.mkdir(exist_ok=True)
        lock = folder / f"{part}.lock"
        with ExitStack() as stack:
            try:
                mine = stack.enter_context(claimed(lock)) and not self._has_part(part)
            except FileNotFoundError:  # all was gathered meanwhile
                mine = False
            yield mine
            if mine and self._has_part(part):  # whoever waits for the lock sees the part
                with suppress(OSError):
                    lock.unlink()

    def make_part(self, part: int, prepare: Callable[[range], Any]) -> bytes:
        """Compute a part: what `put_part` takes, also in another process."""
        blocks = self.blocks(part)
        marks, content = np.zeros(len(blocks), BLOCK), bytearray()
        ahead = prepared_ahead(prepare, [self.rows(block) for block in blocks])
        for number, (block, prepared) in enumerate(zip(blocks, ahead, strict=True)):
            stored, error = self._computed(self.rows(block), prepared)
            marks[number] = (1, error)
            content += stored.tobytes()
        whole = marks.tobytes() + bytes(content)
        return _checksum(whole) + whole

    def put_part(self, part: int, content: bytes) -> bool:
        """Write a part as a file of its own, from which `gather` takes it; False where its bytes are not whole."""
        if not self._is_part(part, content):
            return False
        write_bytes(self.folder / PARTS / f"{part}{PART}", content)
        return True

    def fill_part(self, part: int, prepare: Callable[[range], Any]) -> int:
        """Compute a part and write it; returns its number of rows.

        0 where it is there already, or another process is at it.
        """
        with self.claim(part) as mine:
            return self.part_rows(part) if mine and self.put_part(part, self.make_part(part, prepare)) else 0

    def gather(self) -> None:
        """Take finished parts into the array."""
        folder = self.folder / PARTS
        if not folder.is_dir():
            return
        with suppress(FileNotFoundError), claimed(folder / "gather.lock", wait=True):
            for path in self._part_files():
                self._take(int(path.stem), path)
            if np.load(self.folder / "blocks.npy")["done"].all():
                shutil.rmtree(folder, ignore_errors=True)

    def _take(self, part: int, path: Path) -> None:
        """Put a part into the array, and mark its blocks only when its bytes are on the disk."""
        content, blocks = path.read_bytes(), self.blocks(part)
        if self._is_part(part, content):
            marks, rows = content[DIGEST_BYTES:][: len(blocks) * BLOCK.itemsize], content[-self.size(blocks) :]
            shaped: np.ndarray = np.frombuffer(rows, self.dtype).reshape(self.part_rows(part), *self.shape[1:])
            _overwrite(self.folder / "rows.npy", self.rows(blocks.start).start, shaped, sync=True)
            _overwrite(self.folder / "blocks.npy", blocks.start, np.frombuffer(marks, BLOCK), sync=True)
        else:
            warnings.warn(f"{path} is damaged; it is computed anew", stacklevel=2)
        path.unlink(missing_ok=True)

    def _is_part(self, part: int, content: bytes) -> bool:
        """Whether these are a part's bytes, and whole."""
        whole, blocks = content[DIGEST_BYTES:], self.blocks(part)
        size = len(blocks) * BLOCK.itemsize + self.size(blocks)
        return len(whole) == size and _checksum(whole) == content[:DIGEST_BYTES]

    def _has_part(self, part: int) -> bool:
        """Whether a part is finished: a file, or gathered, which is looked at second as gathering goes that way."""
        if (self.folder / PARTS / f"{part}{PART}").exists():
            return True
        blocks = self.blocks(part)
        done = np.load(self.folder / "blocks.npy", mmap_mode="r")["done"][blocks.start : blocks.stop]
        return bool(done.all())

    def _part_files(self) -> list[Path]:
        return sorted(path for path in (self.folder / PARTS).glob(f"*{PART}") if path.stem.isdecimal())

    def part_rows(self, part: int) -> int:
        """How many rows a part has."""
        return sum(len(self.rows(block)) for block in self.blocks(part))


def fill_stores(
    stores: Sequence[RowStore], prepare: Callable[[range], Any], *, progress: str, unit: str = "view"
) -> list[Filled]:
    """Open stores and compute the rows that they lack.

    Args:
        stores: of equally many rows, made from the same things, each of which is then prepared once for all of them.
        prepare: what a block of rows is computed from; runs in a thread of its own, ahead of the computing.
        progress: what the progress bar says.
        unit: what a row is, for the progress bar.

    Raises:
        TinyclapError: the missing rows do not fit on the disk.
    """
    missing = [set(store.missing()) for store in stores]
    needed = sum(store.size(lacking) for store, lacking in zip(stores, missing, strict=True))
    refuse_small_disk(stores[0].folder, needed, progress)
    blocks = sorted(set().union(*missing))
    ahead = prepared_ahead(prepare, [stores[0].rows(block) for block in blocks])
    with Progress(progress, sum(len(stores[0].rows(block)) for block in blocks), unit) as counter:
        for block, prepared in zip(blocks, ahead, strict=True):
            for store, lacking in zip(stores, missing, strict=True):
                if block in lacking:
                    store.put(block, prepared)
            counter.update(len(stores[0].rows(block)))
    return [_filled(store, lacking) for store, lacking in zip(stores, missing, strict=True)]


def _filled(store: RowStore, computed: set[int]) -> Filled:
    store.gather()  # what others made meanwhile
    worst = float(np.load(store.folder / "blocks.npy")["rounding_error"].max())
    rows = np.load(store.folder / "rows.npy", mmap_mode="r")
    return Filled(rows, store.folder, sum(len(store.rows(block)) for block in computed), worst)


def _is_whole(folder: Path, shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether a store is there with all its rows, filled or not."""
    touch(folder)
    try:
        rows, blocks = (map_array(folder / name) for name in ("rows.npy", "blocks.npy"))
    except TinyclapError:
        return False
    return (rows.shape, rows.dtype, blocks.shape, blocks.dtype) == (shape, dtype, (-(-shape[0] // BLOCK_ROWS),), BLOCK)


def refuse_small_disk(folder: Path, needed: int, what: str) -> None:
    """Raise a TinyclapError where so many bytes are not free.

    The file is sparse until it is filled, so a disk that is too small would show only after hours.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise TinyclapError(
            f"{what}: {needed / 1e9:.3g} GB are needed in {folder}, and {free / 1e9:.3g} GB are free; free some space, "
            "set TINYCLAP_CACHE to a folder on a larger disk, or lower views.per_clip"
        )


def _checksum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def _overwrite(path: Path, first: int, rows: np.ndarray, *, sync: bool = False) -> None:
    """Overwrite rows of a .npy file. On a full disk this raises; writing to a memory map would end the process."""
    with path.open("r+b") as stream:
        stream.seek(np.load(path, mmap_mode="r").offset + first * rows[0].nbytes)
        stream.write(rows.tobytes())
        if sync:
            stream.flush()
            os.fsync(stream.fileno())


VERSION = 4
