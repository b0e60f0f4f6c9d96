"""What the benchmarks compute from their runs, and what the README takes from their result files."""

from argparse import Namespace

import esc10
import numpy as np
import pytest
import readme
import search


def test_the_readme_holds_the_figures_of_the_result_files() -> None:
    assert readme.figures() in readme.README.read_text(encoding="utf-8")


def run_row(fold: int, seed: int, correct: float) -> dict[str, object]:
    """A student's row of the results, with figures that give themselves away in a mean."""
    return {
        "arm": "views",
        "fold": fold,
        "seed": seed,
        "student_accuracy": correct,
        "student_wall_s": 100.0 * fold,
        "teacher_wall_s": 50.0 * fold,
        "data_share": 0.01 * fold,
        "made_with": f"commit {fold}",
        **dict.fromkeys(("agreement", "cosine", "centred_cosine", "knn10_overlap", "knn10_chance"), 0.1 * fold),
    }


def test_a_summary_means_folds_and_seeds_and_draws_recordings() -> None:
    # Two folds of 20 clips, two seeds; the teacher misses clip 0 of each fold, the student clips 0 to 3 with seed 0.
    rows = [run_row(fold, seed, 0.8 if seed == 0 else 1.0) for fold in (1, 2) for seed in (0, 1)]
    clips = [
        {
            "arm": "views",
            "seed": seed,
            "clip": 20 * fold + clip,
            "source": f"{fold}-{clip // 2}",
            "teacher": clip > 0,
            "student": clip > 3 or seed == 1,
        }
        for fold in (1, 2)
        for seed in (0, 1)
        for clip in range(20)
    ]
    found = esc10.summarise("views", rows, clips)
    assert (found["n_clips"], found["n_recordings"], found["n_runs"]) == (40, 20, 4)
    assert found["teacher_accuracy"] == pytest.approx(0.95)
    assert found["student_accuracy"] == pytest.approx(0.9)
    assert found["retention"] == pytest.approx(0.9 / 0.95)
    assert found["student_fold_means"] == pytest.approx({"1": 0.9, "2": 0.9})
    assert found["student_fold_sd"] == pytest.approx(0.0)
    assert found["student_seed_sd"] == pytest.approx(np.std([0.8, 1.0], ddof=1))
    assert (found["longest_student_wall_s"], found["longest_teacher_wall_s"]) == (200.0, 100.0)
    assert found["centred_cosine"] == pytest.approx(0.15)
    assert found["made_with"] == ["commit 1", "commit 2"]
    low, high = found["student_ci95"]
    assert low < 0.9 < high
    alone = esc10.summarise("views", rows, [{**clip, "source": str(clip["clip"])} for clip in clips])
    assert high - low > np.ptp(alone["student_ci95"]), "clips of a recording fail together, which tells less"


def test_tracking_counts_the_test_folds_clips_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(esc10, "esc50", lambda *_, **__: range(320))
    rows = [
        {
            "fold": 1,
            "seed": 0,
            "clip": clip,
            "source": str(clip),
            "in_test_fold": clip < 2,
            **dict.fromkeys(("cosine", "centred_cosine", "knn10_overlap"), 0.9 if clip < 2 else 0.5),
        }
        for clip in range(8)
    ]
    found = esc10.summarise_tracking(Namespace(root="anywhere"), rows)
    assert (found["gallery"], found["knn10_chance"]) == (320, pytest.approx(10 / 319))
    assert (found["all_folds"]["n_clips"], found["test_fold"]["n_clips"]) == (8, 2)
    assert found["all_folds"]["centred_cosine"] == pytest.approx(0.6)
    assert found["test_fold"]["centred_cosine"] == pytest.approx(0.9)
    assert esc10.summarise_tracking(Namespace(root="anywhere"), []) == {}


def test_every_arm_and_every_left_out_class_fits_the_recipe() -> None:
    from tinyclap.recipe import load_recipe

    for overrides in esc10.ARMS.values():
        load_recipe("esc10", overrides, task="distill")
    assert len({label for labels in esc10.LEFT_OUT.values() for label in labels}) == 8


def test_a_difference_is_paired_by_seed_and_clip_and_draws_recordings() -> None:
    """The searched student gains 0.1 on every clip of seed 0 and 0.3 of seed 1; in accuracy one clip of seed 0."""

    def outcome(arm: str, seed: int, cosine: float, correct: list[bool]) -> dict[str, object]:
        clips = [
            {"source": f"{number // 2}", "centred_cosine": cosine + 0.01 * number, "correct": right}
            for number, right in enumerate(correct)
        ]
        return {"arm": arm, "seed": seed, "clips": clips, "centred_cosine": cosine, "accuracy": float(np.mean(correct))}

    rows = [
        outcome("searched", 0, 0.9, [True, True, True, False]),
        outcome("by lot", 0, 0.8, [True, True, False, False]),
        outcome("searched", 1, 0.9, [True] * 4),
        outcome("by lot", 1, 0.6, [True] * 4),
        outcome("searched", 2, 0.1, [False] * 4),  # without its partner: left out
    ]
    told = search.difference(rows)
    assert told["seeds"] == [0, 1]
    assert told["centred_cosine"] == pytest.approx(0.2)
    low, high = told["centred_cosine_ci95"]
    assert low <= 0.2 <= high
    assert told["accuracy"] == pytest.approx(1 / 8)
    assert told["searched centred_cosine"] == pytest.approx(0.9)
    assert told["by lot accuracy"] == pytest.approx(0.75)
    assert search.difference(rows[:1]) == {"seeds": []}
