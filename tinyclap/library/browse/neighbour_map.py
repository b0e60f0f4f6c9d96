"""A map by neighbours: each sound close to those that sound most like it, whatever the distances beyond.

UMAP (McInnes, Healy, Melville, 2018, arXiv:1802.03426) in numpy: its fuzzy graph of nearest neighbours (section 3.1)
and its gradients (section 3.2), with the updates of an epoch made together in place of one after the other. A plane of
principal components shows what few directions hold; in spaces where every kind of sound has a direction of its own
that is little, and most sounds fall into one heap.
"""

from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 15
EPOCHS = 200
CURVE_A, CURVE_B = 1.577, 0.8951  # 1 / (1 + a d^2b), fitted to UMAP's min_dist = 0.1, spread = 1
STEP = 0.1
NEGATIVES = 3
LONGEST_MOVE = 4.0
START_EXTENT = 8.0
BLOCK_ROWS = 1024


@dataclass(frozen=True)
class NeighbourMap:
    """Sounds on a plane, and where others belong.

    Attributes:
        embeddings: float32 (N, D), unit norm.
        places: float32 (N, 2).
    """

    embeddings: np.ndarray
    places: np.ndarray

    def __call__(self, embeddings: np.ndarray, k: int = 5) -> np.ndarray:
        """Places (M, 2) of embeddings (M, D): the mean of their k nearest, weighted by how near; of N its own."""
        found = np.empty((len(embeddings), 2), np.float32)
        for start in range(0, len(embeddings), BLOCK_ROWS):
            rows, cosines = _nearest(embeddings[start : start + BLOCK_ROWS], self.embeddings, k)
            weights = 1.0 / (1e-6 + np.clip(1.0 - cosines, 0.0, None)) ** 2
            weights /= weights.sum(axis=1, keepdims=True)
            found[start : start + BLOCK_ROWS] = np.einsum("mk,mkd->md", weights, self.places[rows])
        return found


def neighbour_map(embeddings: np.ndarray, start: np.ndarray) -> NeighbourMap:
    """The map of embeddings (N, D) of unit norm, from places (N, 2) to start with. The same input, the same map.

    Time and memory grow with N²: take a sample of some thousands, and place the others by it.
    """
    count, rng = len(embeddings), np.random.default_rng(0)
    ranks = np.argsort(
        np.argsort(start, axis=0, kind="stable"), axis=0
    )  # so that no outlier presses the others together
    places = START_EXTENT * (2.0 * ranks / max(1, count - 1) - 1.0) + rng.normal(0, 1e-3, (count, 2))
    if count > 2:
        heads, tails, weights = fuzzy_graph(embeddings, min(NEIGHBOURS, count - 1))
        for epoch in range(EPOCHS):
            _move(places, heads, tails, rng.random(len(weights)) < weights, STEP * (1 - epoch / EPOCHS), rng)
    return NeighbourMap(embeddings, places.astype(np.float32))


def fuzzy_graph(embeddings: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges between neighbours: two rows each, the smaller first, and a weight in (0, 1]; (E,) each.

    The distance is 1 - cosine. A row's weights to its k nearest are exp(-(d - d_nearest) / s), s such that they sum to
    log2(k); the two of a pair, p and q, become p + q - pq.
    """
    count = len(embeddings)
    rows = np.empty((count, k), np.int64)
    distances = np.empty((count, k))
    for first in range(0, count, BLOCK_ROWS):
        block = embeddings[first : first + BLOCK_ROWS]
        own = np.arange(first, first + len(block))
        rows[own], cosines = _nearest(block, embeddings, k, own)
        distances[own] = np.clip(1.0 - cosines, 0.0, None)
    beyond = distances - distances.min(axis=1, keepdims=True)
    low, high = np.zeros((count, 1)), np.full((count, 1), 1.0)
    for _ in range(48):  # of the scale, by bisection
        middle = (low + high) / 2
        too_many = np.exp(-beyond / np.maximum(middle, 1e-12)).sum(axis=1, keepdims=True) > np.log2(k)
        low, high = np.where(too_many, low, middle), np.where(too_many, middle, high)
    directed = np.exp(-beyond / np.maximum(high, 1e-3 * distances.mean() + 1e-12)).ravel()
    heads, tails = np.repeat(np.arange(count), k), rows.ravel()
    pairs, which = np.unique(np.minimum(heads, tails) * count + np.maximum(heads, tails), return_inverse=True)
    there, back = np.zeros(len(pairs)), np.zeros(len(pairs))
    there[which[heads < tails]] = directed[heads < tails]
    back[which[heads > tails]] = directed[heads > tails]
    return pairs // count, pairs % count, there + back - there * back


def _move(
    places: np.ndarray, heads: np.ndarray, tails: np.ndarray, drawn: np.ndarray, step: float, rng: np.random.Generator
) -> None:
    """One epoch, in place: the ends of the drawn edges attract one another, and each end is repelled by random rows."""
    one, other = heads[drawn], tails[drawn]
    between = places[one] - places[other]
    square = np.maximum((between**2).sum(axis=1), 1e-9)
    pull = -2 * CURVE_A * CURVE_B * square ** (CURVE_B - 1) / (1 + CURVE_A * square**CURVE_B)
    pulled = np.clip(pull[:, None] * between, -LONGEST_MOVE, LONGEST_MOVE)
    ends = np.repeat(np.concatenate([one, other]), NEGATIVES)
    away = places[ends] - places[rng.integers(0, len(places), len(ends))]
    square = (away**2).sum(axis=1)
    push = 2 * CURVE_B / ((0.001 + square) * (1 + CURVE_A * square**CURVE_B))
    pushed = np.clip(push[:, None] * away, -LONGEST_MOVE, LONGEST_MOVE)
    for axis in range(2):
        moved = np.bincount(one, pulled[:, axis], len(places)) - np.bincount(other, pulled[:, axis], len(places))
        places[:, axis] += step * (moved + np.bincount(ends, pushed[:, axis], len(places)))


def _nearest(
    asked: np.ndarray, known: np.ndarray, k: int, own: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (M, k) of `known` that are nearest to `asked`, and their cosines; `own` rows (M,) are left out."""
    cosines = asked @ known.T
    if own is not None:
        cosines[np.arange(len(asked)), own] = -np.inf
    k = min(k, len(known))
    rows = np.argpartition(cosines, -k, axis=1)[:, -k:]
    return rows, np.take_along_axis(cosines, rows, axis=1)
