"""Is a student as robust as its teacher? Zero-shot accuracy of both on the same clips, degraded in the same ways."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tinyclap.common import statistics
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.degradation import Degradation
from tinyclap.data.degraded import DegradedClips
from tinyclap.embeddings.zero_shot import predict
from tinyclap.evaluation.zero_shot import ZeroShotTask
from tinyclap.models.student import Student
from tinyclap.runs.results import MODELS, ROBUSTNESS
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips

CLEAN = "clean"


@dataclass(frozen=True)
class RobustnessTask:
    """A zero-shot task under degradations.

    Attributes:
        clean: the task on the clips as they are.
        conditions: degradations by name.
    """

    name: ClassVar[str] = ROBUSTNESS

    clean: ZeroShotTask
    conditions: Mapping[str, Degradation]

    @property
    def data(self) -> str:
        """The data section in one line."""
        return self.clean.data

    def evaluate(
        self, teacher: Teacher, student: Student | None = None, *, mean: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Accuracy under each condition with paired intervals, and means over the degradations; `mean` is not used."""
        heard = [None, *self.conditions.values()]
        right = {"teacher": np.stack([self._right(teacher, how) for how in heard])}
        if student is not None:
            right["student"] = np.stack([self._right(teacher, how, student) for how in heard])
        settings = ["", *(how.in_words() for how in self.conditions.values())]
        return {
            "task": self.name,
            "data": self.data,
            "n_clips": len(self.clean.usable),
            "seed": self.clean.seed,
            "n_bootstrap": self.clean.n_bootstrap,
            **self._figures({model: rows[1:].mean(axis=0) for model, rows in right.items()}),
            "conditions": [
                {"condition": name, "settings": words, **self._figures({model: right[model][at] for model in right})}
                for at, (name, words) in enumerate(zip([CLEAN, *self.conditions], settings, strict=True))
            ],
        }

    def _right(self, teacher: Teacher, how: Degradation | None, student: Student | None = None) -> np.ndarray:
        """Which clips a model names rightly, (n_clips,)."""
        task, latent_map = self.clean, None if student is None else student.latent_map
        classes = class_vectors(teacher, task.dataset.labels, task.prompts, latent_map)
        decoded = [task.teacher_clips, *task.decoded.values()]
        finest = max(decoded, key=lambda one: one.sample_rate)
        if student is None:
            clips = task.teacher_clips if how is None else DegradedClips(finest, how, teacher.sample_rate)
            embeddings = teacher_clips(teacher, clips)
        elif how is None:
            return predict(task.student_clips(student), classes) == np.array(task.targets)
        else:
            heard = DegradedClips(finest, how, student.sample_rate)
            embeddings = clip_embeddings(student.embed_audio, heard, progress="student embeds")
        return predict(embeddings[task.usable], classes) == np.array(task.targets)

    def _figures(self, right: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Accuracies (or shares of the conditions) with intervals, and what the student's is above its teacher's."""
        task = self.clean
        recordings = statistics.recording_ids(task.sources, len(task.usable))
        figures: dict[str, Any] = {
            model: {
                "accuracy": float(np.mean(rows)),
                "ci95": statistics.accuracy_interval(rows, recordings, task.n_bootstrap, task.seed),
            }
            for model, rows in right.items()
        }
        if len(right) == len(MODELS):
            difference, ci95 = statistics.paired_difference(
                right["teacher"], right["student"], recordings, task.n_bootstrap, task.seed
            )
            figures |= {"difference": difference, "difference_ci95": ci95}
        return figures
