"""A map of a library: embeddings in two dimensions, by principal components."""

from dataclasses import dataclass

import numpy as np

BLOCK_ROWS = 4096  # in float64 at a time


@dataclass(frozen=True)
class Projection:
    """The plane in which embeddings differ most.

    Attributes:
        mean: float32 (D,).
        axes: float32 (2, D), orthonormal rows; zeros where the embeddings do not vary in as many directions.
        explained: share of the variance in each axis, (2,).
    """

    mean: np.ndarray
    axes: np.ndarray
    explained: np.ndarray

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """Places (N, 2), float32, of embeddings (N, D): of those it was made from, or of others of the same space."""
        return (embeddings - self.mean) @ self.axes.T


def principal_plane(embeddings: np.ndarray) -> Projection:
    """The first two principal components of embeddings (N, D), N >= 1 (Pearson, 1901).

    The sign of an axis, which is free, is such that its largest entry is positive: the same library, the same map.
    """
    dim = embeddings.shape[1]
    mean = embeddings.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((dim, dim))
    for start in range(0, len(embeddings), BLOCK_ROWS):
        block = embeddings[start : start + BLOCK_ROWS].astype(np.float64) - mean
        scatter += block.T @ block
    values, vectors = np.linalg.eigh(scatter)  # ascending
    total = float(values.clip(0).sum())
    axes, explained = np.zeros((2, dim)), np.zeros(2)
    for place in range(min(2, dim)):
        value, vector = values[-1 - place], vectors[:, -1 - place]
        if value > 1e-9 * max(total, 1e-12):
            axes[place] = vector * np.sign(vector[np.argmax(np.abs(vector))])
            explained[place] = value / total
    return Projection(mean.astype(np.float32), axes.astype(np.float32), explained)


def sampled(rows: int, most: int, seed: int = 0) -> np.ndarray:
    """All of so many rows, or `most` of them drawn evenly at random; ascending, the same for a seed."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
