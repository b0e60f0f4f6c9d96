"""The rows nearest to a vector."""

from typing import TYPE_CHECKING

import numpy as np

from tinyclap.library.vectors import Vectors

if TYPE_CHECKING:
    from tinyclap.library.bits import Bits

CANDIDATES, PER_WANTED = 5000, 50  # rows that the bits find and that are compared exactly: at least, and per wanted row
SHARE = 0.01  # of the rows, at least
EXACT_SHARE = 0.25  # of the rows: more candidates than that, and all are compared


def live(n_rows: int, dead: np.ndarray) -> np.ndarray:
    """Rows that are not dead, int64, in their order."""
    mask = np.ones(n_rows, bool)
    mask[dead] = False
    return np.flatnonzero(mask)


def nearest(
    vectors: Vectors,
    query: np.ndarray,
    n: int,
    dead: np.ndarray,
    allowed: np.ndarray | None = None,
    bits: "Bits | None" = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The `n` rows of largest cosine with a unit vector (D,), best first, and their cosines; fewer where there are.

    Args:
        vectors: of the library.
        query: float32 (D,).
        n: rows.
        dead: rows to be left out.
        allowed: the only rows to be looked at, sorted; None for all.
        bits: that choose which rows are compared; None compares all.
    """
    n_rows = vectors.n_rows - len(dead) if allowed is None else len(allowed)
    n_candidates = max(CANDIDATES, PER_WANTED * n, int(SHARE * n_rows))
    if bits is not None and n_candidates < EXACT_SHARE * n_rows:
        rows = _candidates(bits, query, n_candidates, dead, allowed)
        behind = np.arange(bits.n_rows, vectors.n_rows)  # added since the bits were made
        rows = np.concatenate(
            [rows, np.setdiff1d(behind if allowed is None else np.intersect1d(behind, allowed), dead)]
        )
    else:
        rows = live(vectors.n_rows, dead) if allowed is None else np.setdiff1d(allowed, dead)
    return best(rows, vectors.cosines(query, rows), n)


def recall(vectors: Vectors, rows: np.ndarray, dead: np.ndarray, bits: "Bits", n: int = 10) -> float:
    """Share of the `n` nearest rows of each of some rows that are found by bits, itself included."""
    found = 0
    for query in vectors.read(rows):
        exact, _ = nearest(vectors, query, n, dead)
        quick, _ = nearest(vectors, query, n, dead, bits=bits)
        found += len(np.intersect1d(exact, quick))
    return found / (n * len(rows))


def best(rows: np.ndarray, scores: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The `n` of the highest scores, highest first; of equal ones the lower row first."""
    if n < len(rows):
        some = np.argpartition(-scores, n - 1)[:n]
        rows, scores = rows[some], scores[some]
    order = np.lexsort((rows, -scores))
    return rows[order], scores[order]


def _candidates(bits: "Bits", query: np.ndarray, n: int, dead: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
    """The rows of fewest differing bits, sorted."""
    distances = bits.distances(query)
    if allowed is not None:
        known = allowed[allowed < bits.n_rows]
        some = known[np.argpartition(distances[known], n - 1)[:n]] if n < len(known) else known
    else:
        distances[dead[dead < bits.n_rows]] = np.iinfo(np.uint16).max
        some = np.argpartition(distances, n - 1)[:n] if n < len(distances) else np.arange(bits.n_rows)
    return np.setdiff1d(some, dead)
