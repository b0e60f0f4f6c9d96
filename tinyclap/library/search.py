"""The rows nearest to a vector."""

import numpy as np

from tinyclap.library.vectors import Vectors


def live(n_rows: int, dead: np.ndarray) -> np.ndarray:
    """Rows that are not dead, int64, in their order."""
    mask = np.ones(n_rows, bool)
    mask[dead] = False
    return np.flatnonzero(mask)


def nearest(
    vectors: Vectors, query: np.ndarray, n: int, dead: np.ndarray, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The `n` rows of largest cosine with a unit vector (D,), best first, and their cosines; fewer where there are.

    Args:
        vectors: of the library.
        query: float32 (D,).
        n: rows.
        dead: rows to be left out.
        allowed: the only rows to be looked at; None for all.
    """
    rows = live(vectors.n_rows, dead) if allowed is None else np.setdiff1d(allowed, dead)
    return best(rows, vectors.cosines(query, rows), n)


def best(rows: np.ndarray, scores: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The `n` of the highest scores, highest first; of equal ones the lower row first."""
    if n < len(rows):
        some = np.argpartition(-scores, n - 1)[:n]
        rows, scores = rows[some], scores[some]
    order = np.lexsort((rows, -scores))
    return rows[order], scores[order]
