"""How sentences are placed in a tagger's space, against the formula."""

import numpy as np
import pytest
import torch

from tests.support.tiny_texts import CLASSES, SENTENCE_DIM, placement
from tinyclap.models.placement import Placement, empty_placement


def sentences(count: int = 7) -> torch.Tensor:
    drawn = torch.randn(count, SENTENCE_DIM, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.normalize(drawn, dim=-1)


def by_formula(texts: np.ndarray, mean: np.ndarray, names: np.ndarray | None, temperature: float) -> np.ndarray:
    """Centred; with names, the softmax of the cosines to them over the temperature; of unit norm."""
    centred = texts.astype(np.float64) - mean
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    if names is None:
        return centred
    weights = np.exp(centred @ names.T.astype(np.float64) / temperature)
    shares = weights / weights.sum(axis=1, keepdims=True)
    return shares / np.linalg.norm(shares, axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [CLASSES, None])
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_it_is_the_formula(classes: int | None, temperature: float) -> None:
    placed = placement(classes)
    placed.temperature = temperature
    names = None if placed.names is None else placed.names.numpy()
    found = placed(sentences())
    np.testing.assert_allclose(
        found, by_formula(sentences().numpy(), placed.mean.numpy(), names, temperature), atol=2e-6
    )
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(7))


def test_a_text_of_a_class_name_is_most_of_that_class() -> None:
    placed = placement()
    assert placed.names is not None
    texts = torch.nn.functional.normalize(placed.names + placed.mean, dim=-1)
    assert placed(texts).argmax(-1).tolist() == list(range(CLASSES))


def test_the_length_of_a_sentence_counts_as_it_is_centred() -> None:
    """Sentences come as unit vectors: one of another length would be placed elsewhere."""
    placed = placement()
    assert not torch.allclose(placed(2 * sentences()), placed(sentences()), atol=1e-3)


@pytest.mark.parametrize("classes", [CLASSES, None])
def test_an_empty_one_takes_the_numbers_of_another(classes: int | None) -> None:
    given = placement(classes)
    taken = empty_placement(SENTENCE_DIM, classes, given.temperature)
    taken.load_state_dict(given.state_dict())
    assert torch.equal(taken(sentences()), given(sentences()))
    assert list(Placement(given.mean).state_dict()) == ["mean"]
    assert not list(given.parameters()), "nothing of it is learned"
