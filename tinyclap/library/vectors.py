"""The vectors of a library on disk: one flat file of coded rows.

A small file is mapped into memory. Of a large one the rows that are asked for are read: through a map, rows that lie
far apart would keep all of it in memory, since the system maps what lies around each of them too.
"""

import os
import weakref
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from tinyclap.embeddings import quantization
from tinyclap.errors import MachineError, TinyclapError

SUFFIXES = {"float32": "f32", "float16": "f16", "int8": "i8", "binary": "u8"}
KEPT_BYTES = 2**26  # of a small library's decoded rows
MAPPED_BYTES = 2**28  # of the largest file that is mapped, which answers a little sooner
ROWS_AT_ONCE = 8192  # read at a time where they lie together
SCATTERED_AT_ONCE = 512  # where they do not, so that they stay in the processor's cache


class Vectors:
    """Rows 0 to `n_rows` of a flat file; what lies behind them was left by a process that was killed.

    Args:
        folder: of the library.
        codes: how a row is stored, one of `quantization.DTYPES`.
        dim: dimensions of an embedding.
        generation: a number in the file's name, another one after every compaction.
        n_rows: that are valid.
    """

    def __init__(self, folder: Path, codes: str, dim: int, generation: int, n_rows: int) -> None:
        self.path = folder / f"vectors-{generation}.{SUFFIXES[codes]}"
        self.codes, self.dim, self.n_rows = codes, dim, n_rows
        self.row_bytes = quantization.bytes_per_clip(codes, dim)

    @property
    def rows_there(self) -> int:
        """Whole rows that the file holds, at most `n_rows`; fewer where it is damaged."""
        size = self.path.stat().st_size if self.path.is_file() else 0
        return min(self.n_rows, size // self.row_bytes)

    def map(self) -> None:
        """Open the file now: so it stays readable where another process removes it.

        Raises:
            TinyclapError: fewer rows are on the disk.
        """
        _ = self._mapped, self._descriptor

    @cached_property
    def _descriptor(self) -> int | None:
        """Of the open file, if it is a large one, which is read and not mapped."""
        if self.n_rows * self.row_bytes < MAPPED_BYTES or not hasattr(os, "pread"):  # Windows has none
            return None
        self._refuse_short(self.rows_there)
        descriptor = os.open(self.path, os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        return descriptor

    @cached_property
    def _mapped(self) -> np.ndarray:
        """The rows as they are stored, (n_rows, width), memory-mapped and read-only; none of a large file."""
        kind = np.dtype("uint8" if self.codes == "binary" else self.codes)
        n_rows = self.n_rows if self._descriptor is None else 0
        shape = (n_rows, self.row_bytes // kind.itemsize)
        if not n_rows:
            return np.empty(shape, kind)
        self._refuse_short(self.rows_there)
        return np.memmap(self.path, kind, "r", shape=shape)

    def _refuse_short(self, there: int) -> None:
        if there < self.n_rows:
            raise TinyclapError(
                f"{self.path} is damaged: it holds {there:,} of {self.n_rows:,} rows; copy the library again, or run "
                "`tinyclap index --out LIBRARY`, which embeds the files of the others again"
            )

    def coded(self, rows: np.ndarray | slice) -> np.ndarray:
        """A copy of some rows as they are stored, (N, width); errors as `map`."""
        if self._descriptor is None:
            return np.array(self._mapped[rows])
        count = len(range(*rows.indices(self.n_rows))) if isinstance(rows, slice) else len(rows)
        found = np.empty((count, self._mapped.shape[1]), self._mapped.dtype)
        for some, places in self._pieces(rows):
            if isinstance(some, slice):
                spans = [((some.stop - some.start) * self.row_bytes, some.start * self.row_bytes)]
            else:
                spans = [(self.row_bytes, place) for place in (some * self.row_bytes).tolist()]
            content = b"".join([os.pread(self._descriptor, *span) for span in spans])
            if len(content) < found[places].nbytes:
                self._refuse_short(self.rows_there)
            found[places] = np.frombuffer(content, found.dtype).reshape(-1, found.shape[1])
        return found

    def read(self, rows: np.ndarray | slice) -> np.ndarray:
        """Rows as unit-norm float32 (N, dim); errors as `map`."""
        return quantization.dequantize(self.coded(rows), self.codes, self.dim)

    def _pieces(self, rows: np.ndarray | slice) -> Iterator[tuple[np.ndarray | slice, slice]]:
        """Rows, some at a time, and their places among all that are asked for."""
        if isinstance(rows, slice):
            first, last, _ = rows.indices(self.n_rows)
            for at in range(first, last, ROWS_AT_ONCE):
                end = min(last, at + ROWS_AT_ONCE)
                yield slice(at, end), slice(at - first, end - first)
        else:
            for at in range(0, len(rows), SCATTERED_AT_ONCE):
                yield rows[at : at + SCATTERED_AT_ONCE], slice(at, min(len(rows), at + SCATTERED_AT_ONCE))

    @cached_property
    def _decoded(self) -> np.ndarray | None:
        """All rows, kept in memory where they are few."""
        return self.read(slice(None)) if self.n_rows * self.dim * 4 <= KEPT_BYTES else None

    def write(self, first: int, coded: np.ndarray) -> None:
        """Store coded rows from row `first` on, and wait until the disk has them.

        Raises:
            MachineError: the disk is full, say; the rows before `first` stay.
        """
        try:
            with self.path.open("r+b" if self.path.exists() else "w+b") as stream:
                stream.seek(first * self.row_bytes)
                stream.write(np.ascontiguousarray(coded).tobytes())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise MachineError(
                f"{self.path} cannot be written: {error.strerror}; what was indexed before is kept: free some space, "
                "or let it be written, and run it again"
            ) from error

    def cosines(self, query: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Cosine of a unit vector (dim,) with some rows, by default with all, float32 (N,), in bounded memory."""
        if self._decoded is not None and (rows is None or len(rows) > ROWS_AT_ONCE // 8):
            cosines = self._decoded @ query
            return cosines if rows is None else cosines[rows]
        if self.codes == "binary":  # the question is rotated rather than every row
            query = (query @ quantization.rotation(self.dim)) / np.float32(np.sqrt(self.dim))
        found = np.empty(self.n_rows if rows is None else len(rows), np.float32)
        for some, places in self._pieces(slice(None) if rows is None else rows):
            found[places] = self._products(some, query)
        return found

    def _products(self, rows: np.ndarray | slice, query: np.ndarray) -> np.ndarray:
        """Cosines of a few rows with a vector, which is rotated for binary codes; a third of the time of `read`."""
        if self.codes == "binary":  # 1 or -1, before they are rotated back
            signs = np.unpackbits(self.coded(rows), axis=1, count=self.dim).astype(np.float32) * 2 - 1
            return np.asarray(signs @ query)
        stored = self.coded(rows).astype(np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", stored, stored))
        return np.asarray(stored @ query / np.maximum(norms, 1e-12))
