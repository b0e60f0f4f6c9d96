"""The rows of a library that are valid now, what is known of them, and which are nearest.

A question is several reads, and a compaction between two of them numbers the rows anew: so what they give counts only
where nobody has written meanwhile, else it is asked again. A transaction around them would say the same, but keep every
other process from writing while vectors are compared; it is the last resort. Files of vectors and bits are mapped in
one, and stay readable where they are removed later.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from tinyclap.errors import TinyclapError
from tinyclap.library import names as file_names
from tinyclap.library import search
from tinyclap.library.answers import CONDITION, Hit
from tinyclap.library.bits import Bits
from tinyclap.library.catalogue import Catalogue, RowRecord
from tinyclap.library.query import fused
from tinyclap.library.vectors import Vectors
from tinyclap.library.where import Conditions, filtered

DEEP = 40  # places of the two orders that are fused, at least
SPARE_WINDOWS = 8  # windows looked at for each file that is wanted
FREE_TRIES = 3  # of a question, before other processes have to wait for its end
Answer = TypeVar("Answer")


class State(NamedTuple):
    """What the database says is valid now."""

    stamp: tuple[int, int]
    vectors: Vectors
    dead: np.ndarray
    bits: Bits | None


class Reader:
    """Reads a library; what was written since is noticed at the next question.

    Args:
        folder: of the library.
        catalogue: of it.
        codes: how its vectors are stored.
        dim: their dimensions.
        windows: whether a row is a window of a file.
    """

    def __init__(self, folder: Path, catalogue: Catalogue, codes: str, dim: int, windows: bool) -> None:
        self.folder, self.catalogue, self.codes, self.dim, self.windows = folder, catalogue, codes, dim, windows
        self._known: State | None = None

    def forget(self) -> None:
        """This process has written: read again what is valid."""
        self._known = None

    def state(self) -> State:
        """What is valid now; read again where another process has written.

        Raises:
            TinyclapError: the library was made anew since it was opened, or it is damaged.
        """
        with self.catalogue.reading():
            stamp, known = self.catalogue.stamp(), self._known
            if known is None or known.stamp != stamp:
                if not self.catalogue.is_there():
                    raise TinyclapError(f"library {self.folder} was made anew since it was opened; open it again")
                vectors = self.vectors()
                known = State(stamp, vectors, self.catalogue.dead_rows(), Bits.of(self.folder, self.catalogue))
                vectors.map()
                self._known = known
            return known

    def vectors(self) -> Vectors:
        """Those that the database says are valid, whether or not the disk holds them all."""
        generation, n_rows = int(self.catalogue.meta("generation", 0)), self.catalogue.n_rows()
        return Vectors(self.folder, self.codes, self.dim, generation, n_rows)

    def record(self, row: int) -> RowRecord:
        with self.catalogue.reading():
            found = self.catalogue.rows([row]).get(int(row))
            if found is None or row in self.state().dead:
                raise TinyclapError(f"library {self.folder} has no row {row} that is valid; ask it again")
            return found

    def find(
        self, query: np.ndarray | None, names: str, n: int, where: Conditions | None, *, exact: bool, each: bool
    ) -> list[Hit]:
        """The `n` sounds that a vector (D,) and the words of names find, in the order of `fused`.

        Args:
            query: unit norm; None for names alone.
            names: words; "" for the vector alone. Without a vector names whose words only begin so are found too.
            n: answers, at most.
            where: conditions that must hold.
            exact: compare with every row.
            each: every row, rather than of a file the best one.
        """

        def answer() -> list[Hit]:
            state, found, deep = self.state(), dict[int, float](), max(n, DEEP)
            if query is not None:
                allowed = filtered(self.catalogue, where)
                rows, scores = self._nearest(state, query, deep if names else n, allowed, exact=exact, each=each)
                found = dict(zip(rows, scores, strict=True))
            begun = query is None
            named = self._named_rows(names, deep, where, list(found), begun=begun) if names else []
            order = fused(list(found), named, n)
            unscored = np.array([row for row in order if row not in found], np.int64)
            if query is not None and len(unscored):
                found |= dict(zip(unscored.tolist(), state.vectors.cosines(query, unscored).tolist(), strict=True))
            return self._hits(list(order), found, order)

        return self._of_one_state(answer)

    def similar(self, row: int, n: int, where: Conditions | None) -> list[Hit]:
        """The sounds most like that of a row, of other files than its own."""
        with self.catalogue.reading():  # the number may be another sound's afterwards
            record, query = self.record(row), self.state().vectors.read(np.array([row]))[0]

        def answer() -> list[Hit]:
            state, allowed = self.state(), filtered(self.catalogue, where)
            rows, scores = self._nearest(state, query, n + 1, allowed, exact=False, each=False)
            hits = self._hits(rows, dict(zip(rows, scores, strict=True)), "sound")
            return [hit for hit in hits if hit.path != Path(record.path)][:n]

        return self._of_one_state(answer)

    def fulfilling(self, where: Conditions, n: int, *, each: bool) -> list[Hit]:
        """The first `n` rows for which conditions hold, in the order of their files' names; scores are nan.

        Of a file the first row alone, unless `each`.
        """
        row, grouped = ("row", "") if each else ("min(row)", "GROUP BY file")
        with self.catalogue.reading():
            rows = self.catalogue.numbers(
                f"SELECT {row}, start_s FROM rows JOIN files ON files.id = rows.file WHERE NOT dead AND {where.clause} "
                f"{grouped} ORDER BY name COLLATE NOCASE, path, start_s LIMIT ?",
                (*where.values, n),
            )
            return self._hits(rows.tolist(), {}, CONDITION)

    def _of_one_state(self, question: Callable[[], Answer]) -> Answer:
        """What a question answers; asked again where anybody has written meanwhile, the last time in a transaction."""
        for _ in range(FREE_TRIES):
            before = self.catalogue.stamp()
            try:
                answer = question()
            except (TinyclapError, LookupError):  # a row, say, that is not there any more
                if self.catalogue.stamp() == before:
                    raise
            else:
                if self.catalogue.stamp() == before:
                    return answer
        with self.catalogue.reading():
            return question()

    def numbers(self) -> np.ndarray:
        """The numbers of the rows that are not dead, int64, in their order."""
        state = self.state()
        return search.live(state.vectors.n_rows, state.dead)

    def embeddings(self, rows: np.ndarray | None) -> np.ndarray:
        """Unit-norm float32 (N, D) of rows, by default of all that are not dead."""
        state = self.state()
        wanted = search.live(state.vectors.n_rows, state.dead) if rows is None else rows
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < state.vectors.n_rows:
            raise TinyclapError(f"rows are 0 to {state.vectors.n_rows - 1}; got {wanted.min()} to {wanted.max()}")
        return state.vectors.read(wanted)

    def listed(self, rows: Sequence[int] | np.ndarray | None) -> list[Hit]:
        """Rows as hits without a score: these, or all that are not dead."""
        with self.catalogue.reading():
            if rows is not None:
                return self._hits([int(row) for row in rows], {}, "sound")
            return self._as_hits(self.catalogue.live_rows(), {}, "sound")

    def _nearest(
        self, state: State, query: np.ndarray, n: int, allowed: np.ndarray | None, *, exact: bool, each: bool
    ) -> tuple[list[int], list[float]]:
        """Rows and cosines, best first; of a file the best row only unless `each`."""
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

    def _named_rows(
        self, text: str, limit: int, where: Conditions | None, by_sound: Sequence[int], *, begun: bool
    ) -> list[int]:
        """A row of each file that a text names, in the order of the names: one found `by_sound`, else the first."""
        row_of = {record.file: row for row, record in reversed(self.catalogue.rows(by_sound).items())}
        named = file_names.named(self.catalogue, text, limit, where, begun=begun)
        return [row_of.get(file, row) for file, row in named]

    def _hits(self, rows: Sequence[int], scores: dict[int, float], by: str | dict[int, str]) -> list[Hit]:
        records = self.catalogue.rows(rows)
        return self._as_hits([records[row] for row in rows if row in records], scores, by)

    def _as_hits(self, records: Sequence[RowRecord], scores: dict[int, float], by: str | dict[int, str]) -> list[Hit]:
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
