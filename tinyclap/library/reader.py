"""The rows of a library that are valid now, and what is known of them."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyclap.errors import TinyclapError
from tinyclap.library import search
from tinyclap.library.answers import Hit
from tinyclap.library.bits import Bits
from tinyclap.library.catalogue import Catalogue, RowRecord
from tinyclap.library.vectors import Vectors

FILTERED = 50  # times as many files are looked for by name where conditions leave some of them out
SPARE_WINDOWS = 8  # windows looked at for each file that is wanted


class State(NamedTuple):
    """What the database says is valid now."""

    version: int
    vectors: Vectors
    dead: np.ndarray
    bits: Bits | None


class Reader:
    """Reads a library; what another process has written since is noticed at the next question.

    Args:
        folder: of the library.
        catalogue: of it.
        codes: how its vectors are stored.
        dim: their dimensions.
        windows: whether a row is a window of a file.
    """

    def __init__(self, folder: Path, catalogue: Catalogue, codes: str, dim: int, windows: bool) -> None:
        self.folder, self.catalogue, self.codes, self.dim, self.windows = folder, catalogue, codes, dim, windows
        self._lock = threading.Lock()
        self._known: State | None = None

    def forget(self) -> None:
        """This process has written: read again what is valid."""
        self._known = None

    def state(self) -> State:
        """What is valid now; read again where another process has written."""
        with self._lock:
            version = self.catalogue.version()
            if self._known is None or self._known.version != version:
                generation, n_rows = int(self.catalogue.meta("generation", 0)), self.catalogue.n_rows()
                vectors = Vectors(self.folder, self.codes, self.dim, generation, n_rows)
                self._known = State(version, vectors, self.catalogue.dead_rows(), Bits.of(self.folder, self.catalogue))
            return self._known

    def record(self, row: int) -> RowRecord:
        state = self.state()
        found = self.catalogue.rows([row]).get(int(row))
        if found is None or row in state.dead:
            raise TinyclapError(f"library {self.folder} has no row {row} that is valid; ask it again")
        return found

    def nearest(
        self, query: np.ndarray, n: int, allowed: np.ndarray | None, *, exact: bool, each: bool
    ) -> tuple[list[int], list[float]]:
        """Rows and cosines, best first; of a file the best row only unless `each`."""
        state = self.state()
        wanted = n if each or not self.windows else n * SPARE_WINDOWS
        bits = None if exact else state.bits
        while True:
            rows, scores = search.nearest(state.vectors, query, wanted, state.dead, allowed, bits)
            if not self.windows or each:
                return rows[:n].tolist(), scores[:n].tolist()
            records = self.catalogue.rows(rows)
            files = [records[int(row)].file for row in rows]
            first = sorted({file: at for at, file in reversed(list(enumerate(files)))}.values())[:n]
            if len(first) == n or len(rows) < wanted:
                return rows[first].tolist(), scores[first].tolist()
            wanted *= 4

    def named_rows(self, text: str, limit: int, allowed: np.ndarray | None, heard: Sequence[int]) -> list[int]:
        """A row of each file that a text names, in the order of the names: the one that was `heard`, else the first."""
        row_of = {record.file: row for row, record in reversed(self.catalogue.rows(heard).items())}
        found = self.catalogue.named(text, limit if allowed is None else FILTERED * limit)
        if allowed is not None:
            kept = set(allowed.tolist())
            found = [(file, row) for file, row in found if row in kept]
        return [row_of.get(file, row) for file, row in found[:limit]]

    def numbers(self) -> np.ndarray:
        """The numbers of the rows that are not dead, int64, in their order."""
        state = self.state()
        return search.live(state.vectors.n_rows, state.dead)

    def listed(self, rows: Sequence[int] | np.ndarray | None) -> list[Hit]:
        """Rows as hits without a score: these, or all that are not dead."""
        if rows is not None:
            return self.hits([int(row) for row in rows], {}, "sound")
        return self.as_hits(self.catalogue.live_rows(), {}, "sound")

    def hits(self, rows: Sequence[int], scores: dict[int, float], by: str | dict[int, str]) -> list[Hit]:
        records = self.catalogue.rows(rows)
        return self.as_hits([records[row] for row in rows if row in records], scores, by)

    def as_hits(self, records: Sequence[RowRecord], scores: dict[int, float], by: str | dict[int, str]) -> list[Hit]:
        tags = self.catalogue.tags([record.file for record in records])
        return [
            Hit(
                record.row,
                Path(record.path),
                scores.get(record.row, float("nan")),
                record.start_s,
                record.end_s,
                record.duration_s,
                record.sample_rate,
                tags.get(record.file, ()),
                by if isinstance(by, str) else by[record.row],
            )
            for record in records
        ]
