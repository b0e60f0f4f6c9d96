"""Zero-shot classification: labelled clips and prompts, made ready once for a teacher and its students."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

import numpy as np

from tinyclap.data import Dataset
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import Decoded, DecodeLimits, decode
from tinyclap.embeddings.zero_shot import prompts_for
from tinyclap.evaluation.scores import compare
from tinyclap.models.student import Student
from tinyclap.runs.results import ZERO_SHOT
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips


@dataclass(frozen=True)
class ZeroShotTask:
    """Labelled clips and prompts, decoded at every rate that is needed, so that no fault shows later.

    Attributes:
        data: the data section in one line.
        dataset: every clip with its label.
        teacher_clips: decoded for the teacher.
        decoded: for students, by sample rate in Hz.
        prompts: templates with `{}`.
        n_bootstrap: resamples of the intervals.
        seed: of the resampling.
        empty_classes: folders of the data that would be classes if they held audio.
    """

    name: ClassVar[str] = ZERO_SHOT

    data: str
    dataset: Dataset
    teacher_clips: Decoded
    decoded: dict[int, Decoded]
    prompts: tuple[str, ...]
    n_bootstrap: int
    seed: int
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
        theirs = decode(teacher.prepare_dataset(dataset), teacher.sample_rate, **limits)
        decoded = {rate: decode(dataset, rate, **limits) for rate in sample_rates}
        return cls(data, dataset, theirs, decoded, tuple(prompts), n_bootstrap, seed, tuple(empty_classes))

    @property
    def usable(self) -> list[int]:
        """Indices of the clips that could be decoded at every rate."""
        usable = [{window.clip for window in one.windows} for one in (self.teacher_clips, *self.decoded.values())]
        return sorted(set.intersection(*usable))

    @property
    def targets(self) -> list[int]:
        """The class of each usable clip, an index into the data set's labels."""
        return [self.dataset.labels.index(str(self.dataset.clips[clip].label)) for clip in self.usable]

    @property
    def sources(self) -> list[str | None] | None:
        """The recording that each usable clip was cut from; None where no clip names one."""
        sources = [self.dataset.clips[clip].source for clip in self.usable]
        return sources if any(source is not None for source in sources) else None

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
        bad = [dataclasses.asdict(clip) for clip in self.teacher_clips.bad]
        unscored = [*self.empty_classes, *(row["label"] for row in result["per_class"] if not row["n"])]
        return {"task": self.name, "data": self.data, **result, "bad_clips": bad, "labels_without_clips": unscored}

    def student_clips(self, student: Student) -> np.ndarray:
        """A student's embeddings of the usable clips, unit-norm float32 (N, D)."""
        embeddings = clip_embeddings(student.embed_audio, self.decoded[student.sample_rate], progress="student embeds")
        return embeddings[self.usable]
