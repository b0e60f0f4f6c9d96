"""Captions that are easily taken for one another: of the same rare words, and otherwise not the same."""

import re
from collections.abc import Sequence

import numpy as np
from scipy import sparse

NEIGHBOURS = 8
COMMON_SHARE, COMMON_COUNT = 0.02, 20  # words of more captions say how, and not of what
LEAST = 0.5  # cosine of the rare words
BLOCK = 1024  # captions compared with all others at once


def confusable(captions: Sequence[str], groups: np.ndarray | None = None) -> np.ndarray:
    """Of each caption, those that share most of its rare words: "rain, then a siren" of "a siren, then rain".

    What order, negation and number are said with are common words, so that the nearest differ in these alone. Rare
    words weigh as their inverse document frequency (Sparck Jones 1972), and captions are compared by cosine.

    Args:
        captions: N texts.
        groups: of each caption, (N,): those of one group are never confusable; None for none such.

    Returns:
        int64 (N, NEIGHBOURS): numbers of captions, the nearest first, and -1 where there are no more. The same words in
        the same order are no neighbours.
    """
    vectors = _weighted(captions)
    said = [tuple(_words(caption)) for caption in captions]
    numbers = {words: number for number, words in enumerate(dict.fromkeys(said))}
    same = np.array([numbers[words] for words in said])
    found = np.full((len(captions), NEIGHBOURS), -1)
    for first in range(0, len(captions), BLOCK):
        cosines = (vectors[first : first + BLOCK] @ vectors.T).tocsr()
        for row in range(cosines.shape[0]):
            near = slice(cosines.indptr[row], cosines.indptr[row + 1])
            others, cosine = cosines.indices[near], cosines.data[near]
            own = first + row
            keep = (cosine >= LEAST) & (same[others] != same[own])
            if groups is not None:
                keep &= groups[others] != groups[own]
            others, cosine = others[keep], cosine[keep]
            nearest = others[np.lexsort((others, -np.round(cosine, 6)))][:NEIGHBOURS]
            found[own, : len(nearest)] = nearest
    return found


def _words(caption: str) -> list[str]:
    return re.findall(r"\w+", caption.casefold())


def _weighted(captions: Sequence[str]) -> sparse.csr_matrix:
    """The rare words of each caption at unit norm, (N, words); nothing for a caption without any."""
    numbers: dict[str, int] = {}
    rows = [[numbers.setdefault(word, len(numbers)) for word in set(_words(caption))] for caption in captions]
    places = np.concatenate([np.full(len(row), place) for place, row in enumerate(rows)] or [np.empty(0)]).astype(int)
    columns = np.array([number for row in rows for number in row], int)
    frequency = np.bincount(columns, minlength=len(numbers))
    rare = frequency[columns] <= max(COMMON_COUNT, COMMON_SHARE * len(captions))
    weights = np.log(len(captions) / frequency[columns][rare]) + 1.0
    table = sparse.csr_matrix((weights, (places[rare], columns[rare])), shape=(len(captions), max(1, len(numbers))))
    norms = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    return sparse.diags(1 / np.maximum(norms, 1e-12)) @ table
