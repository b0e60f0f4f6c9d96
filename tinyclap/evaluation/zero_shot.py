"""Zero-shot evaluation of runs: which clips, embedded by whom, scored how, written where."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.config.data import describe_data, one_or_more
from tinyclap.config.recipes import DistillRecipe, PretrainRecipe
from tinyclap.data import Dataset
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import Decoded, decode_set
from tinyclap.data.folder import empty_classes
from tinyclap.data.labelled import labelled_set
from tinyclap.embeddings import zero_shot
from tinyclap.evaluation import scores
from tinyclap.models.student import Student
from tinyclap.teachers.base import Teacher
from tinyclap.teachers.cache import class_vectors, teacher_clips


@dataclass(frozen=True)
class ZeroShotTask:
    """Labelled clips and prompts, made ready: decoded at every rate that is needed, so that no fault shows later.

    Attributes:
        data: the data section in one line.
        dataset: every clip with its label.
        heard: the clips as the teacher hears them.
        decoded: as students do, by sample rate in Hz.
        empty_classes: folders of the data that would be classes if they held audio.
        prompts: templates with `{}`.
        n_bootstrap: resamples of the intervals.
        seed: of the resampling.
    """

    data: str
    dataset: Dataset
    heard: Decoded
    decoded: dict[int, Decoded]
    empty_classes: tuple[str, ...]
    prompts: tuple[str, ...]
    n_bootstrap: int
    seed: int

    @property
    def usable(self) -> list[int]:
        """Indices of the clips that could be decoded at every rate."""
        held = [{window.clip for window in one.windows} for one in (self.heard, *self.decoded.values())]
        return sorted(set.intersection(*held))

    @property
    def targets(self) -> list[int]:
        """The class of each usable clip, an index into the data set's labels."""
        return [self.dataset.labels.index(str(self.dataset.clips[clip].label)) for clip in self.usable]

    @property
    def sources(self) -> list[str | None] | None:
        """The recording that each usable clip was cut from; None where no clip names one."""
        sources = [self.dataset.clips[clip].source for clip in self.usable]
        return sources if any(source is not None for source in sources) else None


def prepare(spec: Any, recipe: DistillRecipe | PretrainRecipe, teacher: Teacher, *sample_rates: int) -> ZeroShotTask:
    """The exam of a data section, for a teacher and for students of other sample rates.

    Raises:
        TinyclapError: clips without a label, a single class, class names that read alike, or too many unusable clips.
    """
    dataset = labelled_set(spec)
    prompts = tuple(recipe.evaluate.prompts or teacher.prompts)
    zero_shot.prompts_for(dataset.labels, prompts)
    heard = decode_set(teacher.hears(dataset), teacher.sample_rate, recipe.data)
    decoded = {rate: decode_set(dataset, rate, recipe.data) for rate in sample_rates}
    # A section that names its labels has chosen among the folders; one that does not means all of them.
    whole = [Path(part.root) for part in one_or_more(spec) if part.kind == "folder" and part.labels is None]
    empty = tuple(name for root in whole for name in empty_classes(root))
    return ZeroShotTask(
        describe_data(spec), dataset, heard, decoded, empty, prompts, recipe.evaluate.bootstrap, recipe.seed
    )


def grade(
    exam: ZeroShotTask, teacher: Teacher, student: Student | None = None, *, mean: np.ndarray | None = None
) -> dict[str, Any]:
    """Zero-shot accuracy of a teacher and, if given, its student, as `zeroshot.compare` tells it.

    Args:
        exam: made for them by `prepare`.
        teacher: gives the class vectors.
        student: sits beside it.
        mean: the teacher's mean embedding in the student's space (D,), for the centred cosine.
    """
    usable, clips = exam.usable, [exam.dataset.clips[clip] for clip in exam.usable]
    labels = exam.dataset.labels
    ours = None
    if student is not None:
        heard = exam.decoded[student.sample_rate]
        ours = clip_embeddings(student.embed_audio, heard, progress="student listens")[usable]
    latent_map = None if student is None else student.latent_map
    result = scores.compare(
        teacher_clips(teacher, exam.heard)[usable],
        ours,
        class_vectors(teacher, labels, exam.prompts),
        exam.targets,
        labels,
        folds=[clip.fold for clip in clips] if any(clip.fold is not None for clip in clips) else None,
        sources=exam.sources,
        mean=mean,
        latent_map=latent_map,
        student_classes=class_vectors(teacher, labels, exam.prompts, latent_map) if latent_map else None,
        n_bootstrap=exam.n_bootstrap,
        seed=exam.seed,
        templates=exam.prompts,
    )
    bad = [dataclasses.asdict(clip) for clip in exam.heard.bad]
    unscored = [*exam.empty_classes, *(row["label"] for row in result["per_class"] if not row["n"])]
    return {"data": exam.data, **result, "bad_clips": bad, "labels_without_clips": unscored}
