"""What every evaluation task offers, so that commands and reports need not know which one it is."""

from typing import Any, ClassVar, Protocol

import numpy as np

from tinyclap.models.student import Student
from tinyclap.teachers.encoder import Teacher


class Task(Protocol):
    """Test data made ready for a teacher and its students.

    Attributes:
        name: of the task, in words; the entry "task" of its evaluations.
        data: the data section in one line, which tells evaluations of one task apart.
    """

    name: ClassVar[str]

    @property
    def data(self) -> str: ...

    def evaluate(
        self, teacher: Teacher, student: Student | None = None, *, mean: np.ndarray | None = None
    ) -> dict[str, Any]:
        """The scores of a teacher and, if given, its student: an entry of `evaluation.json`.

        Args:
            teacher: the student's.
            student: sits beside it.
            mean: the teacher's mean embedding in the student's space (D,), for centred scores.
        """
        ...
