"""Test clips decoded once for a teacher and its students, which every task on sounds begins with."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import numpy as np

from tinyclap.data import Dataset
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import Decoded, DecodeLimits, decode
from tinyclap.models.student import Student
from tinyclap.teachers.encoder import Teacher


class Clips(TypedDict):
    """The fields of `ClipTask` that decoding gives."""

    dataset: Dataset
    teacher_clips: Decoded
    decoded: dict[int, Decoded]


@dataclass(frozen=True, kw_only=True)
class ClipTask:
    """Clips decoded at every rate that is needed, so that no fault shows later.

    Attributes:
        data: the data section in one line.
        dataset: the clips.
        teacher_clips: decoded for the teacher.
        decoded: for students, by sample rate in Hz.
        n_bootstrap: resamples of the intervals.
        seed: of the resampling.
    """

    data: str
    dataset: Dataset
    teacher_clips: Decoded
    decoded: dict[int, Decoded]
    n_bootstrap: int
    seed: int

    @staticmethod
    def decode(
        dataset: Dataset, teacher: Teacher, sample_rates: Sequence[int], **limits: Unpack[DecodeLimits]
    ) -> Clips:
        """Decode the clips for a teacher and for students of these sample rates.

        Raises:
            TinyclapError: too many unusable clips.
        """
        theirs = decode(teacher.prepare_dataset(dataset), teacher.sample_rate, **limits)
        decoded = {rate: decode(dataset, rate, **limits) for rate in sample_rates}
        return {"dataset": dataset, "teacher_clips": theirs, "decoded": decoded}

    @property
    def usable(self) -> list[int]:
        """Indices of the clips that could be decoded at every rate."""
        usable = [{*one.windows.clips} for one in (self.teacher_clips, *self.decoded.values())]
        return sorted(set.intersection(*usable))

    @property
    def sources(self) -> list[str | None] | None:
        """The recording that each usable clip was cut from; None where no clip names one."""
        sources = [self.dataset.clips[clip].source for clip in self.usable]
        return sources if any(source is not None for source in sources) else None

    @property
    def bad_clips(self) -> list[dict[str, Any]]:
        """The clips that were left out, each with its name and the reason."""
        return [dataclasses.asdict(clip) for clip in self.teacher_clips.bad]

    def student_clips(self, student: Student) -> np.ndarray:
        """A student's embeddings of the usable clips, unit-norm float32 (N, D)."""
        embeddings = clip_embeddings(student.embed_audio, self.decoded[student.sample_rate], progress="student embeds")
        return embeddings[self.usable]
