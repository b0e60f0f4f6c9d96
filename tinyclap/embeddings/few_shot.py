"""Label vectors from a few examples of each class: centroids or a linear head, with the class's words as a prior.

Everything here works on unit vectors in numpy. What is learned is one unit vector per class, so that a class is still
chosen by its cosine, as by words alone (`zero_shot`).
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from tinyclap.embeddings.similarity import refuse_other_widths, unit, unit_rows
from tinyclap.errors import TinyclapError

Method = Literal["centroid", "linear"]
METHODS: tuple[Method, ...] = ("centroid", "linear")
SCALE = 20.0  # between cosines and logits while a head is learned
PULL = 0.1  # weight of a head's squared distance from where it began
STEPS, RATE, DECAYS = 200, 0.05, (0.9, 0.99)  # of Adam
NOBODY = -1

Make = Callable[[np.ndarray, np.ndarray], np.ndarray]


def label_vectors(
    embeddings: np.ndarray,
    classes: np.ndarray,
    n_classes: int,
    words: np.ndarray | None = None,
    *,
    weight: float = 0.0,
    method: Method = "centroid",
) -> np.ndarray:
    """One unit vector per class, float64 (C, D); zeros for a class of which nothing is known.

    Args:
        embeddings: of the examples, unit norm (N, D).
        classes: of each, integers (N,) from 0.
        n_classes: C.
        words: vectors of the classes' names, unit norm (C, D).
        weight: how many examples a class's words count as; none for 0.
        method: `centroid`, the mean of the examples at unit norm (prototypes, arXiv 1703.05175), or `linear`, the
            weights of a softmax over cosines, learned from there.
    """
    refuse_other_widths(embeddings=embeddings, **({} if words is None else {"words": words}))
    sums = np.zeros((n_classes, embeddings.shape[1]))
    np.add.at(sums, classes, np.asarray(embeddings, np.float64))
    counts = np.bincount(classes, minlength=n_classes)[:, None]
    known = counts * unit(sums)  # n examples count as n, however much they differ
    if words is not None and weight:
        known = known + weight * words
    vectors = unit(known)
    return vectors if method == "centroid" else linear_head(embeddings, classes, vectors)


def linear_head(embeddings: np.ndarray, classes: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Unit vectors (C, D) that tell the classes of examples apart, not far from where they start.

    Full-batch Adam on the cross-entropy of softmax(SCALE * cosines) plus PULL times the squared distance from the
    start, which stands for the prior as in CLAP's relatives for images (LP++, arXiv 2404.02285). Rows of zeros stay so.

    Args:
        embeddings: of the examples, unit norm (N, D).
        classes: of each, integers (N,).
        start: unit norm (C, D), or zeros for a class that is to be left out.
    """
    rows = np.flatnonzero(start.any(axis=1))
    begun = start[rows]
    right = (classes[:, None] == rows).astype(np.float64)
    weights, first, second = begun.copy(), np.zeros_like(begun), np.zeros_like(begun)
    for step in range(1, STEPS + 1):
        norms = np.linalg.norm(weights, axis=1, keepdims=True)
        directions = weights / norms
        logits = SCALE * embeddings @ directions.T
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = odds / odds.sum(axis=1, keepdims=True)
        gradient = SCALE * (shares - right).T @ embeddings / len(embeddings) + 2 * PULL * (directions - begun)
        gradient = (gradient - (gradient * directions).sum(axis=1, keepdims=True) * directions) / norms
        first = DECAYS[0] * first + (1 - DECAYS[0]) * gradient
        second = DECAYS[1] * second + (1 - DECAYS[1]) * gradient**2
        steady = np.sqrt(second / (1 - DECAYS[1] ** step)) + 1e-8
        weights = weights - RATE * first / (1 - DECAYS[0] ** step) / steady
    made = np.zeros_like(start)
    made[rows] = unit(weights)
    return made


def held_out(
    embeddings: np.ndarray, classes: np.ndarray, recordings: np.ndarray, make: Make, *, most: int
) -> np.ndarray:
    """The class that each example gets from label vectors which its recording had no part in: integers (N,).

    NOBODY where nothing is known of the example's own class without its recording, so that it could not be right.

    Args:
        embeddings: of the examples, unit norm (N, D).
        classes: of each, integers (N,).
        recordings: of each, integers (N,) from 0; those of one number are left out together.
        make: label vectors (C, D) of some examples and their classes.
        most: groups; of more recordings, several are left out at a time.
    """
    if recordings.max() < 1:
        raise TinyclapError("all examples are of one recording; a check needs two or more")
    groups, predicted = recordings % most, np.full(len(classes), NOBODY)
    for group in np.unique(groups):
        out = groups == group
        vectors = make(embeddings[~out], classes[~out])
        known = np.flatnonzero(vectors.any(axis=1))
        nearest = known[np.argmax(unit_rows("examples", embeddings[out]) @ vectors[known].T, axis=1)]
        predicted[out] = np.where(np.isin(classes[out], known), nearest, NOBODY)
    return predicted
