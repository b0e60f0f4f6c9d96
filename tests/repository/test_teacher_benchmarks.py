"""What the scripts on two teachers and on the joint width make of their rows."""

from argparse import Namespace
from typing import Any

import numpy as np
import pytest

from benchmarks.esc10 import joint_width, two_teachers
from benchmarks.esc10.two_teachers import BOTH, OWN, TAGGER, WIDE
from benchmarks.figures.teachers import several_teachers
from tinyclap.config.load_recipe import load_recipe
from tinyclap.hardware.traced_costs import n_parameters
from tinyclap.models.student import Student

GIVEN = Namespace(root="not read")


@pytest.fixture(autouse=True)
def two_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four clips, two folds of two; each fold's are of one recording."""
    for module in (two_teachers, joint_width):
        monkeypatch.setattr(module, "recordings_of", lambda given, folds: np.array([0, 0, 1, 1]))


def row(arm: str, fold: int, seed: int, **heads: str) -> dict[str, Any]:
    found = {
        name: {"student": bits, "teacher": "11", "centred_cosine": 0.5 + 0.1 * seed} for name, bits in heads.items()
    }
    sizes = {"parameters": 7, "embed_dim": 3}
    return {"arm": arm, "epochs": 6, "views": 2, "fold": fold, "seed": seed, "heads": found, **sizes}


def test_a_student_of_both_is_compared_with_that_of_one_on_the_same_clips() -> None:
    alone = [row(OWN, 1, 0, own="11"), row(OWN, 1, 1, own="10"), row(OWN, 2, 0, own="00"), row(OWN, 2, 1, own="00")]
    of_both = [
        row(BOTH, fold, seed, own=bits, tagger="11", both="11")
        for fold, seed, bits in ((1, 0, "11"), (1, 1, "11"), (2, 0, "01"), (2, 1, "01"))
    ]
    summary = two_teachers.summarise(GIVEN, [*alone, *of_both])
    (mine,) = [one for one in summary if one.get("student_of") == OWN]
    assert mine["accuracy"] == (1 + 0.5 + 0 + 0) / 4, "a mean over seeds, clip by clip"
    assert (mine["runs"], mine["clips"], mine["recordings"], mine["centred_cosine"]) == (4, 4, 2, 0.55)
    (by_head,) = [one for one in summary if (one["student_of"], one["head"]) == (BOTH, OWN) and "accuracy" in one]
    assert by_head["accuracy"] == (1 + 1 + 0 + 1) / 4
    (above,) = [one for one in summary if one.get("minus_student_of") == OWN and one["head"] == OWN]
    assert above["difference"] == pytest.approx(by_head["accuracy"] - mine["accuracy"])
    assert above["ci95"] == pytest.approx([0.25, 0.5]), "what it is of either recording"
    assert not [one for one in summary if one.get("minus_student_of") == TAGGER], "nothing of it was trained alone"
    page = several_teachers({"summary": summary}, None)
    assert "| both | 7 | the CLAP's | 75.0 % " in page
    assert "| both | the CLAP's | the CLAP alone: +37.5 points [+25.0, +50.0] |" in page
    assert "Not measured yet: `esc10/joint_width`" in page


def test_what_lacks_a_run_is_not_compared_yet() -> None:
    rows = [row(OWN, 1, 0, own="11"), row(OWN, 2, 0, own="11"), row(BOTH, 1, 0, own="11", tagger="11", both="11")]
    assert two_teachers.difference(GIVEN, rows, (BOTH, OWN), (OWN, OWN)) is None


def test_students_of_one_and_of_both_are_of_one_size() -> None:
    def size(arm: str, dim: int) -> int:
        recipe = load_recipe("esc10", [f"student.features={two_teachers.FEATURES[arm]}"], task="distill")
        return n_parameters(Student(recipe.student.with_embedding(dim, recipe.views.longest_s)))

    own = size(OWN, 384)
    for arm, dim in ((TAGGER, 527), (BOTH, 911)):
        assert size(arm, dim) == pytest.approx(own, rel=0.01), arm
    assert size(WIDE, 911) > 1.5 * own


def test_widths_are_compared_clip_by_clip() -> None:
    rows = [
        {"epochs": 0, "fold": fold, "seed": seed, "wide": "11", "pruned": pruned, "narrow": narrow}
        | {"overlap": {"pruned": 0.9, "narrow": 0.4}, "dims": {"wide": 384, "pruned": 128, "narrow": 128}}
        for fold, seed, pruned, narrow in (
            (1, 0, "11", "10"),
            (1, 1, "11", "00"),
            (2, 0, "01", "10"),
            (2, 1, "11", "11"),
        )
    ]
    summary = joint_width.summarise(GIVEN, rows)
    by_arm = {one["arm"]: one for one in summary if "accuracy" in one}
    assert {arm: one["accuracy"] for arm, one in by_arm.items()} == {"wide": 1.0, "pruned": 7 / 8, "narrow": 4 / 8}
    assert (by_arm["wide"]["overlap"], by_arm["pruned"]["overlap"]) == (None, pytest.approx(0.9))
    assert by_arm["narrow"]["seeds"] == [0, 1]
    found = {(one["arm"], one["minus"]): one["difference"] for one in summary if "minus" in one}
    page = several_teachers(None, {"summary": summary})
    assert "| of this width from the start | 128 | 50.0 % " in page
    assert "pruned minus of this width from the start: +37.5 points" in page
    assert found == pytest.approx({("narrow", "wide"): -0.5, ("pruned", "wide"): -1 / 8, ("pruned", "narrow"): 3 / 8})


def test_the_narrow_recipe_differs_in_its_space_alone() -> None:
    wide, narrow = (load_recipe(name, task="pretrain") for name in ("esc10_teacher", "esc10_teacher_128"))
    assert (wide.embed_dim, narrow.embed_dim) == (384, joint_width.DIM)
    assert narrow.model_copy(update={"embed_dim": 384, "name": wide.name}) == wide
