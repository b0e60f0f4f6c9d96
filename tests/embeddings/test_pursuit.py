"""Matching pursuit with weights that are not negative: exact cases, and scipy's solver of the same squares."""

import numpy as np
import pytest
from scipy.optimize import nnls

from tinyclap.embeddings.pursuit import mixture, nonnegative_weights
from tinyclap.errors import TinyclapError


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.mark.parametrize("seed", range(40))
def test_weights_are_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns, target = rng.standard_normal((12, 1 + seed % 9)), rng.standard_normal(12)
    if seed % 2:
        columns = np.abs(columns)  # near one another, as captions are
    np.testing.assert_allclose(nonnegative_weights(columns, target), nnls(columns, target)[0], atol=1e-8)


def test_orthogonal_atoms_are_found_with_their_weights() -> None:
    atoms = np.linalg.qr(np.random.default_rng(0).standard_normal((20, 20)))[0]
    weights = {3: 0.8, 11: 0.5, 17: 0.3}
    target = sum(weight * atoms[row] for row, weight in weights.items())
    found = mixture(np.asarray(target), atoms, 5)
    length = np.linalg.norm(target)
    assert found.rows == (3, 11, 17)
    np.testing.assert_allclose(found.weights, np.array([0.8, 0.5, 0.3]) / length, atol=1e-9)
    assert found.cosine == pytest.approx(1.0)
    two = mixture(np.asarray(target), atoms, 2)
    assert two.rows == (3, 11)
    assert two.cosine == pytest.approx(np.hypot(0.8, 0.5) / length)


def test_the_same_in_other_words_is_passed_over() -> None:
    dog, rain = np.eye(2, 8)
    atoms = unit(np.stack([dog, dog + 1e-4 * rain, dog + 0.02 * np.eye(8)[5], rain]))
    target = 0.8 * dog + 0.6 * rain
    assert np.argsort(-(atoms @ target))[:2].tolist() == [1, 0]  # what the largest cosines would say
    assert set(mixture(target, atoms, 2).rows) & {0, 1, 2}
    assert 3 in mixture(target, atoms, 2).rows


@pytest.mark.parametrize("seed", range(10))
def test_each_step_takes_what_explains_most_of_the_rest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    atoms, target = unit(rng.standard_normal((60, 10))), unit(rng.standard_normal(10))
    chosen: list[int] = []
    rest = target
    for _ in range(4):
        chosen.append(int(np.argmax(atoms @ rest)))
        rest = target - atoms[chosen].T @ nnls(atoms[chosen].T, target)[0]
    found = mixture(target, atoms, 4)
    weights = dict(zip(chosen, nnls(atoms[chosen].T, target)[0], strict=True))
    assert set(found.rows) == {row for row, weight in weights.items() if weight > 0}
    np.testing.assert_allclose(found.weights, [weights[row] for row in found.rows], atol=1e-7)
    assert list(found.weights) == sorted(found.weights, reverse=True)
    assert found.cosine == pytest.approx(float(unit(target - rest) @ target))


def test_single_precision_and_few_atoms() -> None:
    rng = np.random.default_rng(3)
    atoms, target = unit(rng.standard_normal((5, 10))), unit(rng.standard_normal(10))
    exact, rounded = mixture(target, atoms, 50), mixture(target.astype(np.float32), atoms.astype(np.float32), 50)
    assert rounded.rows == exact.rows
    np.testing.assert_allclose(rounded.weights, exact.weights, atol=1e-5)


def test_nothing_points_that_way() -> None:
    assert mixture(-np.eye(4)[0], np.eye(4)[:1], 3) == ((), (), 0.0)


def test_refusals() -> None:
    with pytest.raises(TinyclapError, match="most is 0"):
        mixture(np.ones(4), np.eye(4), 0)
    with pytest.raises(TinyclapError, match=r"expected \(N, 4\)"):
        mixture(np.ones(4), np.eye(5), 1)
    with pytest.raises(TinyclapError, match="row 0 is zero"):
        mixture(np.zeros(4), np.eye(4), 1)
