"""A text student's words beside its teacher's, in numbers that can be checked by hand."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.scored import unit
from tinyclap.common.statistics import accuracy_interval, paired_difference, recording_ids
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.errors import TinyclapError
from tinyclap.evaluation.words import agreement, zero_shot_by_words

# ---- captions


def drawn(n: int, dim: int = 24, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(n, dim))).astype(np.float32)


def test_cosines_by_hand_in_groups() -> None:
    theirs = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    ours = np.array([[1, 0, 0], [0, 0.6, 0.8], [0, 0, -1], [0.8, 0.6, 0]], np.float32)
    found = agreement(ours, theirs, np.zeros(3, np.float32), ["words", "names", "words", "names"])
    assert json.loads(json.dumps(found)) == found
    assert found["groups"] == [
        {"group": group, "n": n, "cosine": pytest.approx(cosine), "centred_cosine": pytest.approx(cosine)}
        for group, n, cosine in (("all", 4, (1 + 0.6 - 1 + 0.8) / 4), ("names", 2, 0.7), ("words", 2, 0.0))
    ]
    # The first and the last mean the same, which is found in either place.
    assert found["found_1"] == 2 / 4
    assert found["found_10"] == 1.0
    assert found["neighbours"] is None


def test_centred_on_the_teachers_mean() -> None:
    """Both lie in a narrow cone: what they share makes the plain cosine high for free."""
    mean = np.array([5, 0, 0], np.float32)
    offsets = np.array([[0, 1, 0], [0, 0, 1]], np.float32)
    ours, theirs = unit(mean + offsets[[1, 1]]), unit(mean + offsets)
    (row,) = [row for row in agreement(ours, theirs, mean / 5.1, ["a", "a"])["groups"] if row["group"] == "all"]
    expected = [
        float(np.dot(unit(one - mean / 5.1), unit(other - mean / 5.1))) for one, other in zip(ours, theirs, strict=True)
    ]
    assert row["cosine"] == pytest.approx((25 / 26 + 1) / 2)
    assert row["centred_cosine"] == pytest.approx(np.mean(expected))
    assert row["centred_cosine"] < 0.6


def test_found_by_rank() -> None:
    """Caption k lies nearer to k others than to its own."""
    n = 16
    theirs = np.eye(n)
    ours = np.eye(n)
    for row in range(n):
        others = [place for place in range(n) if place != row][:row]
        ours[row, others] = 1.5
    found = agreement(unit(ours), theirs, np.zeros(n), ["a"] * n)
    assert found["found_1"] == 1 / 16
    assert found["found_10"] == 10 / 16


@pytest.mark.parametrize("n", [12, 700])
def test_what_equals_its_teacher_is_always_found(n: int) -> None:
    """Whatever the last bits of a product of matrices are."""
    embeddings = drawn(n)
    found = agreement(embeddings, embeddings, embeddings.mean(axis=0), ["a"] * n)
    assert (found["found_1"], found["found_10"], found["neighbours"]) == (1.0, 1.0, 1.0)
    assert found["groups"][0]["centred_cosine"] == pytest.approx(1)


def test_ranks_and_neighbours_are_what_counting_gives() -> None:
    theirs = drawn(600)
    ours = unit(theirs + 0.35 * drawn(600, seed=1)).astype(np.float32)
    mean = theirs.mean(axis=0)
    found = agreement(ours, theirs, mean, ["a"] * 600)
    mine, other = unit(ours.astype(float) - mean), unit(theirs.astype(float) - mean)
    order = np.argsort(-(mine @ other.T), axis=1)
    places = np.argmax(order == np.arange(600)[:, None], axis=1)
    assert found["found_1"] == pytest.approx((places == 0).mean())
    assert found["found_10"] == pytest.approx((places < 10).mean())
    near = []
    for own in (mine, other):
        cosines = own @ own.T - 9 * np.eye(600)
        near.append(np.argsort(-cosines, axis=1)[:, :10])
    shared = [len(set(first) & set(second)) / 10 for first, second in zip(*near, strict=True)]
    assert found["neighbours"] == pytest.approx(np.mean(shared))
    assert 0.2 < found["neighbours"] < 0.95


@pytest.mark.parametrize(("n", "is_told"), [(1, False), (11, False), (12, True)])
def test_few_captions_have_no_neighbours_to_tell_of(n: int, is_told: bool) -> None:
    found = agreement(drawn(n), drawn(n, seed=1), np.zeros(24), ["a"] * n)
    assert (found["neighbours"] is not None) == is_told


# ---- classes

LABELS = ["dog_bark", "rain", "siren"]
AXES = {"dog bark": 0, "rain": 1, "siren": 2}


def axis_of(text: str, axes: dict[str, int]) -> np.ndarray:
    """The axis of the class that a prompt names; a prompt with "the" lies a little aside."""
    vector = np.eye(4)[next(place for name, place in axes.items() if name in text)]
    return unit(vector + 0.3 * np.eye(4)[3] * text.startswith("the"))


class Teacher:
    """Names each class by an axis of its own."""

    name, embed_dim = "axes", 4
    fingerprint = "axes"

    def embed_text(self, texts: list[str]) -> torch.Tensor:
        return torch.from_numpy(np.stack([axis_of(text, AXES) for text in texts])).float()


class Words:
    """Names some classes by other axes."""

    def __init__(self, **axes: int) -> None:
        self.axes = {name: axes.get(name.split()[0], place) for name, place in AXES.items()}
        self.read: list[str] = []

    def embed_text(self, texts: list[str]) -> torch.Tensor:
        self.read += texts
        return torch.from_numpy(np.stack([axis_of(text, self.axes) for text in texts])).float()


TARGETS = [0, 0, 1, 1, 2, 2, 2, 1]
HEARD = np.eye(4)[[0, 1, 1, 1, 2, 2, 0, 1]] + 0.05 * np.eye(4)[3]  # six of eight are heard as what they are


def task(sources: list[str | None] | None = None) -> Any:
    return SimpleNamespace(
        dataset=SimpleNamespace(labels=LABELS),
        targets=TARGETS,
        sources=sources,
        data="by hand",
        prompts=("the {}", "{}"),
        n_bootstrap=300,
        seed=4,
    )


def measured(words: Words, ears: dict[str, np.ndarray], *, given: Any = None, mapped: LatentMap | None = None) -> Any:
    teacher: Any = Teacher()
    student: Any = words
    return zero_shot_by_words(given or task(), teacher, student, ears, mapped)


def test_the_same_words_name_sounds_the_same() -> None:
    words = Words()
    found = measured(words, {"teacher": HEARD})
    assert json.loads(json.dumps(found)) == found
    assert (found["data"], found["n_clips"]) == ("by hand", 8)
    assert found["class_cosine"] == pytest.approx(1)
    (row,) = found["ears"].values()
    assert row["teacher_words"] == row["student_words"]
    assert row["teacher_words"]["accuracy"] == 6 / 8
    assert row["difference"] == 0
    assert words.read == [text for name in AXES for text in (f"the {name}", name)], "names read out in all prompts"


def test_other_words_by_hand() -> None:
    """Rain and siren are mistaken for each other: the two dogs that are heard right stay so, and no other."""
    ears = {"teacher": HEARD, "student": np.eye(4)[TARGETS]}
    sources = ["a", "a", "b", "b", None, "c", "c", None]
    found = measured(Words(rain=2, siren=1), ears, given=task(sources))
    one = unit(np.eye(4)[0] + unit(np.eye(4)[0] + 0.3 * np.eye(4)[3]))  # a class vector: the mean of its two prompts
    other = unit(np.eye(4)[1] + unit(np.eye(4)[1] + 0.3 * np.eye(4)[3]))
    assert found["class_cosine"] == pytest.approx((1 + 2 * one @ other) / 3, abs=1e-6)
    right = {
        "teacher": [np.array([1, 0, 1, 1, 1, 1, 0, 1], bool), np.array([1, 0, 0, 0, 0, 0, 0, 0], bool)],
        "student": [np.ones(8, bool), np.array([1, 1, 0, 0, 0, 0, 0, 0], bool)],
    }
    recordings = recording_ids(sources, 8)
    for whose, (theirs, ours) in right.items():
        row = found["ears"][whose]
        for score, hits in ((row["teacher_words"], theirs), (row["student_words"], ours)):
            assert score == {"accuracy": hits.mean(), "ci95": accuracy_interval(hits, recordings, 300, 4)}
        expected = paired_difference(theirs, ours, recordings, 300, 4)
        assert (row["difference"], row["difference_ci95"]) == expected
        assert row["difference"] == ours.mean() - theirs.mean() < 0


def test_classes_that_are_one_to_the_student_count_as_wrong() -> None:
    """As two names that its vocabulary cannot read are; its training was not for nothing."""
    found = measured(Words(siren=1), {"teacher": np.eye(4)[TARGETS]})
    assert found["ears"]["teacher"]["teacher_words"]["accuracy"] == 1
    assert found["ears"]["teacher"]["student_words"]["accuracy"] == 5 / 8
    given = task()
    given.dataset.labels = ["rain", "Rain", "siren"]
    with pytest.raises(TinyclapError, match="both read 'rain'"):
        measured(Words(), {"teacher": HEARD}, given=given)


def test_a_pruned_students_ears_are_named_in_its_own_space() -> None:
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    mapped = LatentMap(np.c_[turned, np.zeros(3)].astype(np.float32), "random")
    heard = HEARD.astype(np.float32)
    ears = {"teacher": heard, "student": mapped.apply(heard)}
    found = measured(Words(), ears, mapped=mapped)["ears"]
    plain = measured(Words(), {"teacher": heard})["ears"]
    assert found["teacher"] == plain["teacher"]
    assert found["student"]["student_words"] == found["student"]["teacher_words"]
    nearest = (mapped.apply(heard) @ mapped.apply(np.eye(4, dtype=np.float32)[:3]).T).argmax(axis=1)
    assert found["student"]["teacher_words"]["accuracy"] == (nearest == TARGETS).mean()
    with pytest.raises(TinyclapError, match="embeddings of different dimensions"):
        measured(Words(), ears)
