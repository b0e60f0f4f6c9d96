"""A student's scores as its teacher's: line, correlations and error, each against another way to have it."""

import numpy as np
import pytest
from scipy import stats

from tinyclap.embeddings.calibration import calibrate, pearson_of, ranks
from tinyclap.errors import TinyclapError


def scores(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    student = rng.uniform(0.1, 0.7, n).round(2)  # with equal ones among them
    return student, (0.6 * student + 0.05 + rng.normal(0, 0.05, n)).round(3)


def test_the_line_and_the_correlations() -> None:
    student, teacher = scores()
    made = calibrate(student, teacher, np.arange(60))
    np.testing.assert_allclose((made.slope, made.intercept), np.polyfit(student, teacher, 1), rtol=1e-9)
    assert made.pearson == pytest.approx(stats.pearsonr(student, teacher).statistic)
    assert made.spearman == pytest.approx(stats.spearmanr(student, teacher).statistic)
    assert made.n_clips == 60
    assert made(student).mean() == pytest.approx(teacher.mean())
    low, high = made.pearson_ci95
    assert low < made.pearson < high < 1


def test_the_error_is_that_of_lines_of_the_other_clips() -> None:
    student, teacher = scores(12)
    left = []
    for clip in range(12):
        others = np.arange(12) != clip
        slope, intercept = np.polyfit(student[others], teacher[others], 1)
        left.append(teacher[clip] - (slope * student[clip] + intercept))
    assert calibrate(student, teacher, np.arange(12)).error == pytest.approx(np.sqrt(np.mean(np.square(left))))


def test_the_interval_is_that_of_drawing_again() -> None:
    student, teacher = scores(40)
    drawn = [
        stats.pearsonr(student[rows], teacher[rows]).statistic
        for rows in np.random.default_rng(0).integers(40, size=(2000, 40))
    ]
    made = calibrate(student, teacher, np.arange(40))
    np.testing.assert_allclose(made.pearson_ci95, np.quantile(drawn, [0.025, 0.975]), atol=1e-9)


def test_clips_that_go_together_widen_it() -> None:
    student, teacher = scores(10)
    twelve = np.tile(student, 12), np.tile(teacher, 12)
    alone = np.ptp(calibrate(*twelve, np.arange(120)).pearson_ci95)
    together = np.ptp(calibrate(*twelve, np.tile(np.arange(10), 12)).pearson_ci95)
    assert together > 2 * alone
    assert together == pytest.approx(np.ptp(calibrate(student, teacher, np.arange(10)).pearson_ci95))


def test_ranks_are_scipys() -> None:
    values = np.array([3.0, 1.0, 3.0, 2.0, 3.0, 1.0])
    assert ranks(values).tolist() == stats.rankdata(values).tolist()


def test_what_does_not_vary_has_no_correlation() -> None:
    x, y = np.array([1.0, 2.0, 3.0]), np.full(3, 0.5)
    sums = np.stack([np.ones(3), x, y, x**2, y**2, x * y], axis=1).sum(axis=0)
    assert np.isnan(pearson_of(sums[None])[0])


def test_refusals() -> None:
    student, teacher = scores()
    with pytest.raises(TinyclapError, match="4 clips are too few"):
        calibrate(student[:4], teacher[:4], np.arange(4))
    with pytest.raises(TinyclapError, match=r"the student's scores are all 0\.5000"):
        calibrate(np.full(60, 0.5), teacher, np.arange(60))
    with pytest.raises(TinyclapError, match="give one of each"):
        calibrate(student, teacher[:5], np.arange(60))
