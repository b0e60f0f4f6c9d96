"""A vector as a sum of a few others, each with a weight that is not negative: which, and how much of it.

Orthogonal matching pursuit (Pati, Rezaiifar & Krishnaprasad, Asilomar 1993, doi:10.1109/ACSSC.1993.342465) with weights
that are not negative (Bruckstein, Elad & Zibulevsky, IEEE Trans. Inf. Theory 54(11), 2008,
doi:10.1109/TIT.2008.929920). Of the atoms it takes the one nearest to what is not explained yet, finds the best weights
of all that were taken, and goes on with the rest. An atom that says the same as one before explains nothing more, so
that it is passed over: this is what tells several sounds at once from one sound in several words.
"""

from typing import NamedTuple

import numpy as np

from tinyclap.embeddings.similarity import unit_rows
from tinyclap.errors import TinyclapError

NEARER = 1e-6  # an atom that explains less of a unit vector is rounding


class Mixture(NamedTuple):
    """What a vector is made of.

    Attributes:
        rows: the atoms' numbers, the largest weight first.
        weights: of each, above 0.
        cosine: between the weighted sum and the vector, 0 to 1; 0 where no atom points its way.
    """

    rows: tuple[int, ...]
    weights: tuple[float, ...]
    cosine: float


def mixture(vector: np.ndarray, atoms: np.ndarray, most: int, *, least: float = NEARER) -> Mixture:
    """The atoms of which a vector is best made, at most so many.

    Args:
        vector: (D,), of any norm but zero; scaled to unit norm.
        atoms: unit-norm (N, D), in any precision; of many only the products are computed.
        most: atoms, 1 or more.
        least: an atom is taken if its product with what is not explained yet is above this.

    Raises:
        TinyclapError: fewer than one atom asked for, a vector that is zero or not finite, or atoms of another width.
    """
    if most < 1:
        raise TinyclapError(f"most is {most}: a mixture is of 1 text or more")
    target = unit_rows("vector", np.asarray(vector)[None])[0]
    if atoms.ndim != 2 or atoms.shape[1] != len(target):
        raise TinyclapError(f"atoms: shape {atoms.shape}; expected (N, {len(target)}), as the vector has")
    chosen: list[int] = []
    weights = np.zeros(0)
    rest = target
    for _ in range(min(most, len(atoms))):
        products = atoms @ rest.astype(atoms.dtype)
        products[chosen] = -np.inf
        best = int(products.argmax())
        if products[best] <= least:
            break
        chosen.append(best)
        columns = atoms[chosen].T.astype(np.float64)
        weights = nonnegative_weights(columns, target)
        rest = target - columns @ weights
    order = [place for place in np.argsort(-weights, kind="stable") if weights[place] > 0]
    made = target - rest
    length = float(np.linalg.norm(made))
    cosine = float(target @ made) / length if length > 0 else 0.0
    return Mixture(tuple(chosen[place] for place in order), tuple(float(weights[place]) for place in order), cosine)


def nonnegative_weights(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The weights (K,), none negative, with which columns (D, K) come nearest to a target (D,) in squares.

    The active-set method of Lawson & Hanson (*Solving Least Squares Problems*, 1974, chapter 23).
    """
    count = columns.shape[1]
    weights, free = np.zeros(count), np.zeros(count, bool)
    slope = columns.T @ target
    while not free.all() and (slope[~free] > NEARER).any():
        free[np.where(free, -np.inf, slope).argmax()] = True
        wanted = _least_squares(columns, target, free)
        while (wanted[free] <= 0).any():  # go as far as the first that reaches zero, and leave it there
            falling = free & (wanted <= 0)
            step = (weights[falling] / (weights[falling] - wanted[falling])).min()
            weights += step * (wanted - weights)
            free &= weights > NEARER
            weights[~free] = 0.0
            if not free.any():
                return weights
            wanted = _least_squares(columns, target, free)
        weights = wanted
        slope = columns.T @ (target - columns @ weights)
    return weights


def _least_squares(columns: np.ndarray, target: np.ndarray, free: np.ndarray) -> np.ndarray:
    weights = np.zeros(columns.shape[1])
    weights[free] = np.linalg.lstsq(columns[:, free], target, rcond=None)[0]
    return weights
