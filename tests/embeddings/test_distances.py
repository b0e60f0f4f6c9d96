"""Frechet and kernel audio distance: against definitions written out, scipy, and the published packages' numbers."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial.distance

from tinyclap.embeddings import distances
from tinyclap.embeddings.distances import KAD_SCALE, frechet_distance, kernel_distance, median_distance
from tinyclap.errors import TinyclapError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "distances.json").read_text(encoding="utf-8"))


def golden_vectors(case: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The vectors that the published packages were given; RandomState's numbers are frozen."""
    rng, n, m, d = np.random.RandomState(case["seed"]), case["n"], case["m"], case["dim"]
    first = rng.standard_normal((n, d)) @ np.diag(np.linspace(1, 0.2, d))
    second = 0.9 * rng.standard_normal((m, d)) @ np.diag(np.linspace(0.8, 0.3, d)) + 0.1
    if case["unit"]:
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        second /= np.linalg.norm(second, axis=1, keepdims=True)
    return first, second


def clouds(n: int, m: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), 1.5 * rng.standard_normal((m, d)) + 0.3


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"{case['n']}x{case['m']}x{case['dim']}")
class TestPublishedPackages:
    def test_frechet(self, case: dict[str, Any]) -> None:
        found = frechet_distance(*golden_vectors(case))
        for package in ("kadtk_frechet", "fadtk_frechet", "fad_frechet"):
            assert found == pytest.approx(case[package], rel=1e-7)

    def test_kernel(self, case: dict[str, Any]) -> None:
        reference, generated = golden_vectors(case)
        assert median_distance(reference) == pytest.approx(case["kadtk_median"], rel=1e-6)
        found = kernel_distance(reference, generated)
        assert found == pytest.approx(case["kadtk_kad_bandwidth_of_reference"], rel=1e-6)
        as_called = kernel_distance(reference, generated, median_distance(generated))
        assert as_called == pytest.approx(case["kadtk_kad_as_called"], rel=1e-6)


class TestFrechet:
    @pytest.mark.parametrize("shape", [(50, 40, 8), (300, 200, 20), (12, 9, 30), (9, 300, 30)])
    def test_as_scipys_root_of_the_product(self, shape: tuple[int, int, int]) -> None:
        first, second = clouds(*shape)
        covariances = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
        root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
        means = first.mean(axis=0) - second.mean(axis=0)
        expected = means @ means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.trace(root)
        assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-5)

    def test_a_shift_is_its_squared_length_and_nothing_is_nothing(self) -> None:
        first, _ = clouds(40, 1, 6)
        shift = np.arange(6) / 10
        assert frechet_distance(first, first + shift) == pytest.approx(shift @ shift, rel=1e-9)
        assert frechet_distance(first, first[::-1]) == pytest.approx(0.0, abs=1e-12)

    def test_of_one_dimension_it_is_that_of_two_normal_distributions(self) -> None:
        first, second = clouds(30, 50, 1)
        expected = (first.mean() - second.mean()) ** 2 + (first.std(ddof=1) - second.std(ddof=1)) ** 2
        assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)

    def test_it_stays_as_it_is_when_both_are_turned(self) -> None:
        first, second = clouds(40, 60, 7)
        turn = np.linalg.qr(np.random.default_rng(1).standard_normal((7, 7)))[0]
        assert frechet_distance(first @ turn, second @ turn) == pytest.approx(frechet_distance(first, second), rel=1e-9)


class TestKernel:
    def test_as_the_sums_over_all_pairs(self) -> None:
        first, second = clouds(13, 9, 4)
        width = 1.7

        def kernel(x: np.ndarray, y: np.ndarray) -> float:
            return float(np.exp(-sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / (2 * width**2)))

        def within(rows: np.ndarray) -> float:
            total = sum(kernel(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j)
            return total / (len(rows) * (len(rows) - 1))

        between = sum(kernel(x, y) for x in first for y in second) / (len(first) * len(second))
        expected = KAD_SCALE * (within(first) + within(second) - 2 * between)
        assert kernel_distance(first, second, width) == pytest.approx(expected, rel=1e-10)
        assert kernel_distance(second, first, width) == pytest.approx(expected, rel=1e-10)

    def test_blocks_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = clouds(23, 31, 5)
        whole = kernel_distance(first, second)
        monkeypatch.setattr(distances, "BLOCK_ROWS", 4)
        assert kernel_distance(first, second) == pytest.approx(whole, rel=1e-12)

    def test_of_equal_distributions_it_is_zero_on_average(self) -> None:
        drawn = (np.random.default_rng(seed).standard_normal((2, 12, 3)) for seed in range(300))
        found = [kernel_distance(first, second) for first, second in drawn]
        assert min(found) < 0 < max(found)
        assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(300)

    def test_the_median_is_that_of_all_pairs_the_lower_of_two(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = np.array([[0.0], [1.0], [3.0], [7.0]])  # distances 1, 2, 3, 4, 6, 7
        assert median_distance(rows) == pytest.approx(3.0)
        monkeypatch.setattr(distances, "MEDIAN_ROWS", 2)
        assert median_distance(rows) == pytest.approx(3.0)  # of the first and the third

    def test_the_median_of_many_is_exact_and_needs_half_a_matrix(self) -> None:
        rows = np.random.default_rng(0).standard_normal((2003, 3))
        every = np.sort(scipy.spatial.distance.pdist(rows))
        tracemalloc.start()
        found = median_distance(rows)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == pytest.approx(every[(len(every) - 1) // 2], rel=1e-9)
        assert peak_bytes < 1.5 * 8 * len(rows) ** 2  # half a matrix, and blocks


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (np.zeros((1, 4)), np.ones((5, 4)), "reference: shape (1, 4); a distance needs"),
        (np.ones((5, 4)), np.zeros(4), "generated: shape (4,)"),
        (np.ones((5, 4)), np.full((5, 4), np.nan), "generated: holds NaN"),
        (np.ones((5, 4)), np.ones((5, 3)), "embeddings of different dimensions"),
    ],
)
def test_what_has_no_distance(first: np.ndarray, second: np.ndarray, told: str) -> None:
    for distance in (frechet_distance, kernel_distance):
        with pytest.raises(TinyclapError) as caught:
            distance(first, second)
        assert told in str(caught.value)


def test_a_kernel_without_width() -> None:
    with pytest.raises(TinyclapError, match="most of its clips are the same"):
        kernel_distance(np.ones((5, 4)), clouds(5, 5, 4)[0])
    with pytest.raises(TinyclapError, match="bandwidth is 0"):
        kernel_distance(*clouds(5, 5, 4), bandwidth=0)
