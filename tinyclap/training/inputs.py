"""What a student is trained on: one input for every view of every clip."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from tinyclap.models.student import Student


class StudentInputs(Protocol):
    """Inputs of a student, by clip and view: spectrograms, waveforms or whatever it takes.

    Attributes:
        per_clip: views of each clip.
    """

    per_clip: int

    def __len__(self) -> int:
        """Number of clips."""
        ...

    def batch(self, rows: Sequence[tuple[int, int]]) -> Tensor:
        """The inputs of (clip, view) pairs, as `Student.encode` takes them: (B, ...)."""
        ...

    def check(self, student: Student) -> None:
        """Raise a TinyclapError unless they are what this student takes."""
        ...
