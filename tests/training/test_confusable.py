"""Captions that are easily taken for one another, and batches that hold them together."""

import re

import numpy as np
import pytest

from tinyclap.data.texts.grammar import Grammar
from tinyclap.training.confusable import NEIGHBOURS, confusable
from tinyclap.training.sampling import Companions, epoch_batches

CAPTIONS = [
    "rain falls, then a siren wails",  # 0
    "a siren wails, then rain falls",  # 1
    "rain falls and no siren wails",  # 2
    "a dog barks",  # 3
    "two dogs bark",  # 4
    "A dog barks.",  # 5
    "the dog barks",  # 6
    "xylophone",  # 7
]


def test_the_same_words_in_another_order_or_denied_are_the_nearest() -> None:
    near = confusable(CAPTIONS)
    assert near.shape == (8, NEIGHBOURS)
    assert near[0][0] == 1
    assert near[1][0] == 0
    assert set(near[2][:2]) == {0, 1}
    assert near[3][0] == 6
    assert 5 not in near[3], "the same words are no other caption"
    assert (near[7] == -1).all()
    assert not (near == np.arange(8)[:, None]).any()


def test_of_one_group_none_are_confusable() -> None:
    near = confusable(CAPTIONS, np.array([0, 0, 1, 2, 3, 2, 2, 4]))
    assert 1 not in near[0]
    assert near[0][0] == 2
    assert 6 not in near[3]


def words(caption: str) -> list[str]:
    return sorted(re.findall(r"\w+", caption.lower()))


def test_both_orders_of_the_grammar_find_each_other() -> None:
    captions = [caption.text for caption in Grammar(n=2000).captions(0)]
    near = confusable(captions)
    turned = [number for number, caption in enumerate(captions) if ", then " in caption]
    assert len(turned) > 30
    found = 0
    for number in turned:
        other = captions[near[number][0]] if near[number][0] >= 0 else ""
        found += words(other) == words(captions[number])
    assert found / len(turned) > 0.5
    assert np.array_equal(near, confusable(captions))


def together(batches: list[np.ndarray], near: np.ndarray) -> float:
    """The share of clips beside which one of their neighbours stands in the batch."""
    members = [set(batch.tolist()) for batch in batches]
    with_one = [bool(own & set(near[clip].tolist())) for own in members for clip in own]
    return float(np.mean(with_one))


def pairs(n: int) -> np.ndarray:
    """Neighbours: 0 and 1, 2 and 3, and so on."""
    near = np.full((n, 3), -1)
    near[:, 1] = np.arange(n) ^ 1
    return near


@pytest.mark.parametrize("sized", [False, True])
def test_companions_stand_in_one_batch_and_each_comes_once(sized: bool) -> None:
    sizes = np.random.default_rng(0).integers(5, 40, 1000) if sized else None
    shares = []
    for share in (0.0, 0.5, 1.0):
        companions = Companions(pairs(1000), share)
        batches = epoch_batches(1000, 20, seed=0, epoch=1, sizes=sizes, companions=companions)
        assert sorted(np.concatenate(batches)) == list(range(1000))
        assert {len(batch) for batch in batches} == {20}
        again = epoch_batches(1000, 20, seed=0, epoch=1, sizes=sizes, companions=companions)
        assert all(np.array_equal(one, other) for one, other in zip(batches, again, strict=True))
        shares.append(together(batches, pairs(1000)))
    assert shares[0] < 0.1
    assert 0.4 < shares[1] < 0.8
    assert shares[2] > 0.95


def test_another_epoch_is_another_order() -> None:
    companions = Companions(pairs(100), 1.0)
    one, other = (epoch_batches(100, 10, 0, epoch, companions=companions) for epoch in (0, 1))
    assert not np.array_equal(np.concatenate(one), np.concatenate(other))


def test_weights_hold_with_companions_too() -> None:
    weights = np.array([1.0, 2.0, 0.5, 4.0, 0.5, 0.0])
    for epoch in range(30):
        batches = epoch_batches(6, 3, 0, epoch, weights, companions=Companions(pairs(6), 1.0))
        own = np.bincount(np.concatenate(batches), minlength=6)
        assert (abs(own - 6 * weights / weights.sum()) < 1).all()


def test_who_has_no_neighbour_comes_all_the_same() -> None:
    companions = Companions(np.full((7, NEIGHBOURS), -1), 1.0)
    (batch,) = epoch_batches(7, 7, 0, 0, companions=companions)
    assert sorted(batch) == list(range(7))
    (batch,) = epoch_batches(3, 8, 0, 0, companions=Companions(pairs(4)[:3], 1.0))
    assert set(batch) == {0, 1, 2}
