"""Rows computed once and kept: a memory-mapped array in the cache, filled block by block.

A block is marked done after its bytes are written, so a killed run goes on where it stopped and ends with the same
bytes.
"""

import io
import math
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from tinyclap.errors import TinyclapError
from tinyclap.files import cached_folder, write_bytes
from tinyclap.progress import Progress

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


def fill(
    folder: Path,
    shape: tuple[int, ...],
    dtype: type,
    prepare: Callable[[range], Any],
    compute: Callable[[range, Any], np.ndarray],
    *,
    scale: float = 1.0,
    progress: str,
) -> Filled:
    """Open a store and compute the rows that it lacks.

    Args:
        folder: named by everything that the rows depend on.
        shape: of the array; its first axis is the rows.
        dtype: of the stored values: a float, or an integer of `scale` each.
        prepare: what a block of rows is computed from; runs in a thread of its own, ahead of `compute`.
        compute: a block of rows and what was prepared for it -> float (block, *shape[1:]).
        scale: what one unit of a stored value stands for.
        progress: what the progress bar says.

    Raises:
        TinyclapError: the missing rows do not fit on the disk.
    """
    if not _is_whole(folder, shape, np.dtype(dtype)):
        shutil.rmtree(folder, ignore_errors=True)  # damaged: what lies in the cache can be made again
        with cached_folder(folder) as temporary:
            open_memmap(temporary / "rows.npy", "w+", dtype, shape)
            open_memmap(temporary / "blocks.npy", "w+", BLOCK, (-(-shape[0] // BLOCK_ROWS),))
    missing = np.flatnonzero(np.load(folder / "blocks.npy")["done"] == 0).tolist()
    blocks = [range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, shape[0])) for block in missing]
    _refuse_small_disk(folder, sum(map(len, blocks)) * math.prod(shape[1:]) * np.dtype(dtype).itemsize, progress)
    ahead = prepared_ahead(prepare, blocks)
    with Progress(progress, sum(map(len, blocks)), "view") as counter:
        for block, rows, prepared in zip(missing, blocks, ahead, strict=True):
            exact = compute(rows, prepared)
            stored: np.ndarray = (np.rint(exact / scale) if np.issubdtype(dtype, np.integer) else exact).astype(dtype)
            error = np.abs(exact - stored * np.float32(scale)).max()
            _overwrite(folder / "rows.npy", rows.start, stored)
            _overwrite(folder / "blocks.npy", block, np.array([(1, error)], BLOCK))
            counter.update(len(rows))
    worst = float(np.load(folder / "blocks.npy")["rounding_error"].max())
    return Filled(np.load(folder / "rows.npy", mmap_mode="r"), folder, sum(map(len, blocks)), worst)


def prepared_ahead(prepare: Callable[[Any], Any], items: Iterable[Any], workers: int = 1) -> Iterator[Any]:
    """`prepare(item)` for every item, in order, made by threads while those before it are used."""
    futures: deque[Future[Any]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            futures.append(pool.submit(prepare, item))
            if len(futures) > workers:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for what is being made, not for what is queued


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file whole or not at all."""
    content = io.BytesIO()  # written to a file of its own, np.save may not notice a full disk
    np.save(content, array)
    write_bytes(path, content.getbuffer())


def _is_whole(folder: Path, shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether a store is there with all its rows, filled or not."""
    try:
        rows, blocks = (np.load(folder / name, mmap_mode="r") for name in ("rows.npy", "blocks.npy"))
    except (OSError, ValueError, EOFError):
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
