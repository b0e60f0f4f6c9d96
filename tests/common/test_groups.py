"""Things that links connect, against scipy's components of the same graph."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tinyclap.common.groups import connected


def test_against_scipy() -> None:
    for seed in range(20):
        links = np.random.default_rng(seed).integers(40, size=(5 + 2 * seed, 2))
        graph = coo_array((np.ones(len(links)), links.T), shape=(40, 40))
        labels = connected_components(graph, directed=False)[1]
        expected = [np.flatnonzero(labels == label).tolist() for label in dict.fromkeys(labels.tolist())]
        assert connected(40, map(tuple, links.tolist())) == expected


def test_a_long_chain_in_any_order_is_one_group() -> None:
    chain = [(at, at + 1) for at in range(50_000)]
    assert connected(50_001, chain) == connected(50_001, chain[::-1]) == [list(range(50_001))]
    assert connected(3, []) == [[0], [1], [2]]
