"""What a student learns from: views of a training set, the teacher's embeddings and the student's inputs of each."""

from dataclasses import dataclass
from typing import Unpack

import torch

from tinyclap.data import Dataset
from tinyclap.data.decoded import DecodeLimits, decode
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.embeddings.joint_space import SideBySide, Stored
from tinyclap.models.student import Student
from tinyclap.teachers.encoder import Encoder
from tinyclap.teachers.joint import JointTeacher, encoders_in
from tinyclap.training.spectrograms import LogMelViews, logmel_store
from tinyclap.training.targets import JointTargets, TeacherTargets, stored_embeddings, teacher_embeddings


@dataclass(frozen=True)
class DistillationSet:
    """Every view of a training set, as teacher and student take it.

    Attributes:
        targets: the teacher's embeddings.
        inputs: the student's spectrograms.
    """

    targets: TeacherTargets | JointTargets
    inputs: LogMelViews


def distillation_set(
    train: Dataset,
    teacher: Encoder,
    student: Student,
    views: ViewSpec,
    *,
    keep_logmels: bool = True,
    device: str | torch.device = "cpu",
    **limits: Unpack[DecodeLimits],
) -> DistillationSet:
    """Targets and inputs, from the cache as far as they lie there; what is missing is made and kept.

    A view is rendered once where teacher and student take the same sample rate. Each of several teachers hears it at
    its own rate, and has the store that it would have alone.

    Args:
        train: the training set.
        teacher: embeds the views.
        student: takes their spectrograms.
        views: which views.
        keep_logmels: keep the student's spectrograms in the cache.
        device: to run the teacher on.
        **limits: of `data.decoded.decode`.

    Raises:
        TinyclapError: too many unusable clips, an embedding that is not finite, or too small a disk.
    """
    ours = Views(decode(train, student.sample_rate, **limits), views)
    found = []
    for each in encoders_in(teacher):
        shared = each.sample_rate == student.sample_rate
        theirs = ours if shared else Views(decode(train, each.sample_rate, **limits), views)
        beside = [logmel_store(ours, student.frontend)] if keep_logmels and shared else []
        found.append(teacher_embeddings(each, theirs, device, beside=beside))
    targets = JointTargets(tuple(found), teacher.heads) if isinstance(teacher, JointTeacher) else found[0]
    return DistillationSet(targets, LogMelViews(ours, student.frontend, keep=keep_logmels))


def stored_targets(train: Dataset, teacher: Encoder, views: ViewSpec, **limits: Unpack[DecodeLimits]) -> Stored | None:
    """The targets of `distillation_set` where all of them are stored; None elsewhere."""
    each = [
        stored_embeddings(one, Views(decode(train, one.sample_rate, **limits), views)) for one in encoders_in(teacher)
    ]
    whole = [rows for rows in each if rows is not None]
    if len(whole) < len(each):
        return None
    return SideBySide(whole, teacher.heads) if isinstance(teacher, JointTeacher) else whole[0]
