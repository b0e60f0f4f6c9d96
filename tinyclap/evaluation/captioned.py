"""Captions of clips, and how well the texts find the clips and the clips the texts, both ways in figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinyclap.common import statistics
from tinyclap.evaluation.retrieval import DEPTH, Found, find, hit_chances, precision_chance
from tinyclap.runs.results import AUDIO_TO_TEXT, TEXT_TO_AUDIO, WAYS

RECALLS = (1, 5, 10)
EXAMPLES = 8  # of what goes wrong, each way


class Captions:
    """The captions of clips.

    Args:
        captions: of each clip, one at least.

    Attributes:
        texts: the distinct ones, as they are first written.
        owner: the clip of each caption, (captions,).
        text: the index of each caption's text, (captions,).
        clips_of: of each text, the clips that have it.
        texts_of: of each clip, its texts.
    """

    def __init__(self, captions: Sequence[Sequence[str]]) -> None:
        written = [(clip, caption) for clip, several in enumerate(captions) for caption in several]
        numbers: dict[str, int] = {}
        self.owner = np.array([clip for clip, _ in written])
        self.text = np.array([numbers.setdefault(_same(caption), len(numbers)) for _, caption in written])
        self.texts = [written[first][1] for first in np.unique(self.text, return_index=True)[1]]
        self.clips_of = _grouped(self.text, self.owner, len(self.texts))
        self.texts_of = _grouped(self.owner, self.text, len(captions))

    def find(self, clips: np.ndarray, texts: np.ndarray) -> dict[str, Found]:
        """What captions find among clips (N, D), and clips among `texts` embedded (T, D)."""
        return {
            TEXT_TO_AUDIO: find(texts, clips, self.clips_of).of(self.text),
            AUDIO_TO_TEXT: find(clips, texts, self.texts_of),
        }

    def chances(self) -> dict[str, dict[str, float]]:
        """The figures of a random order, both ways."""
        n_clips = np.array([len(clips) for clips in self.clips_of])[self.text]
        n_texts = np.array([len(texts) for texts in self.texts_of])
        return {
            TEXT_TO_AUDIO: _chances(n_clips, len(self.texts_of)),
            AUDIO_TO_TEXT: _chances(n_texts, len(self.texts)),
        }

    def scores(
        self,
        found: Mapping[str, Found],
        base: Mapping[str, Found] | None,
        recordings: np.ndarray,
        n_bootstrap: int,
        seed: int,
    ) -> dict[str, Any]:
        """The figures both ways, each with its 95 % interval.

        Args:
            found: by `find`.
            base: what another model found, to compare with.
            recordings: of each clip (N,), drawn as wholes with all queries of their clips; what is searched stays.
            n_bootstrap, seed: of the intervals.
        """
        owners = {TEXT_TO_AUDIO: recordings[self.owner], AUDIO_TO_TEXT: recordings}
        return {
            way: _figures(found[way], None if base is None else base[way], owners[way], n_bootstrap, seed)
            for way in WAYS
        }

    def misses(self, found: Mapping[str, Found], names: Sequence[str]) -> list[dict[str, Any]]:
        """Some queries whose first answer is wrong, one of a clip at most, from the nearest miss to the farthest.

        Args:
            found: by `find`.
            names: of the clips.
        """
        misses = []
        for query in _spread(found[TEXT_TO_AUDIO], self.owner):
            rank, first, best = found[TEXT_TO_AUDIO].answer(query)
            caption = self.texts[self.texts_of[first][0]]
            answer = {"query": self.texts[self.text[query]], "first": names[first], "first_caption": caption}
            misses.append({"way": TEXT_TO_AUDIO, **answer, "right": names[best], "rank": rank})
        for query in _spread(found[AUDIO_TO_TEXT], np.arange(len(names))):
            rank, first, best = found[AUDIO_TO_TEXT].answer(query)
            answer = {"query": names[query], "first": self.texts[first], "right": self.texts[best]}
            misses.append({"way": AUDIO_TO_TEXT, **answer, "rank": rank})
        return misses


def _figures(found: Found, base: Found | None, recordings: np.ndarray, n_bootstrap: int, seed: int) -> dict[str, Any]:
    how = (recordings, n_bootstrap, seed)
    others = None if base is None else _outcomes(base)
    figures: dict[str, Any] = {"n_queries": len(found.rank)}
    for name, outcome in _outcomes(found).items():
        interval = statistics.accuracy_interval(outcome, *how)
        figures[name] = {"value": float(outcome.mean()), "ci95": interval}
        if others is not None:
            difference, ci95 = statistics.paired_difference(others[name], outcome, *how)
            figures[name] |= {"difference": difference, "difference_ci95": ci95}
    medians = np.floor(statistics.bootstrap_medians(found.rank, *how))
    ends = np.quantile(medians, [statistics.TAIL, 1 - statistics.TAIL])
    figures["median_rank"] = {"value": int(np.median(found.rank)), "ci95": [float(end) for end in ends]}
    return figures


def _outcomes(found: Found) -> dict[str, np.ndarray]:
    """What each query is worth in every figure that is a mean, from 0 to 1."""
    return {**{f"recall_{k}": found.rank <= k for k in RECALLS}, f"map_{DEPTH}": found.precision}


def _chances(n_right: np.ndarray, n_items: int) -> dict[str, float]:
    found = hit_chances(n_right, n_items, n_items)
    recalls = {f"recall_{k}": float(found[min(k, n_items) - 1]) for k in RECALLS}
    median = 1 + int(np.searchsorted(found, 0.5 - 1e-9))  # less rounding
    return {**recalls, f"map_{DEPTH}": precision_chance(n_right, n_items), "median_rank": median}


def _same(caption: str) -> str:
    """Texts with the same key are one."""
    return " ".join(caption.casefold().split()).removesuffix(".").rstrip()


def _grouped(keys: np.ndarray, values: np.ndarray, count: int) -> list[np.ndarray]:
    """For each key from 0 to count - 1 its distinct values."""
    pairs = np.unique(np.stack([keys, values], axis=1), axis=0)
    return np.split(pairs[:, 1], np.searchsorted(pairs[:, 0], np.arange(1, count)))


def _spread(found: Found, clips: np.ndarray) -> list[int]:
    """Some queries of a rank beyond the first, each of another clip, evenly spread over all such from near to far."""
    late = [int(query) for query in np.argsort(found.rank, kind="stable") if found.rank[query] > 1]
    farthest = sorted({clips[query]: query for query in late}.values(), key=lambda query: int(found.rank[query]))
    places = np.linspace(0, len(farthest) - 1, min(EXAMPLES, len(farthest)))
    return [farthest[round(place)] for place in places]
