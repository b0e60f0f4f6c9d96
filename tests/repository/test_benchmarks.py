"""What the benchmarks compute from their runs; that the pages hold it, test_documentation tells."""

import math
from argparse import Namespace
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.esc10 import prune, search, train_baselines
from benchmarks.esc10 import study as esc10
from benchmarks.esc50 import unknown
from benchmarks.figures import pictures
from benchmarks.figures import plateau as plateau_figures
from benchmarks.library import duplicates, esc50_retrieval
from benchmarks.library import growth as library_growth
from benchmarks.models import run
from benchmarks.training import plateau
from tinyclap.data.dataset import Clip, Dataset
from tinyclap.reports.plots.scatter import Point
from tinyclap.teachers.dual.towers import Cnn14Tower


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
    from tinyclap.config.load_recipe import load_recipe

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


def timed(window_s: float, p50_ms: float, macs: int) -> dict[str, object]:
    """A row of `tinyclap bench`."""
    filled = dict.fromkeys((*run.KEPT, *run.TIMES))
    return {**filled, "name": "one", "window_s": window_s, "p50_ms": p50_ms, "macs": macs, "parameters": 1000}


def test_a_clip_of_five_seconds_takes_whole_windows() -> None:
    """One of LAION's 10 s; ten patches of YAMNet, every 0.48 s; two of 2.5 s."""
    laion = run.row("laion-htsat-tiny", timed(10.0, 80.0, 6_000))
    assert (laion["windows_per_clip"], laion["clip_ms"], laion["macs_per_s"]) == (1, 80.0, 600.0)
    patches = run.row("yamnet", timed(0.96, 3.0, 4_800))
    assert (patches["windows_per_clip"], patches["clip_ms"]) == (10, 30.0)
    assert patches["macs_per_s"] == pytest.approx(10_000.0)
    assert run.row("other", timed(2.5, 1.0, 10))["clip_macs"] == 20
    assert run.row("other", timed(2.5, 1.0, 10))["published"] is None


MODELS = {
    "ours": {
        "name": "ours",
        "accuracy": 0.9,
        "ci95": [0.85, 0.95],
        "clip_ms": 1.0,
        "clip_macs": 1e6,
        "parameters": 1e5,
    },
    "laion": {"name": "LAION", "zero_shot_esc50": 0.9, "clip_ms": 80.0, "clip_macs": 6e9, "parameters": 1e7},
    "mn04": {"name": "mn04", "clip_ms": 5.0, "clip_macs": 1e8, "parameters": 1e6},
}


