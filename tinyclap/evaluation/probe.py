"""What a model's ears and words understand, by puzzles with known answers (`data.probes`).

The accuracy of choosing the right text among confusable ones, and the right recording. As in Winoground (Thrush et al.
2022, arXiv 2204.03162) a puzzle offers each text's opposite too, so that a bias to one of them is worth nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import soxr

from tinyclap.common.progress import counted
from tinyclap.common.statistics import accuracy_interval, recording_ids
from tinyclap.data.probes.probes import PROBES, puzzles_of
from tinyclap.data.probes.puzzles import Item, Probe, Puzzle, Sum, scenes_of, texts_of
from tinyclap.data.probes.scenes import Scene, render
from tinyclap.data.procedural.synthesis import INTERNAL_RATE
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError

TIE = 1e-6  # cosines nearer than this are equal: rounding must not decide
OF_PAIRS = ("together", "arithmetic")
BY_ONE = 1 / 2  # of pairs: whoever knows one of the two alone is right so often
ALL_OF_TWO = 1 / 6  # chance of both texts and both recordings, of the 24 orders of four cosines (Winoground, section 4)
SHORTEST_S, LONGEST_S = 5.0, 12.0
SCENES_AT_ONCE = 16

Vectors = Mapping[Scene | str, np.ndarray]


@dataclass(frozen=True)
class Ears:
    """What hears.

    Attributes:
        name: "teacher", "student" or a bundle's.
        sample_rate: of its encoder, Hz.
        window_s: of its encoder, seconds.
        embed: recordings (N, T) at this rate, float32 -> (N, D).
        place: texts (N, E) into the space of its embeddings; None where it is that of the words.
    """

    name: str
    sample_rate: int
    window_s: float
    embed: Callable[[np.ndarray], np.ndarray]
    place: Callable[[np.ndarray], np.ndarray] | None = None


@dataclass(frozen=True)
class Words:
    """What reads: `name` as of `Ears`, `embed` N texts -> (N, E)."""

    name: str
    embed: Callable[[list[str]], np.ndarray]


def probe(
    ears: Sequence[Ears],
    words: Sequence[Words],
    *,
    n: int = 50,
    seed: int = 0,
    n_bootstrap: int = 2000,
) -> dict[str, Any]:
    """Measure every pair of ears and words on recordings, and all words on texts alone.

    Args:
        ears: none measures words alone.
        words: at least one.
        n: puzzles (or groups of them) of each probe.
        seed: other seeds give other puzzles.
        n_bootstrap: resamples of the intervals, of whole puzzles.

    Returns:
        `seed`, `n`, `duration_s` of the recordings, `recordings`, `texts`, and `probes`: each with `probe`, `kind`,
        `asks`, `choices`, `chance`, `puzzles`, of pairs of sounds `by_one` (what knowing one of them alone is worth),
        and `by`, a row for each pair with `ears` (not of texts alone), `words` and scores (`accuracy`, `ci95`, `n`):
        `right_text`, `right_sound`, of two choices also `all` (every text and recording of a puzzle is right;
        `chance_all`), and of paraphrases `agreement`, the share of recordings for which all wordings choose alike.

    Raises:
        TinyclapError: no words, or n or seed out of range.
    """
    if not words:
        raise TinyclapError("a probe reads texts; give words")
    chosen = [one for one in PROBES if ears or one.kind == "texts"]
    puzzles = [(one, puzzles_of(one, n, seed)) for one in chosen]
    every = [puzzle for _, made in puzzles for puzzle in made]
    texts, scenes = texts_of(every), scenes_of(every)
    duration_s = float(np.clip(max((one.window_s for one in ears), default=0.0), SHORTEST_S, LONGEST_S))
    read: dict[str, Vectors] = {one.name: dict(zip(texts, one.embed(texts), strict=True)) for one in words}
    heard = _hear(ears, scenes, seed, duration_s)
    placed = {
        (ear.name, name): _placed(ear, heard[ear.name], vectors) for ear in ears for name, vectors in read.items()
    }
    rows = []
    for one, made in puzzles:
        by: list[dict[str, Any]] = []
        if one.kind == "texts":
            by += [{"words": name, **_scores(made, read[name], n_bootstrap, seed)} for name in read]
        else:
            by += [
                {"ears": ear, "words": name, **_scores(made, vectors, n_bootstrap, seed)}
                for (ear, name), vectors in placed.items()
            ]
        rows.append({**_about(one, made), "by": by})
    counts = {"recordings": len(scenes), "texts": len(texts)}
    return {"seed": seed, "n": n, "duration_s": duration_s if ears else None, **counts, "probes": rows}


def _about(one: Probe, made: Sequence[Puzzle]) -> dict[str, Any]:
    """What is asked, and how often chance is right."""
    choices = len(made[0].texts)
    about = {"probe": one.name, "kind": one.kind, "asks": one.asks, "choices": choices, "chance": 1 / choices}
    more = {"by_one": BY_ONE} if one.name in OF_PAIRS else {"chance_all": ALL_OF_TWO} if choices == 2 else {}
    return {**about, **more, "puzzles": len(made)}


def _hear(
    ears: Sequence[Ears], scenes: Sequence[Scene], seed: int, duration_s: float
) -> dict[str, dict[Scene | str, np.ndarray]]:
    """Every scene as each hears it; rendered once for all."""
    heard: dict[str, dict[Scene | str, np.ndarray]] = {one.name: {} for one in ears}
    firsts = range(0, len(scenes) if ears else 0, SCENES_AT_ONCE)
    for first in counted(firsts, "probe", len(firsts), "block"):
        block = scenes[first : first + SCENES_AT_ONCE]
        recordings = np.stack([render(scene, seed, duration_s) for scene in block])
        for one in ears:
            heard[one.name].update(zip(block, one.embed(_resampled(recordings, one.sample_rate)), strict=True))
    return heard


def _resampled(recordings: np.ndarray, rate: int) -> np.ndarray:
    """Recordings (N, T) from INTERNAL_RATE to a rate, float32."""
    if rate == INTERNAL_RATE:
        return recordings
    return np.stack([soxr.resample(one, INTERNAL_RATE, rate, quality="HQ") for one in recordings])


def _placed(ear: Ears, scenes: Vectors, texts: Vectors) -> Vectors:
    """Scenes and texts in one space."""
    rows = np.stack(list(texts.values()))
    moved = rows if ear.place is None else ear.place(rows)
    return {**scenes, **dict(zip(texts, moved, strict=True))}


def _scores(made: Sequence[Puzzle], vectors: Vectors, n_bootstrap: int, seed: int) -> dict[str, Any]:
    """Accuracies on the puzzles of one probe."""
    results = [solve(puzzle, vectors) for puzzle in made]
    groups = [str(puzzle.group) for puzzle in made]

    def score(hits: Sequence[np.ndarray]) -> dict[str, Any]:
        flat = np.concatenate(hits)
        owners = [group for group, found in zip(groups, hits, strict=True) for _ in found]
        interval = accuracy_interval(flat, recording_ids(owners, len(owners)), n_bootstrap, seed)
        return {"accuracy": float(flat.mean()), "ci95": interval, "n": len(flat)}

    texts, sounds = ([one[side] for one in results] for side in ("texts", "sounds"))
    if made[0].kind == "texts":  # both sides are texts
        found = {"right_text": score([np.concatenate(pair) for pair in zip(texts, sounds, strict=True)])}
    else:
        found = {"right_text": score(texts), "right_sound": score(sounds)}
    if len(made[0].texts) == 2:
        both = [np.concatenate(pair) for pair in zip(texts, sounds, strict=True)]
        found["all"] = score([np.array([float((hits == 1).all())]) for hits in both])
    if made[0].kind == "sounds" and len(made) > len(set(groups)):
        found["agreement"] = _agreement(made, results)
    return found


def _agreement(made: Sequence[Puzzle], results: Sequence[Mapping[str, np.ndarray]]) -> Any:
    """The share of recordings for which all puzzles of a group choose the same text."""
    alike = []
    for _, members in groupby(zip(made, results, strict=True), key=lambda pair: pair[0].group):
        chosen = np.stack([result["chosen"] for _, result in members])
        alike.append((chosen == chosen[0]).all(axis=0))
    return float(np.concatenate(alike).mean())


def solve(puzzle: Puzzle, vectors: Vectors) -> dict[str, np.ndarray]:
    """What is chosen in one puzzle: a share of 1 for a right choice, 1/m where m choices tie.

    Args:
        puzzle: of K choices.
        vectors: embeddings of its scenes and texts, (D,), any length but 0.

    Returns:
        `texts` (K,), whether the right text is chosen for each asked; `sounds` (K,), whether the right one of the
        asked (of the targets, where there are some) is chosen; `chosen` (K,), the texts' places.
    """
    asked = np.stack([_vector(item, vectors) for item in puzzle.asked])
    texts = np.stack([_vector(text, vectors) for text in puzzle.texts])
    cosines = asked @ texts.T
    back = cosines.T
    if puzzle.targets:
        back = asked @ np.stack([_vector(scene, vectors) for scene in puzzle.targets]).T
    return {"texts": _hits(cosines), "sounds": _hits(back), "chosen": cosines.argmax(axis=1)}


def _hits(cosines: np.ndarray) -> np.ndarray:
    """How right the nearest of each row of (K, K) is, whose own is on the diagonal."""
    nearest = cosines >= cosines.max(axis=1, keepdims=True) - TIE
    shares: np.ndarray = np.diagonal(nearest) / nearest.sum(axis=1)
    return shares


def _vector(item: Item, vectors: Vectors) -> np.ndarray:
    """Unit-norm float64 (D,): of a sum, the sum of unit vectors."""
    if isinstance(item, Sum):
        return unit(np.sum([unit(np.asarray(vectors[term], np.float64)) for term in item.terms], axis=0))
    return unit(np.asarray(vectors[item], np.float64))
