"""The vectors of a library on disk: one flat file of coded rows, read through a memory map."""

import os
from functools import cached_property
from pathlib import Path

import numpy as np

from tinyclap.embeddings import quantization
from tinyclap.errors import TinyclapError

SUFFIXES = {"float32": "f32", "float16": "f16", "int8": "i8", "binary": "u8"}
KEPT_BYTES = 2**26  # of a small library's decoded rows
ROWS_AT_ONCE = 8192  # decoded at a time


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

    @cached_property
    def coded(self) -> np.ndarray:
        """The rows as they are stored, (n_rows, width), memory-mapped and read-only.

        Raises:
            TinyclapError: fewer rows are on the disk.
        """
        kind = np.dtype("uint8" if self.codes == "binary" else self.codes)
        shape = (self.n_rows, self.row_bytes // kind.itemsize)
        if not self.n_rows:
            return np.empty(shape, kind)
        if self.rows_there < self.n_rows:
            raise TinyclapError(
                f"{self.path} is damaged: it holds {self.rows_there:,} of {self.n_rows:,} rows; copy the library "
                "again, or run `tinyclap index --out LIBRARY`, which embeds the files of the others again"
            )
        return np.memmap(self.path, kind, "r", shape=shape)

    def map(self) -> None:
        """Map the file now: so it stays readable where another process removes it. Errors as `coded`."""
        _ = self.coded

    def read(self, rows: np.ndarray | slice) -> np.ndarray:
        """Rows as unit-norm float32 (N, dim)."""
        return quantization.dequantize(np.asarray(self.coded[rows]), self.codes, self.dim)

    @cached_property
    def _decoded(self) -> np.ndarray | None:
        """All rows, kept in memory where they are few."""
        return self.read(slice(None)) if self.n_rows * self.dim * 4 <= KEPT_BYTES else None

    def write(self, first: int, coded: np.ndarray) -> None:
        """Store coded rows from row `first` on, and wait until the disk has them."""
        with self.path.open("r+b" if self.path.exists() else "w+b") as stream:
            stream.seek(first * self.row_bytes)
            stream.write(np.ascontiguousarray(coded).tobytes())
            stream.flush()
            os.fsync(stream.fileno())

    def cosines(self, query: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Cosine of a unit vector (dim,) with some rows, by default with all, float32 (N,), in bounded memory."""
        if self._decoded is not None and (rows is None or len(rows) > ROWS_AT_ONCE // 8):
            cosines = self._decoded @ query
            return cosines if rows is None else cosines[rows]
        if self.codes == "binary":  # the question is rotated rather than every row
            query = (query @ quantization.rotation(self.dim)) / np.float32(np.sqrt(self.dim))
        n_rows = self.n_rows if rows is None else len(rows)
        found = np.empty(n_rows, np.float32)
        for first in range(0, n_rows, ROWS_AT_ONCE):
            some = slice(first, min(n_rows, first + ROWS_AT_ONCE))
            chosen = some if rows is None else rows[some]
            found[some] = (self._signs(chosen) if self.codes == "binary" else self.read(chosen)) @ query
        return found

    def _signs(self, rows: np.ndarray | slice) -> np.ndarray:
        """Rows of binary codes before they are rotated back: 1 or -1, float32 (N, dim)."""
        return np.unpackbits(np.asarray(self.coded[rows]), axis=1, count=self.dim).astype(np.float32) * 2 - 1
