"""Retrieval: captioned clips, made ready once for the audio and text encoders of a teacher and of its students."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Unpack

import numpy as np

from tinyclap.common.statistics import recording_ids
from tinyclap.data import Dataset
from tinyclap.data.decoded import DecodeLimits
from tinyclap.evaluation.captioned import Captions
from tinyclap.evaluation.clips import ClipTask
from tinyclap.evaluation.retrieval import Found
from tinyclap.models.student import Student
from tinyclap.models.text_student import TextStudent, student_texts
from tinyclap.runs.results import RETRIEVAL
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.stored_embeddings import teacher_clips, teacher_texts


@dataclass(frozen=True, kw_only=True)
class RetrievalTask(ClipTask):
    """Captioned clips; every clip has a caption. `evaluation.retrieval` states the protocol.

    A clip longer than `max_clip_s` is the average of its windows, as in every task.

    Attributes:
        text_student: whose embeddings of the captions are used beside the teacher's; None for none.
    """

    name: ClassVar[str] = RETRIEVAL

    text_student: TextStudent | None = None

    @classmethod
    def prepare(
        cls,
        dataset: Dataset,
        teacher: Teacher,
        sample_rates: Sequence[int] = (),
        *,
        data: str,
        text_student: TextStudent | None = None,
        n_bootstrap: int = 2000,
        seed: int = 0,
        **limits: Unpack[DecodeLimits],
    ) -> "RetrievalTask":
        """Decode the clips for a teacher and for students of these sample rates.

        Args:
            **limits: of `data.decoded.decode`; the others are the attributes.

        Raises:
            TinyclapError: too many unusable clips.
        """
        clips = cls.decode(dataset, teacher, sample_rates, **limits)
        return cls(data=data, **clips, text_student=text_student, n_bootstrap=n_bootstrap, seed=seed)

    @cached_property
    def captions(self) -> Captions:
        """The captions of the usable clips."""
        return Captions([self.dataset.clips[clip].captions for clip in self.usable])

    def evaluate(
        self, teacher: Teacher, student: Student | None = None, *, mean: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Recall, median rank and mAP@10 both ways, for each pair of an audio and a text encoder; `mean` is not used.

        Returns:
            Under "teacher" and "student", whose audio encoder it is, and there under "teacher_text_encoder" and
            "student_text_encoder": "text_to_audio" and "audio_to_text" with `n_queries` and, for `recall_1`,
            `recall_5`, `recall_10`, `map_10` and `median_rank`, a `value` and its `ci95`. All pairs but the teacher's
            own have the `difference` to it with a paired `difference_ci95` (medians have none). `by_chance` holds the
            values of a random order; `examples` are `misses` of the smallest pair, whose `audio_encoder` and
            `text_encoder` are named there.
        """
        usable = self.usable
        sounds = {"teacher": teacher_clips(teacher, self.teacher_clips)[usable]}
        if student is not None:
            sounds["student"] = self.student_clips(student)
        found: dict[tuple[str, str], dict[str, Found]] = {}
        for whose, clips in sounds.items():
            mapped = student.latent_map if student is not None and whose == "student" else None
            found[whose, "teacher"] = self.captions.find(clips, teacher_texts(teacher, self.captions.texts, mapped))
            if self.text_student is not None:
                own = student_texts(self.text_student, self.captions.texts, mapped)
                found[whose, "student"] = self.captions.find(clips, own)
        recordings = recording_ids(self.sources, len(usable))
        scores: dict[str, dict[str, Any]] = {whose: {} for whose in sounds}
        for (audio, text), both in found.items():
            base = None if (audio, text) == ("teacher", "teacher") else found["teacher", "teacher"]
            figures = self.captions.scores(both, base, recordings, self.n_bootstrap, self.seed)
            scores[audio][f"{text}_text_encoder"] = figures
        (audio, text), smallest = list(found.items())[-1]
        misses = self.captions.misses(smallest, [self.dataset.clips[clip].name for clip in usable])
        return {
            "task": self.name,
            "data": self.data,
            "n_clips": len(usable),
            "n_captions": len(self.captions.owner),
            "n_texts": len(self.captions.texts),
            "n_recordings": int(recordings.max()) + 1,
            "clustered": self.sources is not None,
            "n_bootstrap": self.n_bootstrap,
            "seed": self.seed,
            **scores,
            "by_chance": self.captions.chances(),
            "examples": {"audio_encoder": audio, "text_encoder": text, "misses": misses},
            "bad_clips": self.bad_clips,
        }
