"""Zero-shot classification: labelled clips and prompts, made ready once for a teacher and its students."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

import numpy as np

from tinyclap.data import Dataset
from tinyclap.data.decoded import DecodeLimits
from tinyclap.embeddings.zero_shot import prompts_for
from tinyclap.evaluation.clips import ClipTask
from tinyclap.evaluation.scores import compare
from tinyclap.models.student import Student
from tinyclap.runs.results import ZERO_SHOT
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips


@dataclass(frozen=True, kw_only=True)
class ZeroShotTask(ClipTask):
    """Labelled clips and prompts; every clip has its label.

    Attributes:
        prompts: templates with `{}`.
        empty_classes: folders of the data that would be classes if they held audio.
    """

    name: ClassVar[str] = ZERO_SHOT

    prompts: tuple[str, ...]
    empty_classes: tuple[str, ...] = ()

    @classmethod
    def prepare(
        cls,
        dataset: Dataset,
        teacher: Teacher,
        sample_rates: Sequence[int] = (),
        *,
        data: str,
        prompts: Sequence[str],
        n_bootstrap: int = 2000,
        seed: int = 0,
        empty_classes: Sequence[str] = (),
        **limits: Unpack[DecodeLimits],
    ) -> "ZeroShotTask":
        """Decode the clips for a teacher and for students of these sample rates.

        Args:
            **limits: of `data.decoded.decode`; the others are the attributes.

        Raises:
            TinyclapError: class names that read alike, or too many unusable clips.
        """
        prompts_for(dataset.labels, prompts)
        return cls(
            data=data,
            **cls.decode(dataset, teacher, sample_rates, **limits),
            prompts=tuple(prompts),
            n_bootstrap=n_bootstrap,
            seed=seed,
            empty_classes=tuple(empty_classes),
        )

    @property
    def targets(self) -> list[int]:
        """The class of each usable clip, an index into the data set's labels."""
        return [self.dataset.labels.index(str(self.dataset.clips[clip].label)) for clip in self.usable]

    def evaluate(
        self, teacher: Teacher, student: Student | None = None, *, mean: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Accuracy of a teacher and, if given, its student, as `scores.compare` returns it.

        Args:
            teacher: gives the class vectors.
            student: sits beside it.
            mean: the teacher's mean embedding in the student's space (D,), for the centred cosine.
        """
        usable, clips = self.usable, [self.dataset.clips[clip] for clip in self.usable]
        labels = self.dataset.labels
        latent_map = None if student is None else student.latent_map
        result = compare(
            teacher_clips(teacher, self.teacher_clips)[usable],
            None if student is None else self.student_clips(student),
            class_vectors(teacher, labels, self.prompts),
            self.targets,
            labels,
            folds=[clip.fold for clip in clips] if any(clip.fold is not None for clip in clips) else None,
            sources=self.sources,
            mean=mean,
            latent_map=latent_map,
            student_classes=class_vectors(teacher, labels, self.prompts, latent_map) if latent_map else None,
            n_bootstrap=self.n_bootstrap,
            seed=self.seed,
            templates=self.prompts,
        )
        unscored = [*self.empty_classes, *(row["label"] for row in result["per_class"] if not row["n"])]
        return {
            "task": self.name,
            "data": self.data,
            **result,
            "bad_clips": self.bad_clips,
            "labels_without_clips": unscored,
        }
