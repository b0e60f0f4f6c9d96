"""The space of several teachers: their embeddings side by side, so that one vector serves them all.

With weights w that sum to 1, z = (√w1·z1, √w2·z2, ...) has unit norm where each part has, and cosines are the parts'
means by weight: cos(z, z') = w1·cos(z1, z1') + w2·cos(z2, z2') + ... So a sound and a text are compared by all teachers
at once, and a part alone, made unit norm again, is the space of its teacher as it was: a *head*.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyclap.embeddings.similarity import unit


@dataclass(frozen=True)
class Head:
    """One teacher's part of the space.

    Attributes:
        name: by which it is asked for.
        start: its first dimension.
        dim: how many it has.
        share: its weight w, of all heads' sum.
    """

    name: str
    start: int
    dim: int
    share: float

    @property
    def place(self) -> slice:
        """Its dimensions."""
        return slice(self.start, self.start + self.dim)

    @property
    def length(self) -> float:
        """Of its part of a unit vector, √w."""
        return math.sqrt(self.share)

    def of(self, embeddings: np.ndarray) -> np.ndarray:
        """Its part of embeddings (N, D), unit-norm (N, dim)."""
        return unit(embeddings[:, self.place])


def heads_of(names: Sequence[str], dims: Sequence[int], weights: Sequence[float]) -> tuple[Head, ...]:
    """The heads of teachers by name, with spaces of these sizes and any positive weights."""
    starts = np.cumsum([0, *dims]).tolist()
    shares = [weight / math.fsum(weights) for weight in weights]
    return tuple(Head(*each) for each in zip(names, starts[:-1], dims, shares, strict=True))


def side_by_side(parts: Sequence[np.ndarray], heads: Sequence[Head]) -> np.ndarray:
    """Unit vectors of each teacher (..., D_i) as those of all (..., sum D_i), in the precision given."""
    scaled = [part * part.dtype.type(head.length) for part, head in zip(parts, heads, strict=True)]
    return np.concatenate(scaled, axis=-1)


class SideBySide:
    """`side_by_side` of stored arrays (..., D_i), read when asked for: float32 (..., sum D_i).

    It offers what is asked of a stored array: its shape, rows by index, iteration, another shape of all axes but the
    last.
    """

    def __init__(self, parts: Sequence[np.ndarray], heads: Sequence[Head]) -> None:
        self.parts, self.heads = tuple(parts), tuple(heads)
        self.shape: tuple[int, ...] = (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        """Rows by an index of the first axes."""
        return side_by_side([np.asarray(part[key], np.float32) for part in self.parts], self.heads)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def reshape(self, *shape: int) -> "SideBySide":
        """The same with other axes; the last stays."""
        return SideBySide([part.reshape(*shape[:-1], part.shape[-1]) for part in self.parts], self.heads)


Stored = np.ndarray | SideBySide
"""Embeddings in a store, of one teacher or of several."""
