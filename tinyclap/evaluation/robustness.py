"""Is a student as robust as its teacher? Zero-shot accuracy of both on the same clips, degraded in the same ways."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tinyclap.common import statistics
from tinyclap.data.clip_embeddings import Clips, clip_embeddings
from tinyclap.data.decoded import Decoded
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
        task = self.clean
        ways = [None, *self.conditions.values()]
        classes = class_vectors(teacher, task.dataset.labels, task.prompts)
        clips = [self._clips(how, task.teacher_clips) for how in ways]
        right = {"teacher": np.stack([self._right(teacher_clips(teacher, one), classes) for one in clips])}
        if student is not None:
            if student.latent_map is not None:
                classes = class_vectors(teacher, task.dataset.labels, task.prompts, student.latent_map)
            own = (self._clips(how, task.decoded[student.sample_rate]) for how in ways)
            embedded = (clip_embeddings(student.embed_audio, one, progress="student embeds") for one in own)
            right["student"] = np.stack([self._right(rows, classes) for rows in embedded])
        settings = ["", *(how.in_words() for how in self.conditions.values())]
        return {
            "task": self.name,
            "data": self.data,
            "n_clips": len(task.usable),
            "seed": task.seed,
            "n_bootstrap": task.n_bootstrap,
            **self._figures({model: rows[1:].mean(axis=0) for model, rows in right.items()}),
            "conditions": [
                {"condition": name, "settings": words, **self._figures({model: right[model][at] for model in right})}
                for at, (name, words) in enumerate(zip([CLEAN, *self.conditions], settings, strict=True))
            ],
        }

    def _clips(self, how: Degradation | None, decoded: Decoded) -> Clips:
        """Clips as they are, or at the same rate after they were degraded at the highest one."""
        if how is None:
            return decoded
        finest = max([self.clean.teacher_clips, *self.clean.decoded.values()], key=lambda one: one.sample_rate)
        return DegradedClips(finest, how, decoded.sample_rate)

    def _right(self, embeddings: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Which clips are named rightly, (n_clips,)."""
        right: np.ndarray = predict(embeddings[self.clean.usable], classes) == np.array(self.clean.targets)
        return right

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
