"""How well texts find sounds: average precision."""

import numpy as np

from tinyclap.errors import TinyclapError


def mean_average_precision(queries: np.ndarray, items: np.ndarray, relevant: np.ndarray) -> float:
    """The mean over queries of the average precision of their ranked items.

    Args:
        queries: embeddings (Q, D), unit norm; texts, for instance.
        items: embeddings (N, D), unit norm; sounds.
        relevant: bool (Q, N), what each query should find; at least one item each.

    Raises:
        TinyclapError: shapes that do not agree, or a query with nothing to find.
    """
    queries, items, relevant = np.asarray(queries), np.asarray(items), np.asarray(relevant, bool)
    if relevant.shape != (len(queries), len(items)) or queries.shape[1:] != items.shape[1:]:
        raise TinyclapError(f"queries {queries.shape}, items {items.shape} and relevant {relevant.shape} do not agree")
    if not relevant.any(axis=1).all():
        raise TinyclapError(f"query {int(np.flatnonzero(~relevant.any(axis=1))[0])} has nothing to find")
    order = np.argsort(-(queries @ items.T), axis=1, kind="stable")
    found = np.take_along_axis(relevant, order, axis=1)
    precision = np.cumsum(found, axis=1) / np.arange(1, len(items) + 1)
    return float(np.mean((precision * found).sum(axis=1) / found.sum(axis=1)))
