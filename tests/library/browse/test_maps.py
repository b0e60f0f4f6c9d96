"""The plane of principal components beside an SVD, and the map by neighbours beside what defines it."""

import numpy as np
import pytest

from tinyclap.embeddings.neighbours import knn_overlap
from tinyclap.embeddings.similarity import unit
from tinyclap.library.browse.neighbour_map import fuzzy_graph, neighbour_map
from tinyclap.library.browse.projection import principal_plane, sampled


def crowd(count: int = 300, dim: int = 24, kinds: int = 6, seed: int = 0) -> np.ndarray:
    """Unit vectors around some directions; row r is of kind r % kinds."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(kinds, dim))
    return unit(centres[np.arange(count) % kinds] + 0.5 * rng.normal(size=(count, dim))).astype(np.float32)


def test_the_plane_is_that_of_the_singular_vectors() -> None:
    embeddings = crowd(5000)  # more than one block
    plane = principal_plane(embeddings)
    centred = embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64)
    _, singular, right = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(np.sum(plane.axes * right[:2], axis=1)), 1.0, atol=1e-5)
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-6)
    np.testing.assert_allclose(plane.explained, (singular**2 / (singular**2).sum())[:2], rtol=1e-5)
    places = plane(embeddings)
    np.testing.assert_allclose(places.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose((places.astype(np.float64) ** 2).sum(axis=0), singular[:2] ** 2, rtol=1e-4)


def test_the_same_library_gives_the_same_map_in_any_order() -> None:
    embeddings = crowd()
    order = np.random.default_rng(1).permutation(len(embeddings))
    one, other = principal_plane(embeddings), principal_plane(embeddings[order])
    np.testing.assert_allclose(one(embeddings)[order], other(embeddings[order]), atol=1e-5)


@pytest.mark.parametrize("embeddings", [np.ones((1, 4)), np.ones((5, 4)), np.zeros((3, 1)), np.eye(4)[[0, 1, 0, 1]]])
def test_what_varies_in_fewer_directions_has_places_too(embeddings: np.ndarray) -> None:
    plane = principal_plane(embeddings.astype(np.float32))
    places = plane(embeddings)
    assert places.shape == (len(embeddings), 2)
    assert np.isfinite(places).all()
    varying = int(np.linalg.matrix_rank(embeddings - embeddings.mean(axis=0)))
    assert np.count_nonzero(plane.explained) == varying
    made = neighbour_map(unit(embeddings + 1e-9).astype(np.float32), places)
    assert np.isfinite(made.places).all()


def test_weights_to_neighbours_are_those_of_umap() -> None:
    """Against the definition, pair by pair: McInnes et al. 2018, section 3.1."""
    embeddings, k = crowd(60), 8
    distance = 1.0 - embeddings.astype(np.float64) @ embeddings.T.astype(np.float64)
    np.fill_diagonal(distance, np.inf)
    directed = np.zeros_like(distance)
    for row, own in enumerate(distance):
        nearest = np.argsort(own)[:k]
        beyond = own[nearest] - own[nearest[0]]
        low, high = 1e-9, 10.0
        for _ in range(100):
            scale = (low + high) / 2
            low, high = (low, scale) if np.exp(-beyond / scale).sum() > np.log2(k) else (scale, high)
        directed[row, nearest] = np.exp(-beyond / high)
        assert directed[row].sum() == pytest.approx(np.log2(k), abs=1e-6)
    known = directed + directed.T - directed * directed.T
    heads, tails, weights = fuzzy_graph(embeddings, k)
    assert (heads < tails).all()
    assert len(weights) == np.count_nonzero(np.triu(known))
    np.testing.assert_allclose(weights, known[heads, tails], atol=1e-3)


def test_kinds_stay_together_and_more_neighbours_than_on_the_plane() -> None:
    embeddings = crowd(600, dim=64, kinds=12)
    start = principal_plane(embeddings)(embeddings)
    made = neighbour_map(embeddings, start)
    distance = np.linalg.norm(made.places[:, None] - made.places[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert np.mean(distance.argmin(axis=1) % 12 == np.arange(600) % 12) > 0.98

    def lifted(places: np.ndarray) -> np.ndarray:  # onto a sphere, where the nearest by angle are the nearest
        scaled = places / np.abs(places).max() / 100
        return np.concatenate([scaled, np.sqrt(1 - (scaled**2).sum(axis=1, keepdims=True))], axis=1)

    assert knn_overlap(lifted(made.places), embeddings) > 1.5 * knn_overlap(lifted(start), embeddings)
    np.testing.assert_array_equal(made.places, neighbour_map(embeddings, start).places)


def test_a_sound_of_the_map_keeps_its_place_and_another_comes_to_its_kind() -> None:
    embeddings = crowd()
    made = neighbour_map(embeddings[:240], principal_plane(embeddings)(embeddings[:240]))
    np.testing.assert_allclose(made(embeddings[:240]), made.places, atol=1e-3)
    placed = made(embeddings[240:])
    nearest = np.linalg.norm(placed[:, None] - made.places[None], axis=-1).argmin(axis=1)
    assert np.mean(nearest % 6 == np.arange(240, 300) % 6) > 0.95


def test_a_sample_is_even_and_always_the_same() -> None:
    np.testing.assert_array_equal(sampled(5, 9), np.arange(5))
    drawn = sampled(100_000, 1000)
    assert len(np.unique(drawn)) == 1000
    assert (np.diff(drawn) > 0).all()
    assert abs(drawn.mean() / 50_000 - 1) < 0.1
    np.testing.assert_array_equal(drawn, sampled(100_000, 1000))
    assert set(sampled(100_000, 1000, 1)) != set(drawn)
