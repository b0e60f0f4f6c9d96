"""How a student's scores of clips become its teacher's: a line, and how well the two agree."""

from dataclasses import dataclass

import numpy as np

from tinyclap.common.checks import arguments, is_count, is_number
from tinyclap.common.statistics import bootstrap_sums, interval
from tinyclap.errors import TinyclapError

FEWEST = 5  # clips


@dataclass(frozen=True)
class Calibration:
    """Teacher's score = slope * student's score + intercept, by least squares over clips.

    Attributes:
        slope, intercept: of the line.
        pearson: correlation of the scores, and `pearson_ci95`, its cluster bootstrap interval.
        spearman: correlation of their ranks, of equal scores the mean rank.
        error: root of the mean squared difference from the teacher's score that the line of the other clips leaves.
        n_clips: it was made from.
    """

    slope: float
    intercept: float
    pearson: float
    pearson_ci95: tuple[float, float]
    spearman: float
    error: float
    n_clips: int

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Student's scores (N,) as the teacher's would be."""
        return self.slope * np.asarray(scores, np.float64) + self.intercept


def stored_calibration(values: object) -> Calibration:
    """A calibration as JSON keeps it.

    Raises:
        TinyclapError: keys too many or too few, or values of another kind.
    """
    found = arguments(values, Calibration, "calibration")
    ends = found["pearson_ci95"]
    numbers = [found[name] for name in ("slope", "intercept", "pearson", "spearman", "error")]
    if not (isinstance(ends, list) and len(ends) == 2 and all(map(is_number, [*numbers, *ends]))):
        raise TinyclapError("calibration: its line, correlations and error must be numbers")
    if not is_count(found["n_clips"], FEWEST):
        raise TinyclapError(f"calibration: n_clips is {found['n_clips']!r}, expected {FEWEST} or more")
    return Calibration(**{**found, "pearson_ci95": (ends[0], ends[1])})


def calibrate(
    student: np.ndarray, teacher: np.ndarray, recordings: np.ndarray, *, n_bootstrap: int = 2000, seed: int = 0
) -> Calibration:
    """The line from a student's scores (N,) to its teacher's (N,) of the same clips.

    Args:
        student, teacher: of each clip.
        recordings: integers (N,) from 0; clips of one number are drawn together.
        n_bootstrap, seed: resamples for the interval.

    Raises:
        TinyclapError: fewer than FEWEST clips, or scores that are all the same.
    """
    student, teacher = np.asarray(student, np.float64), np.asarray(teacher, np.float64)
    if student.shape != teacher.shape or student.ndim != 1:
        raise TinyclapError(f"scores of shapes {student.shape} and {teacher.shape}; give one of each for every clip")
    if len(student) < FEWEST:
        raise TinyclapError(f"{len(student)} clips are too few to calibrate with; give {FEWEST} or more")
    for name, scores in (("student", student), ("teacher", teacher)):
        if not np.ptp(scores) > 1e-9:
            raise TinyclapError(f"the {name}'s scores are all {scores[0]:.4f}; a calibration needs clips that differ")
    centred = student - student.mean()
    slope = float(centred @ teacher / (centred @ centred))
    intercept = float(teacher.mean() - slope * student.mean())
    leverage = 1 / len(student) + centred**2 / (centred @ centred)
    residual = teacher - (slope * student + intercept)
    # Without the clip itself (PRESS); one that alone decides the line has no other to be judged by.
    without = residual / np.maximum(1 - leverage, 1e-9)
    other = teacher - teacher.mean()
    columns = np.stack([np.ones(len(student)), centred, other, centred**2, other**2, centred * other], axis=1)
    pearson = float(pearson_of(columns.sum(axis=0)[None])[0])
    samples = pearson_of(bootstrap_sums(columns, recordings, n_bootstrap, seed))
    low, high = interval(pearson, samples[np.isfinite(samples)], 0.0, (-1.0, 1.0))
    return Calibration(
        slope,
        intercept,
        pearson,
        (low, high),
        float(np.corrcoef(ranks(student), ranks(teacher))[0, 1]),
        float(np.sqrt(np.mean(without**2))),
        len(student),
    )


def pearson_of(sums: np.ndarray) -> np.ndarray:
    """Correlations (K,) of sums (K, 6) of 1, x, y, x², y² and xy; NaN where x or y does not vary."""
    n, x, y, xx, yy, xy = sums.T
    varying = (n * xx - x**2) * (n * yy - y**2)
    product = n * xy - x * y
    quotient = np.full(len(sums), np.nan)
    np.divide(product, np.sqrt(np.maximum(varying, 0)), out=quotient, where=varying > 1e-18)
    return np.clip(quotient, -1.0, 1.0)


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (N,) from 1; equal values have the mean of theirs."""
    ordered, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[where.reshape(-1)] if len(ordered) else np.zeros(0)
