"""What the ablation of SLAP's objectives computes from its runs."""

from dataclasses import fields

import numpy as np
import pytest

from benchmarks.figures.slap import objectives
from benchmarks.training import slap
from tinyclap.data.dataset import Clip
from tinyclap.training.options import PretrainOptions


def test_a_difference_is_paired_by_clip_and_draws_recordings() -> None:
    """Ten recordings of two clips; the arm names clip 0 of each right with both seeds, the other one with one seed."""
    arm, other = np.zeros((2, 20)), np.zeros((2, 20))
    arm[:, ::2], other[0, ::2] = 1.0, 1.0
    told = slap.summary(arm, other, np.arange(20) // 2)
    assert told["accuracy"] == pytest.approx(0.5)
    assert told["by_seed"] == pytest.approx([0.5, 0.5])
    assert told["difference"] == pytest.approx(0.25)
    assert told["difference_by_seed"] == pytest.approx([0.0, 0.5])
    low, high = told["difference_ci95"]
    assert low <= 0.25 <= high
    assert "difference" not in slap.summary(arm, None, np.arange(20) // 2)


def test_every_arm_differs_from_its_partner_in_what_its_name_says() -> None:
    for name, arm in slap.ARMS.items():
        mine, theirs = slap.options(arm, 3), slap.options(slap.ARMS[arm.beside], 3)
        changed = {
            entry.name for entry in fields(PretrainOptions) if getattr(mine, entry.name) != getattr(theirs, entry.name)
        }
        told = {"contrast, masked": {"masked"}, "contrast, captioning": {"captioning"}, "sigmoid": {"loss"}}
        assert changed == ({"masked", "captioning"} if name == "all" else told.get(name, set())), name
        partner = slap.ARMS[arm.beside]
        others = [arm.vit != partner.vit, arm.own_length != partner.own_length, arm.pool_words != partner.pool_words]
        assert sum(others) + bool(changed) == (0 if name == arm.beside else 1), name


def test_without_the_pools_words_its_clips_are_silent() -> None:
    clips = [Clip("a", label="rain"), Clip("b", captions=("axe hit",))]
    assert slap.captions_of(clips, pool_words=True).known.tolist() == [True, True]
    assert slap.captions_of(clips, pool_words=False).known.tolist() == [True, False]


def test_the_table_says_what_is_not_trained_yet() -> None:
    arm = slap.summary(np.ones((2, 20)), np.zeros((2, 20)), np.arange(20)) | {
        "beside": "contrast",
        "seeds": [0, 1],
        "cpu_s": 90.0,
    }
    found = {"arms": {"all": arm}, "folds": [1, 2], "complete": False, "clips": 100, "pool_clips": 30, "epochs": 4}
    found |= {"shortest_s": 0.2, "longest_s": 10.0, "test_fold": 5, "test_clips": 20, "recordings": 20}
    table = objectives(found)
    assert "Not all arms and seeds have been trained yet." in table
    assert "| all | 100.0 %" in table
    assert "+100.0, +100.0 | 1.5 |" in table
    assert objectives(None) == ""
