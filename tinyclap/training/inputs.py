"""What a student is trained on: one input for every view of every clip."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor


class StudentInputs(Protocol):
    """Inputs of a student, by clip and view: spectrograms, waveforms or whatever it takes.

    Attributes:
        per_clip: views of each clip.
        sizes: of each clip's input, (clips,), where a batch is filled up to the largest; None where all are alike.
    """

    per_clip: int
    sizes: np.ndarray | None

    def __len__(self) -> int:
        """Number of clips."""
        ...

    def batch(self, rows: Sequence[tuple[int, int]]) -> Tensor:
        """The inputs of (clip, view) pairs, as `Student.encode` takes them: (B, ...)."""
        ...

    def check(self, student: Any) -> None:
        """Raise a TinyclapError unless they are what this student takes."""
        ...
