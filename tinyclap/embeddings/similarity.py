"""How close two sets of embeddings are. Rows are scaled to unit norm, so that a similarity is a cosine."""

from collections.abc import Sequence

import numpy as np

from tinyclap.errors import TinyclapError

_ON_THE_MEAN = 1e-9  # shorter than this, an offset from the mean embedding is rounding and has no direction


def mean_cosine(student: np.ndarray, teacher: np.ndarray) -> float:
    """Mean over the clips of cos(student, teacher); both (N, D)."""
    student, teacher = unit_pair(student, teacher)
    return float(np.mean(np.sum(student * teacher, axis=1)))


def centred_cosine(student: np.ndarray, teacher: np.ndarray, mean: np.ndarray | None = None) -> float:
    """Mean over the clips of cos(student - mean, teacher - mean); both (N, D).

    `mean` (D,) is the teacher's mean embedding, by default over these clips. CLAP embeddings share a large common
    part, which makes the plain cosine high for free; here only what tells sounds apart counts. A clip that lies on
    the mean itself has no direction and counts 0.
    """
    student, teacher = unit_pair(student, teacher)
    centre = teacher.mean(axis=0) if mean is None else np.asarray(mean, dtype=np.float64)
    if centre.shape != teacher.shape[1:] or not np.isfinite(centre).all():
        raise TinyclapError(f"mean: expected {teacher.shape[1]} finite numbers, got shape {centre.shape}")
    student, teacher = student - centre, teacher - centre
    lengths = np.linalg.norm(student, axis=1) * np.linalg.norm(teacher, axis=1)
    products = np.sum(student * teacher, axis=1)
    return float(np.mean(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > _ON_THE_MEAN)))


def unit_rows(name: str, array: np.ndarray) -> np.ndarray:
    """The rows at unit norm in float64, or an error that names the argument."""
    rows: np.ndarray = np.asarray(array, dtype=np.float64)
    if rows.ndim != 2 or 0 in rows.shape:
        raise TinyclapError(f"{name}: expected a non-empty (rows, dimensions) array, got shape {rows.shape}")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] == 0))
    if len(bad):
        fault = "is zero" if norms[bad[0], 0] == 0 else "holds NaN or infinite values"
        raise TinyclapError(f"{name}, shape {rows.shape}: row {bad[0]} {fault} ({len(bad)} such rows)")
    units: np.ndarray = rows / norms
    return units


def unit(vectors: np.ndarray) -> np.ndarray:
    """A vector (D,) or rows (N, D) at unit norm, in the precision given; zeros stay zeros."""
    units: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return units


def unit_pair(student: np.ndarray, teacher: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    student, teacher = unit_rows("student", student), unit_rows("teacher", teacher)
    if student.shape != teacher.shape:
        raise TinyclapError(f"student: shape {student.shape}, teacher: shape {teacher.shape}; they must be the same")
    return student, teacher


def refuse_other_widths(**arrays: np.ndarray) -> None:
    if len({array.shape[1] for array in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise TinyclapError(f"embeddings of different dimensions: {shapes}; all must come from one shared space")


def checked_indices(name: str, values: Sequence[int] | np.ndarray, limit: int) -> np.ndarray:
    indices = np.asarray(values)
    if indices.ndim != 1 or not len(indices) or not np.issubdtype(indices.dtype, np.integer):
        raise TinyclapError(f"{name}: expected a list of integers, got {indices.dtype} of shape {indices.shape}")
    outside = indices[(indices < 0) | (indices >= limit)]
    if len(outside):
        raise TinyclapError(f"{name}: {outside[0]} is out of range; allowed are 0 to {limit - 1}")
    return indices
