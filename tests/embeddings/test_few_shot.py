"""Label vectors from examples: exact centroids, a head that separates, and recordings that are left out."""

import numpy as np
import pytest

from tinyclap.embeddings.few_shot import NOBODY, PULL, SCALE, held_out, label_vectors, linear_head
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError

RNG = np.random.default_rng(0)
CENTRES = unit(RNG.normal(size=(3, 8)))
CLASSES = np.repeat(np.arange(3), 6)
EMBEDDINGS = unit(CENTRES[CLASSES] + 0.2 * RNG.normal(size=(18, 8)))
WORDS = unit(CENTRES + 0.3 * RNG.normal(size=(3, 8)))


def test_a_centroid_is_the_mean_at_unit_norm() -> None:
    expected = [unit(EMBEDDINGS[row == CLASSES].mean(axis=0)) for row in range(3)]
    np.testing.assert_allclose(label_vectors(EMBEDDINGS, CLASSES, 3), expected, atol=1e-12)


def test_words_count_as_so_many_examples() -> None:
    made = label_vectors(EMBEDDINGS[:6], CLASSES[:6], 3, WORDS, weight=2.0)
    own = unit(EMBEDDINGS[:6].mean(axis=0))
    np.testing.assert_allclose(made[0], unit(6 * own + 2 * WORDS[0]), atol=1e-12)
    np.testing.assert_allclose(made[1:], WORDS[1:], atol=1e-12)  # of which there is no example
    without = label_vectors(EMBEDDINGS[:6], CLASSES[:6], 3, WORDS)
    np.testing.assert_array_equal(without[1:], 0)


def test_a_head_tells_apart_what_centroids_do_not() -> None:
    # The second class is the first but for one small direction; a common one that varies much hides it.
    rng = np.random.default_rng(1)
    classes = np.repeat([0, 1], 40)
    raw = np.concatenate([np.ones((80, 1)), rng.normal(0, 1.0, (80, 3)), 0.25 * (2 * classes[:, None] - 1)], axis=1)
    embeddings = unit(raw)

    def accuracy(vectors: np.ndarray) -> float:
        return float(np.mean(np.argmax(embeddings @ vectors.T, axis=1) == classes))

    centroids = label_vectors(embeddings, classes, 2)
    assert accuracy(label_vectors(embeddings, classes, 2, method="linear")) > accuracy(centroids)


def test_a_head_ends_where_its_objective_is_flat() -> None:
    """The gradient on the sphere, by differences of the objective itself, is a small part of what it was."""
    start = label_vectors(EMBEDDINGS, CLASSES, 3)

    def objective(vectors: np.ndarray) -> float:
        logits = SCALE * EMBEDDINGS @ unit(vectors).T
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return float(-logits[np.arange(18), CLASSES].mean() + PULL * ((unit(vectors) - start) ** 2).sum())

    def slope(vectors: np.ndarray) -> float:
        steps = np.eye(24).reshape(24, 3, 8) * 1e-6
        return float(np.linalg.norm([(objective(vectors + s) - objective(vectors - s)) / 2e-6 for s in steps]))

    end = linear_head(EMBEDDINGS, CLASSES, start)
    assert objective(end) < objective(start)
    assert slope(end) < 0.05 * slope(start)
    np.testing.assert_allclose(np.linalg.norm(end, axis=1), 1, atol=1e-12)


def test_an_example_is_judged_without_its_recording() -> None:
    recordings = np.arange(18) // 2
    calls = []

    def make(embeddings: np.ndarray, classes: np.ndarray) -> np.ndarray:
        calls.append(len(embeddings))
        return label_vectors(embeddings, classes, 3)

    predicted = held_out(EMBEDDINGS, CLASSES, recordings, make, most=100)
    assert calls == [16] * 9
    for row in range(18):
        others = recordings != recordings[row]
        vectors = label_vectors(EMBEDDINGS[others], CLASSES[others], 3)
        assert predicted[row] == np.argmax(vectors @ EMBEDDINGS[row])


def test_pure_noise_is_not_taken_for_knowledge() -> None:
    """Examples that tell nothing score as chance does, held out, though each is nearest to its own centroid."""
    rng = np.random.default_rng(2)
    noise, classes = unit(rng.normal(size=(120, 1000))), np.repeat(np.arange(2), 60)
    itself = np.argmax(noise @ label_vectors(noise, classes, 2).T, axis=1)
    assert np.mean(itself == classes) > 0.95
    out = held_out(noise, classes, np.arange(120), lambda e, c: label_vectors(e, c, 2), most=200)
    assert np.mean(out == classes) < 0.65


def test_more_recordings_than_groups_are_left_out_together() -> None:
    sizes = []

    def make(embeddings: np.ndarray, classes: np.ndarray) -> np.ndarray:
        sizes.append(len(embeddings))
        return label_vectors(embeddings, classes, 3)

    held_out(EMBEDDINGS, CLASSES, np.arange(18), make, most=6)
    assert sizes == [15] * 6


def test_a_class_of_one_recording_is_nobodys() -> None:
    recordings = np.where(CLASSES == 2, 99, np.arange(18))
    _, recordings = np.unique(recordings, return_inverse=True)
    predicted = held_out(EMBEDDINGS, CLASSES, recordings, lambda e, c: label_vectors(e, c, 3), most=100)
    assert (predicted[CLASSES == 2] == NOBODY).all()
    assert (predicted[CLASSES != 2] != NOBODY).all()
    with pytest.raises(TinyclapError, match="two or more"):
        held_out(EMBEDDINGS, CLASSES, np.zeros(18, int), lambda e, c: label_vectors(e, c, 3), most=100)