def test_the_picture_leaves_out_what_has_no_accuracy(tmp_path: Path) -> None:
    assert pictures.points(MODELS, "clip_ms", "accuracy") == [
        Point("ours", "student", 1.0, 0.9, 1e5, (0.85, 0.95)),
    ]
    assert pictures.points(MODELS, "clip_macs", "zero_shot_esc50") == [Point("LAION", "teacher", 6e9, 0.9, 1e7)]
    pictures.pareto(MODELS, tmp_path / "pareto.png", 1)
    assert (tmp_path / "pareto.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_of_pruning_has_a_line_per_method_and_state(tmp_path: Path) -> None:
    """In the order of the dimensions; what was not trained again has its intervals."""
    kept = {"accuracy": 0.9, "ci95": [0.8, 1.0], "overlap": 0.7}
    methods = ("none", "rotation", "rotation (teacher's clips)", f"rotation{prune.AGAIN}", "magnitude")
    sweep = [{"method": method, "dim": dim, **kept} for method in methods for dim in (64, 8)]
    found = prune.lines(sweep, "accuracy")
    assert [line.name for line in found] == ["rotation", f"rotation{prune.AGAIN}", "magnitude"]
    assert found[0].points == [(8, 0.9), (64, 0.9)]
    assert [len(line.band) for line in found] == [2, 0, 2]
    assert found[0].colour == found[1].colour != found[2].colour
    assert found[0].dashes != found[1].dashes
    prune.plot({"sweep": sweep, "knn10_chance": 0.1}, tmp_path / "prune.png")
    assert (tmp_path / "prune.png").read_bytes().startswith(b"\x89PNG")


def test_four_trainings_are_compared_on_the_same_clips() -> None:
    """Ours is right on one clip more of four in every run; pairs are by fold and seed."""

    def row(arm: str, seed: int, correct: list[bool]) -> dict[str, object]:
        told = {"arm": arm, "fold": 1, "seed": seed, "correct": correct, "sources": ["a", "a", "b", "c"]}
        return {**told, "accuracy": float(np.mean(correct)), "parameters": 10, "wall_s": 1.0, "made_with": "here"}

    rows = [row("ours", seed, [True] * 4) for seed in (0, 1)]
    rows += [row("paper", seed, [True, True, True, False]) for seed in (0, 1, 2)]
    told = train_baselines.difference(rows, "paper")
    assert (told["n_pairs"], told["accuracy"]) == (2, 0.25)
    low, high = told["accuracy_ci95"]
    assert low <= 0.25 <= high
    assert train_baselines.arm_summary(rows[:2])["n_clips"] == 4
    assert train_baselines.difference(rows, "supervised") == {}


def test_known_against_unknown_is_counted_over_all_draws() -> None:
    """Two classes, each the only label in turn: of class 0 one clip of two lies above the other class's."""
    clips = unknown.Clips(np.zeros((4, 1)), np.array([0, 0, 1, 1]))
    scores = np.array([[0.9, 0.3], [0.2, 0.1], [0.4, 0.8], [0.3, 0.7]])
    told = unknown._curve("rule", scores, clips, 1)
    above = [[known > other for other in (0.4, 0.3, 0.3, 0.1)] for known in (0.9, 0.2, 0.8, 0.7)]
    assert told["area"] == pytest.approx(np.mean(above))
    judged = unknown.Judged(np.array([0.99, 0.5]), np.array([False, True]), np.array([0.1, 0.9, 0.2, 0.3]), np.zeros(3))
    found = unknown._at(judged, 0.9)
    assert (found["missed"], found["confused"], found["false_alarms"], found["false_alarms_pool"]) == (
        0.5,
        0.5,
        0.25,
        0,
    )
    assert found["false_alarms_per_hour"] == 180


def test_copies_are_counted_by_kind_and_pairs_by_original() -> None:
    originals = np.array([0, 0, 0, 1, 1])
    kinds = ["original", "mp3", "cut", "original", "mp3"]
    links = {(0, 1): 0.99, (1, 2): 0.9, (0, 3): 0.85, (3, 4): 0.7}
    told = duplicates.at_threshold(originals, kinds, links, 0.8)
    assert (told["pairs"], told["precision"]) == (3, 2 / 3)
    assert (told["recall_of"]["mp3"], told["recall_of"]["cut"]) == (0.5, 0.0)
    told = duplicates.at_threshold(originals, kinds, links, 0.6)
    assert (told["pairs"], told["precision"], told["recall_of"]["mp3"]) == (4, 0.75, 1.0)


def test_the_nearest_of_generated_vectors_are_those_of_comparing_all() -> None:
    real = np.random.default_rng(0).normal(size=(50, 12)).astype(np.float32)
    rows = np.concatenate([some for _, some in library_growth.generated(real, 900)])
    found = library_growth.nearest_of_all(real, 900, rows[:5])
    np.testing.assert_array_equal(found, np.argsort(-(rows[:5] @ rows.T), axis=1, kind="stable")[:, :10])


def test_sentences_that_look_for_sounds_name_no_class_and_are_counted_by_class(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = {label for right in esc50_retrieval.QUERIES.values() for label in right}
    words = {word for label in classes for word in label.split("_")}
    assert len(esc50_retrieval.QUERIES) == 10
    assert not words & {word for text in esc50_retrieval.QUERIES for word in text.split()}
    monkeypatch.setattr(esc50_retrieval, "QUERIES", {"from above": ("airplane", "rain"), "wet": ("rain",)})
    monkeypatch.setattr(esc50_retrieval, "FIRST", 2)
    dataset = Dataset("three", [Clip("a", "airplane"), Clip("b", "rain"), Clip("c", "dog")])
    places = {"airplane": 0, "dog": 2, "rain": 1, "from above": 0, "wet": 2}
    found = esc50_retrieval.measured(dataset, np.eye(3), lambda texts: np.eye(3)[[places[t] for t in texts]], ("{}",))
    assert (found["classes"]["map"], found["classes"]["p_10"]) == (1, 0.5)
    above, wet = found["queries"]
    assert above["average_precision"] == pytest.approx((1 + 2 / 3) / 2), "equals count against it"
    assert (above["p_10"], above["n_right"], above["first"]) == (0.5, 2, {"airplane": 1, "dog": 1})
    assert wet["average_precision"] == pytest.approx(1 / 3)
    assert wet["first"] == {"dog": 1, "airplane": 1}


def test_every_arm_of_the_plateau_turns_the_switch_that_it_names() -> None:
    found = plateau.arms()
    ours, notebook = asdict(found["ours"]), asdict(found["notebook"])
    assert all(ours[key] != notebook[key] for key in ours if key != "normalised")
    for name, fields in plateau.SWITCHES.items():
        for begin, own, other in (("notebook", notebook, ours), ("ours", ours, notebook)):
            arm = asdict(found[f"{begin}: the other's {name}"])
            assert arm == {key: (other if key in fields else own)[key] for key in own}
    turned = {key for fields in plateau.SWITCHES.values() for key in fields}
    assert turned | {"normalised"} == set(ours), "every difference has a switch"


def test_the_switches_of_the_plateau_do_what_they_say() -> None:
    clips = [Clip("a", "dog"), Clip("b", "dog"), Clip("c", "rain")]
    apart = plateau.Apart(clips, plateau.TEMPLATES)
    assert apart.alike(np.array([0, 1, 2])).tolist() == np.eye(3, dtype=bool).tolist()
    weights = [list(plateau.new_teacher(s, apart, 0).state_dict().items()) for s in (plateau.OURS, plateau.NOTEBOOK)]
    same = [torch.equal(a, b) for (name, a), (_, b) in zip(*weights, strict=True) if name != "log_logit_scale"]
    assert all(same)
    waveforms = torch.randn(2, round(plateau.WINDOW_S * 44_100), generator=torch.Generator().manual_seed(0))
    for setting in (plateau.OURS, plateau.NOTEBOOK, replace(plateau.OURS, normalised=False)):
        teacher = plateau.new_teacher(setting, apart, 0)
        audio, text = teacher.encode_audio(waveforms), teacher.encode_text(["dog", "rain"])
        (teacher.log_scale.exp() * audio @ text.T)[0, 0].backward()
        assert isinstance(teacher.audio, Cnn14Tower)
        assert (teacher.audio.base.fc1.weight.grad is not None) == setting.audio_gradient
        assert (teacher.log_scale.grad is not None) == setting.learned
        assert all(weight.grad is not None for weight in teacher.audio.projection.parameters())
        norms = torch.cat([audio, text]).norm(dim=-1)
        assert (norms.sub(1).abs().max().item() < 1e-5) == setting.normalised


def test_an_arm_is_told_by_its_last_epoch() -> None:
    curves = {
        seed: [{"loss": 2.0, "logit_scale": 0.07}, {"loss": loss, "logit_scale": 0.08}]
        for seed, loss in (("0", 2.0), ("1", 1.0))
    }
    arm = plateau.summary(plateau.NOTEBOOK, curves)
    assert arm["share_of_chance"] == pytest.approx(1.5 / math.log(8))
    assert arm["share_of_chance_sd"] == pytest.approx(math.sqrt(0.5) / math.log(8))
    table = plateau_figures.plateau({"arms": {"notebook": arm}, "clips": 9, "folds": [1, 2], "complete": True})
    assert "| notebook | 0.07, 0.08 | 96.7 % | 72.1 % ± 34.0 | 2 |" in table
