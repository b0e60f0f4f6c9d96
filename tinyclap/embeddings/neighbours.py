"""Nearest neighbours: how many of them two spaces share."""

import numpy as np

from tinyclap.embeddings.similarity import checked_indices, unit_rows
from tinyclap.errors import TinyclapError

_QUERY_BLOCK = 256  # clips compared with the gallery at once


def knn_overlap(student: np.ndarray, teacher: np.ndarray, queries: np.ndarray | None = None, k: int = 10) -> float:
    """How much of the teacher's neighbourhoods the student keeps, 0 to 1; chance level is `knn_chance`.

    Student (G, d) and teacher (G, D) embed the same gallery, each in its own space. For every clip in `queries`
    (indices into the gallery; default all) the share of its `k` nearest teacher neighbours that are also among its `k`
    nearest student neighbours, the clip itself excluded; the mean of these shares.
    """
    student, teacher = unit_rows("student", student), unit_rows("teacher", teacher)
    gallery = len(teacher)
    if len(student) != gallery:
        raise TinyclapError(f"student: {len(student)} clips, teacher: {gallery}; they must embed the same ones")
    if not 1 <= k < gallery:
        raise TinyclapError(f"k: {k} neighbours asked in a gallery of {gallery} clips; allowed are 1 to {gallery - 1}")
    queries = np.arange(gallery) if queries is None else checked_indices("queries", queries, gallery)
    kept = 0
    for start in range(0, len(queries), _QUERY_BLOCK):
        block = queries[start : start + _QUERY_BLOCK]
        kept += int(np.sum(_nearest(student, block, k) & _nearest(teacher, block, k)))
    return kept / (k * len(queries))


def knn_chance(n_gallery: int, k: int = 10) -> float:
    """The overlap that unrelated neighbourhoods reach on average."""
    return k / (n_gallery - 1)


def _nearest(embeddings: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Which clips are among the k nearest of each query: (Q, G) bool."""
    similarity = embeddings[queries] @ embeddings.T
    similarity[np.arange(len(queries)), queries] = -np.inf
    nearest = np.zeros(similarity.shape, dtype=bool)
    np.put_along_axis(nearest, np.argpartition(-similarity, k - 1, axis=1)[:, :k], True, axis=1)
    return nearest
