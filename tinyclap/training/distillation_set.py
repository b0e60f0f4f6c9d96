"""What is learned from: views of a training set, each as the teacher embeds it and as the student hears it."""

from dataclasses import dataclass

import torch

from tinyclap.config.recipes import DistillRecipe, PretrainRecipe
from tinyclap.data import Dataset
from tinyclap.data.decoded import decode_set
from tinyclap.data.views import Views, ViewSpec
from tinyclap.models.student import Student
from tinyclap.teachers.base import Teacher
from tinyclap.training.spectrograms import LogMelViews, logmel_store
from tinyclap.training.targets import TeacherTargets, teacher_embeddings


@dataclass(frozen=True)
class DistillationSet:
    """Every view of a training set twice.

    Attributes:
        stored: as the teacher embeds it.
        logmels: as the student hears it.
    """

    stored: TeacherTargets
    logmels: LogMelViews


def training_views(recipe: DistillRecipe | PretrainRecipe, train: Dataset, sample_rate: int) -> Views:
    """The views that a recipe takes of its training set, at a sample rate in Hz."""
    spec = ViewSpec(**recipe.views.model_dump(exclude={"seed"}))
    return Views(decode_set(train, sample_rate, recipe.data), spec, recipe.views.seed)


def distillation_set(
    recipe: DistillRecipe, train: Dataset, teacher: Teacher, student: Student, device: str | torch.device = "cpu"
) -> DistillationSet:
    """The lessons of a recipe, from the cache as far as they lie there; what is missing is made and kept.

    A view is rendered once where teacher and student hear the same sample rate.

    Args:
        recipe: says which views, and whether the student's spectrograms are kept.
        train: its training set.
        teacher, student: who hears the views.
        device: to run the teacher on.

    Raises:
        TinyclapError: too many unusable clips, an embedding that is not finite, or too small a disk.
    """
    heard = seen = training_views(recipe, train, teacher.sample_rate)
    if student.sample_rate != teacher.sample_rate:
        seen = training_views(recipe, train, student.sample_rate)
    keep = recipe.training.keep_logmels
    beside = [logmel_store(seen, student.frontend)] if keep and seen is heard else []
    stored = teacher_embeddings(teacher, heard, device, beside=beside)
    return DistillationSet(stored, LogMelViews(seen, student.frontend, keep=keep))
