"""Ranks and average precision, against a direct count and in numbers that can be checked by hand."""

from itertools import permutations

import numpy as np
import pytest

from tests.support.scored import unit
from tinyclap.errors import TinyclapError
from tinyclap.evaluation import retrieval
from tinyclap.evaluation.retrieval import find, hit_chances, mean_average_precision, precision_chance


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


def counted(cosines: list[float], right: set[int]) -> tuple[int, float]:
    """Rank of the first right item and average precision of the first ten, one item after the other."""
    order = sorted(range(len(cosines)), key=lambda item: (-round(cosines[item], 9), item in right))
    rank = next(place for place, item in enumerate(order, 1) if item in right)
    hits, total = 0, 0.0
    for place, item in enumerate(order[:10], 1):
        if item in right:
            hits += 1
            total += hits / place
    return rank, total / min(len(right), 10)


def test_ranks_and_precisions_are_what_counting_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks, with one to fourteen right items, and with items that are the same."""
    monkeypatch.setattr(retrieval, "BLOCK_ROWS", 7)
    rng = np.random.default_rng(1)
    queries, items = rng.normal(size=(30, 6)), rng.normal(size=(40, 6))
    items[20:26] = items[:6]
    right = [rng.choice(40, size=1 + number % 14, replace=False) for number in range(30)]
    found = find(queries, items, right)
    cosines = unit(queries) @ unit(items).T
    expected = [counted(row.tolist(), {*wanted.tolist()}) for row, wanted in zip(cosines, right, strict=True)]
    assert found.rank.tolist() == [rank for rank, _ in expected]
    assert found.precision == pytest.approx([precision for _, precision in expected])
    for query, wanted in enumerate(right):
        assert found.best[query] in wanted
        assert cosines[query, found.best[query]] == pytest.approx(cosines[query, wanted].max())
        assert cosines[query, found.first[query]] == pytest.approx(cosines[query].max())
        assert (found.first[query] in wanted) == (found.rank[query] == 1)


def test_the_identity_finds_all() -> None:
    found = find(np.eye(12), np.eye(12), [np.array([row]) for row in range(12)])
    assert found.rank.tolist() == [1] * 12
    assert found.precision.tolist() == [1] * 12
    assert found.first.tolist() == found.best.tolist() == list(range(12))


def test_equals_count_against_the_model() -> None:
    """All items alike, and once more with differences that are rounding alone."""
    alike = np.ones((12, 4))
    for items in (alike, alike + 1e-8 * np.random.default_rng(0).normal(size=(12, 4))):
        found = find(np.ones((2, 4)), items, [np.array([0]), np.array([0, 5, 11])])
        assert found.rank.tolist() == [12, 10]
        assert found.precision.tolist() == [0, pytest.approx(1 / 10 / 3)]
        assert found.first[0] != 0
        assert found.first[1] not in (0, 5, 11)


def test_fewer_items_than_ten() -> None:
    found = find(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]]), [np.array([0, 2])])
    assert (found.rank.tolist(), found.precision.tolist()) == ([2], [pytest.approx((1 / 2 + 2 / 3) / 2)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.eye(3), np.eye(4), [[0]] * 3), "different dimensions"),
        ((np.eye(3), np.eye(3), [[0]] * 2), "2 given for 3 queries"),
        ((np.eye(3), np.eye(3), [[0], [], [1]]), "query 1 has nothing to find"),
        ((np.eye(3), np.zeros((3, 3)), [[0]] * 3), "row 0 is zero"),
    ],
)
def test_what_cannot_be_ranked_is_refused(arguments: tuple, message: str) -> None:
    queries, items, right = arguments
    with pytest.raises(TinyclapError, match=message):
        find(queries, items, [np.array(wanted, int) for wanted in right])


@pytest.mark.parametrize("n_items", [1, 2, 5, 6])
def test_chances_are_the_means_over_all_orders(n_items: int) -> None:
    n_right = [number for number in (1, 2, 2, 4, 6) if number <= n_items]
    hits, precisions = np.zeros(n_items), []
    orders = list(permutations(range(n_items)))
    for right in n_right:
        for order in orders:
            rank, precision = counted([-float(place) for place in order], set(range(right)))
            hits += np.arange(1, n_items + 1) >= rank
            precisions.append(precision)
    assert hit_chances(np.array(n_right), n_items, n_items) == pytest.approx(hits / len(orders) / len(n_right))
    assert precision_chance(np.array(n_right), n_items) == pytest.approx(np.mean(precisions))


def test_precision_by_chance_stops_at_ten() -> None:
    """One right answer of 40 at each place alike; 20 of 40 in many random orders."""
    assert precision_chance(np.array([1]), 40) == pytest.approx(sum(1 / place for place in range(1, 11)) / 40)
    rng = np.random.default_rng(0)
    drawn = [counted(rng.random(40).tolist(), set(range(20)))[1] for _ in range(4000)]
    assert precision_chance(np.array([20]), 40) == pytest.approx(np.mean(drawn), abs=0.01)
