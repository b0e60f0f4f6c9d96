"""Scores against hand-computed cases, independent references and exact algebra."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from tests.support.scored import Case, make_case, unit
from tinyclap.embeddings import zero_shot
from tinyclap.errors import TinyclapError
from tinyclap.evaluation import scores


@pytest.fixture
def case() -> Case:
    return make_case()


class TestScore:
    def test_hand_computed(self) -> None:
        classes = np.eye(3)[:2]
        audio = np.array([[2, 1, 0], [1, 2, 0], [0.1, 0, 5], [0, 3, 1]], dtype=np.float32)  # nearest: 0, 1, 0, 1
        result = scores.score(audio, classes, [0, 0, 0, 1], ["dog", "rain"], folds=[1, 1, 2, 2], templates=["a {}"])
        assert result["accuracy"] == 0.75
        assert result["uar"] == pytest.approx((2 / 3 + 1) / 2)
        assert result["confusion"] == [[2, 1], [0, 1]]
        assert result["folds"] == {
            "accuracy": {"1": 0.5, "2": 1.0},
            "n_clips": {"1": 2, "2": 2},
            "mean": 0.75,
            "sd": pytest.approx(math.sqrt(0.125)),
        }
        assert result["per_class"] == [
            {"label": "dog", "n": 3, "accuracy": pytest.approx(2 / 3)},
            {"label": "rain", "n": 1, "accuracy": 1.0},
        ]
        assert (result["n_clips"], result["n_recordings"], result["clustered"]) == (4, 4, False)
        assert (result["prompts"], result["labels"]) == (["a {}"], ["dog", "rain"])

    def test_one_fold_has_no_deviation_and_no_folds_no_summary(self) -> None:
        one = scores.score(np.eye(2), np.eye(2), [0, 1], ["a", "b"], folds=[5, 5])
        assert one["folds"]["sd"] is None
        assert scores.score(np.eye(2), np.eye(2), [0, 1], ["a", "b"], folds=[None, None])["folds"] is None

    def test_class_without_clips_has_no_accuracy(self) -> None:
        result = scores.score(np.eye(2), np.eye(2), [0, 0], ["a", "b"])
        assert result["per_class"][1] == {"label": "b", "n": 0, "accuracy": None}
        assert result["uar"] == result["accuracy"]  # of the only class that has clips

    def test_scale_of_either_side_does_not_matter(self, case: Case) -> None:
        teacher, _, classes, targets, labels = case
        scale = np.random.default_rng(0).uniform(0.01, 100, size=(60, 1))
        assert scores.score(teacher * scale, classes * scale[:5], targets, labels) == scores.score(
            teacher, classes, targets, labels
        )


class TestCompare:
    def test_ready_for_json_and_consistent_with_score(self, case: Case) -> None:
        teacher, student, classes, targets, labels = case
        sources = [f"recording {index // 3}" for index in range(60)]
        result = scores.compare(teacher, student, classes, targets, labels, sources=sources, folds=list(targets % 2))
        assert json.loads(json.dumps(result, allow_nan=False)) == result
        for name, embeddings in (("teacher", teacher), ("student", student)):
            alone = scores.score(embeddings, classes, targets, labels, sources=sources, folds=list(targets % 2))
            assert result[name] == {key: alone[key] for key in ("accuracy", "ci95", "uar", "folds")}
            assert result["confusion"][name] == alone["confusion"]
            assert [row[name] for row in result["per_class"]] == [row["accuracy"] for row in alone["per_class"]]
        assert result["retention"] == result["student"]["accuracy"] / result["teacher"]["accuracy"]
        assert result["difference"] == result["student"]["accuracy"] - result["teacher"]["accuracy"]
        assert result["difference_ci95"][0] < result["difference"] < result["difference_ci95"][1]
        assert result["retention_ci95"][0] < result["retention"] < result["retention_ci95"][1]
        assert result["agreement"] == np.mean(
            zero_shot.predict(teacher, classes) == zero_shot.predict(student, classes)
        )
        assert (result["n_clips"], result["n_recordings"], result["clustered"]) == (60, 20, True)

    def test_a_teacher_alone_has_the_same_figures_under_the_same_keys(self, case: Case) -> None:
        teacher, student, classes, targets, labels = case
        both = scores.compare(teacher, student, classes, targets, labels)
        alone = scores.compare(teacher, None, classes, targets, labels)
        assert alone["teacher"] == both["teacher"]
        assert alone["confusion"] == {"teacher": both["confusion"]["teacher"]}
        assert [row["teacher"] for row in alone["per_class"]] == [row["teacher"] for row in both["per_class"]]
        assert both.keys() - alone.keys() == {
            "student",
            *("retention", "retention_ci95", "difference", "difference_ci95", "mcnemar_p", "agreement"),
            *("cosine", "centred_cosine", "knn10_overlap", "knn10_chance"),
        }

    def test_same_seed_same_result_other_seed_other_interval(self, case: Case) -> None:
        teacher, student, classes, targets, labels = case
        first, again = (scores.compare(teacher, student, classes, targets, labels, seed=1) for _ in range(2))
        other = scores.compare(teacher, student, classes, targets, labels, seed=2)
        assert first == again
        assert first["retention_ci95"] != other["retention_ci95"]
        assert first["retention"] == other["retention"]

    def test_rotating_the_whole_space_changes_nothing(self, case: Case) -> None:
        teacher, student, classes, targets, labels = case
        rotation, _ = np.linalg.qr(np.random.default_rng(8).normal(size=(16, 16)))
        mean = unit(teacher).mean(axis=0) + 0.01
        plain = scores.compare(teacher, student, classes, targets, labels, mean=mean)
        turned = scores.compare(
            teacher @ rotation, student @ rotation, classes @ rotation, targets, labels, mean=mean @ rotation
        )
        for key in ("cosine", "centred_cosine"):
            assert turned.pop(key) == pytest.approx(plain.pop(key), abs=1e-6)
        assert turned == plain

    def test_a_perfect_student(self, case: Case) -> None:
        teacher, _, classes, targets, labels = case
        result = scores.compare(teacher, 3 * teacher, classes, targets, labels)
        assert (result["retention"], result["agreement"], result["mcnemar_p"]) == (1.0, 1.0, 1.0)
        assert result["knn10_overlap"] == 1.0
        assert result["cosine"] == pytest.approx(1)
        assert result["centred_cosine"] == pytest.approx(1)

    def test_what_few_clips_cannot_tell_is_none(self) -> None:
        one = scores.compare(np.eye(2)[:1], np.eye(2)[1:], np.eye(2), [0], ["a", "b"])
        assert one["centred_cosine"] is one["knn10_overlap"] is one["knn10_chance"] is None
        assert one["retention"] == 0.0

    def test_teacher_that_is_never_right_has_no_retention(self) -> None:
        result = scores.compare(np.eye(2), np.eye(2), np.eye(2), [1, 0], ["a", "b"])
        assert result["retention"] is None
        assert result["retention_ci95"] is None


def _replaced(position: int, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[list], list]:
    return lambda arguments: [change(a.copy()) if i == position else a for i, a in enumerate(arguments)]


def _with_row(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array[7] = value
        return array

    return change


class TestBadInput:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (_replaced(0, lambda a: a[:0]), r"teacher: expected a non-empty .* got shape \(0, 16\)"),
            (_replaced(0, lambda a: a[0]), r"teacher: expected .* got shape \(16,\)"),
            (_replaced(1, _with_row(np.nan)), r"student, shape \(60, 16\): row 7 holds NaN"),
            (_replaced(0, _with_row(np.inf)), "teacher.*row 7 holds NaN or infinite"),
            (_replaced(1, _with_row(0)), "student.*row 7 is zero"),
            (_replaced(1, lambda a: a[:, :8]), r"student: shape \(60, 8\), teacher: shape \(60, 16\)"),
            (_replaced(2, lambda a: a[:, :8]), r"audio \(60, 16\), classes \(5, 8\)"),
            (_replaced(2, lambda a: a[:4]), r"5 labels for classes of shape \(4, 16\)"),
            (_replaced(3, lambda a: a + 1), "targets: 5 is out of range; allowed are 0 to 4"),
            (_replaced(3, lambda a: a - 1), "targets: -1 is out of range"),
            (_replaced(3, lambda a: a / 2), "targets: expected a list of integers, got float64"),
            (_replaced(3, lambda a: a[:-1]), r"59 targets for audio of shape \(60, 16\)"),
        ],
    )
    def test_the_argument_and_its_shape_are_named(self, case: Case, change: Callable, message: str) -> None:
        with pytest.raises(TinyclapError, match=message):
            scores.compare(*change(list(case)))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"folds": [1, 2]}, "folds: 2 given for 60 clips"),
            ({"sources": ["a"]}, "sources: 1 given for 60 clips"),
            ({"n_bootstrap": 0}, "n_bootstrap: 0 given"),
            ({"mean": np.ones(3)}, r"mean: expected 16 finite numbers, got shape \(3,\)"),
            ({"mean": np.full(16, np.nan)}, "mean: expected 16 finite numbers"),
        ],
    )
    def test_options_are_named(self, case: Case, options: dict, message: str) -> None:
        with pytest.raises(TinyclapError, match=message):
            scores.compare(*case, **options)
