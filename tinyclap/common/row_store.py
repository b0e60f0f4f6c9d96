"""Rows computed once and kept: a memory-mapped array in the cache, filled block by block.

A block is marked done after its bytes are written, so a killed run goes on where it stopped and ends with the same
bytes.
"""

import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from tinyclap.common.arrays import map_array
from tinyclap.common.cache_lock import touch
from tinyclap.common.files import cached_folder
from tinyclap.common.parallel import prepared_ahead
from tinyclap.common.progress import Progress
from tinyclap.errors import TinyclapError

BLOCK_ROWS = 16
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
                open_memmap(temporary / "blocks.npy", "w+", BLOCK, (-(-self.shape[0] // BLOCK_ROWS),))
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
        rows = self.rows(block)
        exact = self.compute(rows, prepared)
        units = np.rint(exact / self.scale) if np.issubdtype(self.dtype, np.integer) else exact
        stored: np.ndarray = units.astype(self.dtype)
        error = np.abs(exact - stored * np.float32(self.scale)).max()
        _overwrite(self.folder / "rows.npy", rows.start, stored)
        _overwrite(self.folder / "blocks.npy", block, np.array([(1, error)], BLOCK))


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
    _refuse_small_disk(stores[0].folder, needed, progress)
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


def _refuse_small_disk(folder: Path, needed: int, what: str) -> None:
    """The file is sparse until it is filled, so a disk that is too small would show only after hours."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise TinyclapError(
            f"{what}: {needed / 1e9:.3g} GB are needed in {folder}, and {free / 1e9:.3g} GB are free; free some space, "
            "set TINYCLAP_CACHE to a folder on a larger disk, or lower views.per_clip"
        )


def _overwrite(path: Path, first: int, rows: np.ndarray) -> None:
    """Overwrite rows of a .npy file. On a full disk this raises; writing to a memory map would end the process."""
    with path.open("r+b") as stream:
        stream.seek(np.load(path, mmap_mode="r").offset + first * rows[0].nbytes)
        stream.write(rows.tobytes())


VERSION = 4
