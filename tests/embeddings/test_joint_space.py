"""The space of several teachers: exact algebra, in numpy alone."""

import numpy as np
import pytest

from tinyclap.embeddings.joint_space import SideBySide, heads_of, side_by_side
from tinyclap.embeddings.similarity import unit

HEADS = heads_of(("sounds", "style"), (5, 3), (1.0, 3.0))


def parts(rows: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [unit(rng.normal(size=(rows, head.dim))) for head in HEADS]


def test_heads_lie_side_by_side_and_share_the_weights() -> None:
    assert [(head.start, head.dim, head.share) for head in HEADS] == [(0, 5, 0.25), (5, 3, 0.75)]
    same = heads_of(("a", "b"), (5, 3), (20.0, 60.0))
    assert [head.share for head in same] == [head.share for head in HEADS], "weights are relative"


def test_cosines_of_the_whole_are_means_of_the_parts_by_weight() -> None:
    sounds, texts = parts(4, 0), parts(6, 1)
    whole, words = side_by_side(sounds, HEADS), side_by_side(texts, HEADS)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-12)
    expected = 0.25 * sounds[0] @ texts[0].T + 0.75 * sounds[1] @ texts[1].T
    np.testing.assert_allclose(whole @ words.T, expected, atol=1e-12)


def test_a_head_is_its_teachers_own_space() -> None:
    sounds = parts(4, 0)
    whole = side_by_side(sounds, HEADS)
    for head, part in zip(HEADS, sounds, strict=True):
        np.testing.assert_allclose(head.of(whole), part, atol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(whole[:, head.place], axis=1), head.length, atol=1e-12)


def test_stored_parts_are_read_as_one_array() -> None:
    rng = np.random.default_rng(2)
    stored = [unit(rng.normal(size=(7, 4, head.dim))).astype(np.float16) for head in HEADS]
    whole = np.concatenate([np.sqrt(0.25) * stored[0].astype(float), np.sqrt(0.75) * stored[1].astype(float)], axis=-1)
    joined = SideBySide(stored, HEADS)
    assert joined.shape == whole.shape
    assert len(joined) == 7
    np.testing.assert_allclose(joined[3, 1], whole[3, 1], atol=1e-6)
    np.testing.assert_allclose(joined[2:5], whole[2:5], atol=1e-6)
    np.testing.assert_allclose(np.stack(list(joined)), whole, atol=1e-6)
    flat = joined.reshape(-1, joined.shape[-1])
    assert flat.shape == (28, 8)
    np.testing.assert_allclose(np.asarray(flat, np.float32), whole.reshape(28, 8), atol=1e-6)
    assert flat[0].dtype == np.float32, "float16 is how it is stored, not what is computed with"
    with pytest.raises(IndexError):
        joined[7]
