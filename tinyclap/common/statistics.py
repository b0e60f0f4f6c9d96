"""Intervals and tests for accuracies over clips, several of which may be cut from one recording.

Clips of one recording succeed and fail together, so the recording, not the clip, is the unit that is drawn again
(cluster bootstrap: Davison & Hinkley 1997, *Bootstrap Methods and their Application*, section 3.8).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from tinyclap.errors import TinyclapError

TAIL = 0.025  # each side of a 95 % interval
_BLOCK = 2_000_000  # recordings drawn at once, which bounds the memory at some tens of MB


def recording_ids(sources: Sequence[str | None] | None, n_clips: int) -> np.ndarray:
    """Number the recordings: (n_clips,) integers from 0. A clip without a source is a recording of its own."""
    if sources is None:
        return np.arange(n_clips)
    if len(sources) != n_clips:
        raise TinyclapError(f"sources: {len(sources)} given for {n_clips} clips; give one per clip (None: unknown)")
    numbers: dict[object, int] = {}
    keys = [("clip", index) if source is None else ("source", source) for index, source in enumerate(sources)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys])


def bootstrap_sums(values: np.ndarray, recordings: np.ndarray, n_bootstrap: int, seed: int) -> np.ndarray:
    """Column sums of `values` (N, K) in `n_bootstrap` resamples of whole recordings, (n_bootstrap, K).

    Every column sees the same draws, and so does every call with the same recordings and seed: ratios and
    differences of columns are paired.
    """
    if n_bootstrap < 1:
        raise TinyclapError(f"n_bootstrap: {n_bootstrap} given; at least 1 resample is needed (2000 is usual)")
    n_recordings = int(recordings.max()) + 1
    sums = np.zeros((n_recordings, values.shape[1]))
    np.add.at(sums, recordings, values)
    return np.concatenate([sums[draws].sum(axis=1) for draws in _draws(n_recordings, n_bootstrap, seed)])


def _draws(n_recordings: int, n_bootstrap: int, seed: int) -> Iterator[np.ndarray]:
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK // n_recordings)
    for start in range(0, n_bootstrap, rows):
        yield generator.integers(n_recordings, size=(min(rows, n_bootstrap - start), n_recordings))


def unseen_share(n_recordings: int) -> float:
    """The largest share of a kind of recording that `n_recordings` draws miss altogether once in forty times.

    Clopper & Pearson's exact bound at a count of zero: (1 - share) ** n = 0.025.
    """
    return float(1 - TAIL ** (1 / n_recordings))


def interval(value: float, samples: np.ndarray, margin: float, limits: tuple[float, float]) -> list[float]:
    """The 95 % percentile interval of bootstrap `samples`, or `value` ± `margin` within `limits` where all are equal.

    Resampling cannot show what the sample lacks: with every clip right its interval has no width at all. The
    margin (see `unseen_share`) says what may have been missed.
    """
    if np.ptp(samples) > 1e-12:
        low, high = np.quantile(samples, [TAIL, 1 - TAIL])
    else:
        low, high = max(limits[0], value - margin), min(limits[1], value + margin)
    return [float(low), float(high)]


def accuracy_interval(correct: np.ndarray, recordings: np.ndarray, n_bootstrap: int, seed: int) -> list[float]:
    """95 % interval of the mean of `correct` (N,), with `recordings` (N,) resampled as wholes."""
    columns = np.stack([np.ones(len(correct)), correct], axis=1)
    n_clips, n_correct = bootstrap_sums(columns, recordings, n_bootstrap, seed).T
    margin = unseen_share(int(recordings.max()) + 1)
    return interval(float(np.mean(correct)), n_correct / n_clips, margin, (0.0, 1.0))


def bootstrap_medians(values: np.ndarray, recordings: np.ndarray, n_bootstrap: int, seed: int) -> np.ndarray:
    """Medians of `values` (N,) in resamples of whole recordings, (n_bootstrap,); the draws are those of others.

    Of an even number of values it is the mean of the middle two, as of `np.median`.
    """
    order = np.argsort(values, kind="stable")
    ranked, owners, n_recordings = np.asarray(values)[order], recordings[order], int(recordings.max()) + 1
    medians = []
    for draws in _draws(n_recordings, n_bootstrap, seed):
        for draw in draws:
            seen = np.cumsum(np.bincount(draw, minlength=n_recordings)[owners])
            middle = np.searchsorted(seen, [(seen[-1] - 1) // 2, seen[-1] // 2], side="right")
            medians.append(ranked[middle].mean())
    return np.array(medians)


def paired_comparison(
    teacher: np.ndarray, student: np.ndarray, recordings: np.ndarray, n_bootstrap: int, seed: int
) -> dict:
    """Student against teacher on the same clips; `teacher` and `student` are (N,), true where the model was right.

    Returns `difference` (student minus teacher) and `retention` (student over teacher) with their paired cluster
    bootstrap intervals, and `mcnemar_p`. Retention is None where the teacher was never right; resamples in which
    it is never right are left out of the interval.
    """
    columns = np.stack([teacher, student], axis=1).astype(float)
    n_teacher, n_student = bootstrap_sums(columns, recordings, n_bootstrap, seed).T
    margin = unseen_share(int(recordings.max()) + 1)
    accuracy = float(np.mean(teacher))
    difference, difference_ci95 = paired_difference(teacher, student, recordings, n_bootstrap, seed)
    result = {
        "difference": difference,
        "difference_ci95": difference_ci95,
        "retention": None,
        "retention_ci95": None,
        "mcnemar_p": mcnemar(int(np.sum(teacher & ~student)), int(np.sum(student & ~teacher))),
    }
    known = n_teacher > 0
    if accuracy > 0 and known.any():
        retention = float(np.mean(student)) / accuracy
        ratios = n_student[known] / n_teacher[known]
        result["retention"] = retention
        result["retention_ci95"] = interval(retention, ratios, margin / accuracy, (0.0, 1 / accuracy))
    return result


def paired_difference(
    first: np.ndarray, second: np.ndarray, recordings: np.ndarray, n_bootstrap: int, seed: int
) -> tuple[float, list[float]]:
    """The mean of second minus first, both (N,) in [0, 1], with its paired cluster bootstrap interval."""
    columns = np.stack([np.ones(len(first)), second.astype(float) - first], axis=1)
    n_clips, sums = bootstrap_sums(columns, recordings, n_bootstrap, seed).T
    difference = float(np.mean(second) - np.mean(first))
    margin = unseen_share(int(recordings.max()) + 1)
    return difference, interval(difference, sums / n_clips, margin, (-1.0, 1.0))


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value that two models are right equally often (McNemar 1947, binomial form).

    `only_first` and `only_second` count the clips that one model gets right and the other wrong. Clips of one
    recording count as independent here; the paired bootstrap interval does not assume that.
    """
    n_discordant = only_first + only_second
    term = total = 1  # C(n, 0), then the sum of C(n, i) up to the smaller count, in whole numbers
    for i in range(min(only_first, only_second)):
        term = term * (n_discordant - i) // (i + 1)
        total += term
    return min(1.0, float(2 * total / 2**n_discordant))


def fold_summary(correct: np.ndarray, folds: Sequence[int | None] | None) -> dict | None:
    """Accuracy per fold, their mean and standard deviation (ddof 1; None for one fold); None without folds."""
    if folds is None or all(fold is None for fold in folds):
        return None
    if len(folds) != len(correct):
        raise TinyclapError(f"folds: {len(folds)} given for {len(correct)} clips; give one per clip (None: no fold)")
    members: dict[int, list[bool]] = {fold: [] for fold in sorted({int(f) for f in folds if f is not None})}
    for fold, right in zip(folds, correct, strict=True):
        if fold is not None:
            members[int(fold)].append(bool(right))
    means = {str(fold): float(np.mean(rights)) for fold, rights in members.items()}
    accuracies = list(means.values())
    return {
        "accuracy": means,
        "n_clips": {str(fold): len(rights) for fold, rights in members.items()},
        "mean": float(np.mean(accuracies)),
        "sd": float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
    }
