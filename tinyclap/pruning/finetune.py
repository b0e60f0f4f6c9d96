"""A pruned student's head, trained on."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tinyclap.common.progress import Progress, counted
from tinyclap.embeddings.joint_space import Stored
from tinyclap.models.heads import unit_norm
from tinyclap.models.student import Student
from tinyclap.pruning.fold import narrow
from tinyclap.pruning.sweep import FEATURES_AT_ONCE, FINETUNE_BATCH
from tinyclap.training.loop import seed_step
from tinyclap.training.losses import CentredCosineLoss, CosineLoss
from tinyclap.training.optim import build_optimizer, set_learning_rate
from tinyclap.training.options import TrainingOptions
from tinyclap.training.sampling import epoch_batches
from tinyclap.training.spectrograms import LogMelViews


@dataclass(frozen=True)
class HeadTrainingSet:
    """What a head is trained on again: every stored view once through the trunk and once through the teacher.

    Attributes:
        features: of the pooled trunk, float32 (N, pooled_features).
        targets: teacher embeddings in its whole space, unit norm (N, full_dim).
        loss: "cosine" or "centred_cosine", as in the distillation.
        plain_weight: of the centred one.
    """

    features: np.ndarray
    targets: np.ndarray
    loss: str = "centred_cosine"
    plain_weight: float = 0.2


@torch.no_grad()
def head_training_set(
    student: Student, views: LogMelViews, targets: Stored, loss: str, plain_weight: float
) -> HeadTrainingSet:
    """The stored views of a distillation, targets (clips, views, full_dim), through the student's trunk."""
    rows = [divmod(row, views.per_clip) for row in range(len(views) * views.per_clip)]
    blocks = [rows[first : first + FEATURES_AT_ONCE] for first in range(0, len(rows), FEATURES_AT_ONCE)]
    features = [
        student.eval().features(views.batch(block)).numpy()
        for block in counted(blocks, "student embeds", len(blocks), "block")
    ]
    return HeadTrainingSet(np.concatenate(features), np.asarray(targets.reshape(len(rows), -1)), loss, plain_weight)


def finetune(student: Student, learned: HeadTrainingSet, epochs: int, *, lr: float = 0.004, seed: int = 0) -> Student:
    """A pruned student whose head alone was trained towards the teacher's mapped embeddings.

    A mapped projection becomes a narrow one first (see `narrow`).

    Args:
        student: pruned.
        learned: stored views of the training clips.
        epochs: passes over all of them.
        lr: peak learning rate.
        seed: of the order and of a new head.
    """
    student = copy.deepcopy(narrow(student, seed))
    wanted = learned.targets.astype(np.float32)
    if student.latent_map is not None:
        wanted = student.latent_map.apply(wanted)
    features, targets = torch.from_numpy(learned.features), torch.from_numpy(np.ascontiguousarray(wanted))
    criterion: nn.Module = CosineLoss()
    if learned.loss != "cosine":
        criterion = CentredCosineLoss(targets.mean(0), learned.plain_weight)
    options = TrainingOptions(epochs=epochs, batch_size=min(FINETUNE_BATCH, len(features)), lr=lr)
    optimizer = build_optimizer([(student.head.parameters(), lr)], options)
    steps = len(epoch_batches(len(features), options.batch_size, seed, 0))
    student.head.train()
    with torch.enable_grad(), Progress("finetune", epochs * steps, "step") as counter:
        for epoch in range(epochs):
            for number, batch in enumerate(epoch_batches(len(features), options.batch_size, seed, epoch)):
                step = epoch * steps + number
                set_learning_rate(optimizer, step, epochs * steps, options)
                seed_step(seed, step)
                loss = criterion(unit_norm(student.head(features[batch]).float()), targets[batch])
                loss.backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                counter.update(1, f"loss {loss.item():.3f}")
    return student.eval()
