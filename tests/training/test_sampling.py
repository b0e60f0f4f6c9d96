"""Which clips an epoch holds, in which order, how often."""

from pathlib import Path

import numpy as np
import pytest

from tinyclap.data import Concat
from tinyclap.data.decoded import decode
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.training.sampling import balanced, clip_weights, epoch_batches, occurrences

# ---- an epoch's order


def test_an_epoch_visits_every_clip_once() -> None:
    batches = epoch_batches(12, 4, seed=0, epoch=0)
    assert [len(batch) for batch in batches] == [4, 4, 4]
    assert sorted(np.concatenate(batches)) == list(range(12))


def test_what_does_not_fill_a_batch_waits_for_another_epoch() -> None:
    seen: set[int] = set()
    for epoch in range(20):
        batches = epoch_batches(14, 4, seed=0, epoch=epoch)
        assert [len(batch) for batch in batches] == [4, 4, 4]
        visited = np.concatenate(batches)
        assert len(set(visited)) == 12
        seen.update(visited)
    assert seen == set(range(14))


def test_fewer_clips_than_a_batch_are_repeated() -> None:
    [batch] = epoch_batches(3, 8, seed=0, epoch=0)
    assert len(batch) == 8
    assert set(batch) == {0, 1, 2}
    assert np.bincount(batch).max() == 3


def test_weights_say_how_often_a_clip_comes() -> None:
    weights = np.array([1.0, 2.0, 0.5, 4.0, 0.5, 0.0])
    counts = np.zeros(6)
    for epoch in range(400):
        batches = epoch_batches(6, 3, seed=0, epoch=epoch, weights=weights)
        assert [len(batch) for batch in batches] == [3, 3]
        own = np.bincount(np.concatenate(batches), minlength=6)
        expected = 6 * weights / weights.sum()
        assert (abs(own - expected) < 1).all(), "rounded up or down"
        counts += own
    assert np.allclose(counts / 400, 6 * weights / weights.sum(), atol=0.08)


def test_equal_weights_are_an_ordinary_epoch() -> None:
    order = np.concatenate(epoch_batches(12, 4, seed=0, epoch=3, weights=np.full(12, 0.3)))
    assert sorted(order) == list(range(12))


def test_a_clip_that_comes_again_is_counted() -> None:
    assert list(occurrences(np.array([3, 5, 3, 3, 5, 0]))) == [0, 0, 1, 2, 1, 0]


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return list(np.concatenate(epoch_batches(40, 8, seed, epoch)))

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


# ---- inputs of several sizes


def sizes(n: int = 1000) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 60, n)


def test_with_sizes_an_epoch_still_visits_every_clip_once() -> None:
    batches = epoch_batches(1000, 20, seed=0, epoch=0, sizes=sizes())
    assert [len(batch) for batch in batches] == [20] * 50
    assert sorted(np.concatenate(batches)) == list(range(1000))


def test_a_batch_holds_sizes_alike() -> None:
    def spread(batches: list[np.ndarray]) -> float:
        return float(np.mean([np.ptp(sizes()[batch]) for batch in batches]))

    alike, mixed = epoch_batches(1000, 20, 0, 0, sizes=sizes()), epoch_batches(1000, 20, 0, 0)
    assert spread(alike) < 10 < 40 < spread(mixed)


def test_batches_of_small_and_large_inputs_alternate_at_random() -> None:
    means = np.array([sizes()[batch].mean() for batch in epoch_batches(1000, 20, 0, 0, sizes=sizes())])
    assert abs(means[:25].mean() - means[25:].mean()) < 10
    assert np.abs(np.diff(means)).mean() > 10


def test_with_sizes_the_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(epoch_batches(1000, 20, seed, epoch, sizes=sizes())).tolist()

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)
    together = [{frozenset(batch.tolist()) for batch in epoch_batches(1000, 20, 0, e, sizes=sizes())} for e in (0, 1)]
    assert len(together[0] & together[1]) < 5, "batches hold other clips in every epoch"


@pytest.mark.parametrize("n", [14, 70])
def test_the_largest_inputs_wait_no_more_often_than_others(n: int) -> None:
    """What does not fill a batch is left out by chance, whatever its size."""
    waited = np.zeros(n)
    for epoch in range(400):
        visited = np.concatenate(epoch_batches(n, 4, seed=0, epoch=epoch, sizes=np.arange(n)))
        assert len(set(visited)) == n // 4 * 4
        waited += ~np.isin(np.arange(n), visited)
    assert abs(waited / 400 - (n % 4) / n).max() < 0.08


def test_with_sizes_and_weights_a_clip_comes_as_often_as_it_should() -> None:
    weights = np.array([1.0, 2.0, 0.5, 4.0, 0.5, 0.0])
    batches = epoch_batches(6, 3, seed=0, epoch=0, weights=weights, sizes=np.arange(6))
    counts = np.bincount(np.concatenate(batches), minlength=6)
    assert (abs(counts - 6 * weights / weights.sum()) < 1).all()


def test_with_sizes_fewer_clips_than_a_batch_are_repeated() -> None:
    [batch] = epoch_batches(3, 8, seed=0, epoch=0, sizes=np.array([5, 1, 3]))
    assert len(batch) == 8
    assert set(batch) == {0, 1, 2}


# ---- weights


def two_kinds() -> np.ndarray:
    """Targets of 12 clips in 3 views: nine about one direction, three about another."""
    rng = np.random.default_rng(0)
    directions = np.repeat(np.eye(4)[[0, 1]], [9, 3], axis=0)
    return (directions[:, None] + 0.05 * rng.standard_normal((12, 3, 4))).astype(np.float16)


def test_every_kind_of_sound_is_used_equally_often() -> None:
    weights = balanced(two_kinds(), 2, seed=0)
    assert weights == pytest.approx([12 / 2 / 9] * 9 + [12 / 2 / 3] * 3)


def test_weights_hold_inside_a_kind() -> None:
    own = np.array([2.0, *[1.0] * 8, *[1.0] * 3])
    weights = balanced(two_kinds(), 2, seed=0, weights=own)
    assert weights.sum() == pytest.approx(12)
    assert weights[:9].sum() == pytest.approx(6)
    assert weights[0] == pytest.approx(2 * weights[1])


def test_more_clusters_than_clips_are_no_error() -> None:
    assert np.isfinite(balanced(two_kinds(), 50, seed=0)).all()


def test_a_sets_weight_reaches_its_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path))
    few, many = Procedural(2, duration_s=1.0), Procedural(3, seed=1, duration_s=0.4)
    both = Concat([few.weighted(3.0), many])
    windows = decode(both, 8000, max_clip_s=0.5)
    assert clip_weights(both, windows) is not None
    assert list(clip_weights(both, windows)) == [3, 3, 3, 3, 1, 1, 1]  # type: ignore[arg-type]
    plain = Concat([few, many])
    assert plain.fingerprint == both.fingerprint, "embeddings do not depend on weights"
    assert clip_weights(plain, decode(plain, 8000, max_clip_s=0.5)) is None
