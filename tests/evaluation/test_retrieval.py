"""Average precision, against a direct count."""

import numpy as np
import pytest

from tinyclap.errors import TinyclapError
from tinyclap.evaluation.retrieval import mean_average_precision


def test_a_known_ranking() -> None:
    items = np.array([[0.9], [0.8], [0.7], [0.6]])
    relevant = np.array([[True, False, True, False]])
    assert mean_average_precision(np.ones((1, 1)), items, relevant) == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_it_is_what_counting_gives() -> None:
    rng = np.random.default_rng(0)
    queries, items, relevant = rng.normal(size=(5, 8)), rng.normal(size=(40, 8)), rng.random((5, 40)) < 0.2
    expected = []
    for query, wanted in zip(queries, relevant, strict=True):
        ranked = wanted[np.argsort(-(items @ query))]
        expected.append(np.mean([ranked[: place + 1].mean() for place in np.flatnonzero(ranked)]))
    assert mean_average_precision(queries, items, relevant) == pytest.approx(np.mean(expected))


def test_shapes_and_empty_queries_are_refused() -> None:
    with pytest.raises(TinyclapError, match="do not agree"):
        mean_average_precision(np.ones((2, 3)), np.ones((4, 3)), np.ones((2, 5)))
    with pytest.raises(TinyclapError, match="query 1 has nothing to find"):
        mean_average_precision(np.ones((2, 3)), np.ones((4, 3)), np.array([[1, 0, 0, 0], [0, 0, 0, 0]]))
