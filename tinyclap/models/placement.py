"""From a sentence encoder's space to a tagger's: what follows the sentences of a teacher made of both."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Placement(nn.Module):
    """Unit-norm sentences (N, E) to unit-norm texts of a tagger's space.

    Sentences are centred. With class names they become the softmax of their similarities to them, (N, classes).

    Args:
        mean: of the class names' embeddings, (E,).
        names: these embeddings, centred and of unit norm, (classes, E); None for a space that is the sentences'.
        temperature: of the similarities.
    """

    mean: Tensor
    names: Tensor | None

    def __init__(self, mean: Tensor, names: Tensor | None = None, temperature: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("names", names)
        self.temperature = temperature

    def forward(self, sentences: Tensor) -> Tensor:
        """(N, E) -> (N, E), or with class names (N, classes)."""
        centred = F.normalize(sentences - self.mean, dim=-1)
        if self.names is None:
            return centred
        similarities: Tensor = centred @ self.names.T / self.temperature
        return F.normalize(similarities.softmax(-1), dim=-1)


def empty_placement(embed_dim: int, classes: int | None, temperature: float) -> Placement:
    """A placement whose numbers are still to be loaded."""
    return Placement(torch.zeros(embed_dim), None if classes is None else torch.zeros(classes, embed_dim), temperature)
