"""How well texts find sounds, and sounds texts.

The protocol is that of papers on CLAPs for sets with several captions a clip (AudioCaps and Clotho have five). It is
that of WavCaps (Mei et al. 2023), `t2a` and `a2t` in its retrieval/tools/utils.py:

- Text to audio: every caption of every clip is a query, all clips are searched, and the caption's own clip is right.
- Audio to text: every clip is a query, the captions of all clips are searched, and all of its own are right.
- R@k: the share of queries that have a right answer among the first k; audio to text is a hit if any of the clip's
  captions is. Median rank: that of the first right answers, from 1, rounded down.
- mAP@10: the mean over queries of the sum of the precisions at each right answer among the first ten, divided by the
  number of right answers, or by ten if there are more. With one right answer, as in text to audio, a query counts
  1 / rank, and 0 beyond ten: the measure of DCASE's task on language-based audio retrieval (2022 to 2024).

Two things which that program leaves open are settled here. Ties count against the model: a wrong answer as near as a
right one, up to rounding, comes before it. A text that is said of several clips (as of FSD50K, whose labels are its
texts) is one text with several right clips, and as a query it has found one if any of them is found; it is asked once
for every clip that has it. Texts are the same if they differ in capitals, spaces and a final full stop alone. Where no
text occurs twice, the figures are those of the protocol.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyclap.embeddings.similarity import refuse_other_widths, unit_rows
from tinyclap.errors import TinyclapError

DEPTH = 10  # answers that the average precision looks at
BLOCK_ROWS = 256  # queries compared with all items at once
ROUNDING = 1e-6  # cosines nearer than this are equal


@dataclass(frozen=True)
class Found:
    """What Q queries found.

    Attributes:
        rank: of the first right answer, from 1, (Q,).
        precision: average precision of the first ten, (Q,).
        first: index of what came first, (Q,); of equals a wrong one.
        best: index of the right answer that came first among the right ones, (Q,).
    """

    rank: np.ndarray
    precision: np.ndarray
    first: np.ndarray
    best: np.ndarray

    def of(self, queries: np.ndarray) -> "Found":
        """What these queries found, by number; one may be asked for several times."""
        return Found(self.rank[queries], self.precision[queries], self.first[queries], self.best[queries])

    def answer(self, query: int) -> tuple[int, int, int]:
        """Rank, first and best of one query."""
        return int(self.rank[query]), int(self.first[query]), int(self.best[query])


def find(queries: np.ndarray, items: np.ndarray, right: Sequence[np.ndarray]) -> Found:
    """Rank all items for every query, with ties against the model.

    Args:
        queries: embeddings (Q, D).
        items: embeddings (N, D) of the same space.
        right: for each query the indices of the items that it should find, one at least.

    Raises:
        TinyclapError: widths that do not agree, a row that is zero or not finite, or a query with nothing to find.
    """
    queries, items = unit_rows("queries", queries), unit_rows("items", items)
    refuse_other_widths(queries=queries, items=items)
    if len(right) != len(queries):
        raise TinyclapError(f"right: {len(right)} given for {len(queries)} queries; give one for each")
    parts = []
    for start in range(0, len(queries), BLOCK_ROWS):
        cosines = queries[start : start + BLOCK_ROWS] @ items.T
        relevant = np.zeros(cosines.shape, bool)
        for row, wanted in enumerate(right[start : start + BLOCK_ROWS]):
            relevant[row, wanted] = True
        _refuse_empty(relevant, start)
        parts.append(_found(cosines, relevant))
    return Found(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _found(cosines: np.ndarray, relevant: np.ndarray) -> tuple[np.ndarray, ...]:
    """The attributes of `Found` for a block of queries; both (q, N)."""
    scores = _pessimistic(cosines, relevant)
    own = np.where(relevant, scores, -np.inf)
    best = own.argmax(axis=1)
    ahead = ~relevant & (scores >= own.max(axis=1, keepdims=True))
    return 1 + ahead.sum(axis=1), _precision(scores, relevant, DEPTH), scores.argmax(axis=1), best


def _pessimistic(cosines: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Cosines to order by, where what is right comes after what is equal."""
    lowered: np.ndarray = cosines - ROUNDING * relevant
    return lowered


def _precision(scores: np.ndarray, relevant: np.ndarray, depth: int) -> np.ndarray:
    """Average precision of the first `depth` items of each row, (q,)."""
    depth = min(depth, scores.shape[1])
    nearest = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
    order = np.argsort(-np.take_along_axis(scores, nearest, axis=1), axis=1, kind="stable")
    hits = np.take_along_axis(relevant, np.take_along_axis(nearest, order, axis=1), axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, depth + 1)
    averages: np.ndarray = (precision * hits).sum(axis=1) / np.minimum(relevant.sum(axis=1), depth)
    return averages


def average_precisions(queries: np.ndarray, items: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """The average precision of all ranked items for each query, (Q,), with ties against the model.

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
    _refuse_empty(relevant)
    scores = _pessimistic(queries @ items.T, relevant)
    return _precision(scores, relevant, len(items))


def mean_average_precision(queries: np.ndarray, items: np.ndarray, relevant: np.ndarray) -> float:
    """The mean of `average_precisions`, which says what is asked for; raises as it does."""
    return float(np.mean(average_precisions(queries, items, relevant)))


def _refuse_empty(relevant: np.ndarray, start: int = 0) -> None:
    empty = np.flatnonzero(~relevant.any(axis=1))
    if len(empty):
        raise TinyclapError(f"query {start + int(empty[0])} has nothing to find")


def hit_chances(n_right: np.ndarray, n_items: int, depth: int) -> np.ndarray:
    """The share of queries that have a right answer among the first 1, ..., `depth` of a random order, (depth,).

    Args:
        n_right: right answers of each query, (Q,).
        n_items: that are searched.
        depth: at most `n_items`.
    """
    counts, queries = np.unique(n_right, return_counts=True)
    places = np.arange(depth)
    stay = np.clip((n_items - counts[:, None] - places) / (n_items - places), 0, 1)  # one more is wrong too
    found: np.ndarray = queries @ (1 - np.cumprod(stay, axis=1)) / len(n_right)
    return found


def precision_chance(n_right: np.ndarray, n_items: int) -> float:
    """The mean over queries of the expected average precision of the first ten of a random order.

    The item at place k is right with probability r / N, and each of those before it then with (r - 1) / (N - 1).
    """
    right, places = np.asarray(n_right, float)[:, None], np.arange(1, min(DEPTH, n_items) + 1)
    others = (places - 1) * (right - 1) / max(1, n_items - 1)
    expected = (right / n_items * (1 + others) / places).sum(axis=1) / np.minimum(right[:, 0], len(places))
    return float(expected.mean())
