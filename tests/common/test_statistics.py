"""Intervals and tests against plain Python, known values and simulated truth."""

import math
import random

import numpy as np
import pytest

from tinyclap.common import statistics


class TestMcNemar:
    @pytest.mark.parametrize(
        ("only_first", "only_second", "p_value"),
        [
            (0, 0, 1.0),
            (1, 0, 1.0),
            (5, 5, 1.0),
            (6, 0, 2 / 64),
            (2, 10, 2 * (1 + 12 + 66) / 4096),
            (59, 6, 2 * sum(math.comb(65, i) for i in range(7)) / 2**65),
        ],
    )
    def test_known_values(self, only_first: int, only_second: int, p_value: float) -> None:
        assert statistics.mcnemar(only_first, only_second) == pytest.approx(p_value, rel=1e-12)
        assert statistics.mcnemar(only_second, only_first) == statistics.mcnemar(only_first, only_second)

    def test_thousands_of_clips_do_not_overflow(self) -> None:
        assert 0.04 < statistics.mcnemar(4900, 5100) < 0.05  # z = 1.99 with continuity correction
        assert statistics.mcnemar(0, 5000) == 0.0


class TestIntervals:
    def test_against_a_bootstrap_in_plain_python(self) -> None:
        generator = np.random.default_rng(1)
        recordings = generator.integers(12, size=50)
        recordings[:12] = np.arange(12)
        teacher, student = generator.random(50) < 0.7, generator.random(50) < 0.5
        found = statistics.paired_comparison(teacher, student, recordings, 4000, 0)
        clips = [np.flatnonzero(recordings == recording) for recording in range(12)]
        draws = random.Random(0)
        differences, ratios = [], []
        for _ in range(4000):
            drawn = np.concatenate([clips[draws.randrange(12)] for _ in range(12)])
            differences.append(student[drawn].mean() - teacher[drawn].mean())
            ratios.append(student[drawn].mean() / teacher[drawn].mean())
        np.testing.assert_allclose(found["difference_ci95"], np.percentile(differences, [2.5, 97.5]), atol=0.02)
        np.testing.assert_allclose(found["retention_ci95"], np.percentile(ratios, [2.5, 97.5]), atol=0.03)

    def test_clips_of_one_recording_widen_the_interval(self) -> None:
        correct = np.repeat(np.random.default_rng(2).random(40) < 0.7, 5)  # five clips of a recording fare alike

        def width(sources: list[str | None] | None) -> float:
            low, high = statistics.accuracy_interval(correct, statistics.recording_ids(sources, 200), 4000, 0)
            return high - low

        single, clustered = width(None), width([str(index // 5) for index in range(200)])
        assert clustered == pytest.approx(single * math.sqrt(5), rel=0.1)
        assert width([None] * 200) == single  # unknown recordings are recordings of their own

    def test_clustered_intervals_cover_the_truth_and_clip_wise_ones_do_not(self) -> None:
        generator = np.random.default_rng(4)
        recordings, covered = np.repeat(np.arange(50), 4), np.zeros(2)
        for trial in range(150):
            correct = generator.random(200) < np.repeat(generator.beta(0.7, 0.3, size=50), 4)  # mean 0.7
            for kind, units in enumerate((recordings, np.arange(200))):
                low, high = statistics.accuracy_interval(correct, units, 400, trial)
                covered[kind] += (low <= 0.7 <= high) / 150
        assert 0.89 < covered[0] < 0.99
        assert covered[1] < 0.85

    def test_recordings_are_numbered_by_their_source(self) -> None:
        ids = statistics.recording_ids(["b", None, "a", "b", None], 5)
        assert ids.tolist() == [0, 1, 2, 0, 3]

    def test_flawless_sample_still_leaves_room_for_doubt(self) -> None:
        right = np.ones(20, dtype=bool)
        low, high = statistics.accuracy_interval(right, np.arange(20), 100, 0)
        assert low == pytest.approx(0.025 ** (1 / 20))  # Clopper-Pearson: 83.2 % for 20 of 20
        assert high == 1.0
        assert statistics.accuracy_interval(~right, np.arange(20), 100, 0) == pytest.approx([0, 1 - low])
        pair = statistics.paired_comparison(right, right, np.arange(20), 100, 0)
        assert pair["difference_ci95"] == pytest.approx([low - 1, 1 - low])
        assert pair["retention_ci95"] == pytest.approx([low, 1.0])

    def test_one_recording_says_nothing_about_others(self) -> None:
        correct = np.array([True, True, True, False])
        low, high = statistics.accuracy_interval(correct, np.zeros(4, dtype=int), 100, 0)
        assert low == 0.0
        assert high == 1.0

    def test_resampling_in_blocks_draws_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        values = np.random.default_rng(0).random((30, 2))
        whole = statistics.bootstrap_sums(values, np.arange(30), 50, 0)
        monkeypatch.setattr(statistics, "_BLOCK", 90)
        np.testing.assert_array_equal(statistics.bootstrap_sums(values, np.arange(30), 50, 0), whole)


@pytest.mark.parametrize("n_recordings", [7, 12])
def test_medians_are_those_of_the_clips_that_were_drawn(n_recordings: int) -> None:
    rng = np.random.default_rng(2)
    recordings = np.concatenate([np.arange(n_recordings), rng.integers(n_recordings, size=20)])
    values = rng.integers(1, 40, size=len(recordings))
    found = statistics.bootstrap_medians(values, recordings, 50, 4)
    draws = np.random.default_rng(4).integers(n_recordings, size=(50, n_recordings))
    expected = [np.median(np.concatenate([values[recordings == recording] for recording in draw])) for draw in draws]
    assert found.tolist() == expected
