"""A student in fewer dimensions: a latent map folded into its head, exactly, and the head trained on if asked to."""

import copy
import dataclasses
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tinyclap.common import statistics
from tinyclap.common.progress import Progress, counted
from tinyclap.embeddings import neighbours, zero_shot
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.errors import TinyclapError
from tinyclap.models.heads import LinearHead, MappedProjection, Projection, unit_norm
from tinyclap.models.student import Student
from tinyclap.models.student_config import MAPPED
from tinyclap.training import loop
from tinyclap.training.losses import CentredCosineLoss, CosineLoss
from tinyclap.training.spectrograms import LogMelViews

FEATURES_AT_ONCE = 64
FINETUNE_BATCH = 256


def prune(student: Student, latent_map: LatentMap) -> Student:
    """The student behind a latent map: unit(M · embedding), with nothing else changed.

    A linear head shrinks: its matrix W and bias b become M·W and M·b. A projection keeps its width, since LayerNorm
    mixes all dimensions, and gets M behind it; `narrow` gives it a head that is truly smaller, to be trained.

    Args:
        student: as it is; a pruned one is pruned further, and the maps are composed.
        latent_map: from the student's space.

    Raises:
        TinyclapError: a map from another number of dimensions.
    """
    if latent_map.full_dim != student.embed_dim:
        raise TinyclapError(f"a latent map of {latent_map.full_dim} dimensions for a student of {student.embed_dim}")
    whole = latent_map if student.latent_map is None else latent_map.after(student.latent_map)
    matrix = torch.from_numpy(latent_map.matrix)
    head, state = student.head, dict(student.state_dict())
    kind = student.config.head
    if isinstance(head, LinearHead):
        state["head.weight"], state["head.bias"] = _product(matrix, head.weight), _product(matrix, head.bias)
    elif isinstance(head, MappedProjection):
        state["head.map.weight"] = _product(matrix, head.map.weight)
    else:
        state = {name.replace("head.", "head.projection."): tensor for name, tensor in state.items()}
        state["head.map.weight"] = matrix
        kind = MAPPED
    config = dataclasses.replace(student.config, head=kind, embed_dim=latent_map.dim)
    return _filled(Student(config, whole), state)


def narrow(student: Student, seed: int = 0) -> Student:
    """A pruned student whose mapped projection is replaced by a new one of its own width, untrained; others as is."""
    if not isinstance(student.head, MappedProjection):
        return student
    torch.manual_seed(seed)
    smaller = Student(dataclasses.replace(student.config, head="projection"), student.latent_map)
    assert isinstance(smaller.head, Projection)
    kept = {name: tensor for name, tensor in student.state_dict().items() if not name.startswith("head.")}
    return _filled(smaller, {**smaller.state_dict(), **kept})


@dataclass(frozen=True)
class Material:
    """What a head is trained on again: every stored view once as the trunk hears it and once as the teacher does.

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
def material(student: Student, views: LogMelViews, targets: np.ndarray, loss: str, plain_weight: float) -> Material:
    """The stored views of a distillation, targets (clips, views, full_dim), through the student's trunk."""
    rows = [divmod(row, views.per_clip) for row in range(len(views) * views.per_clip)]
    blocks = [rows[first : first + FEATURES_AT_ONCE] for first in range(0, len(rows), FEATURES_AT_ONCE)]
    features = [
        student.eval().features(views.batch(block)).numpy()
        for block in counted(blocks, "student listens", len(blocks), "block")
    ]
    return Material(np.concatenate(features), targets.reshape(len(rows), -1), loss, plain_weight)


def finetune(student: Student, taught: Material, epochs: int, *, lr: float = 0.004, seed: int = 0) -> Student:
    """A pruned student whose head alone was trained towards the teacher's mapped embeddings.

    A mapped projection becomes a narrow one first (see `narrow`).

    Args:
        student: pruned.
        taught: stored views of the training clips.
        epochs: passes over all of them.
        lr: peak learning rate.
        seed: of the order and of a new head.
    """
    student = copy.deepcopy(narrow(student, seed))
    wanted = taught.targets.astype(np.float32)
    if student.latent_map is not None:
        wanted = student.latent_map.apply(wanted)
    features, targets = torch.from_numpy(taught.features), torch.from_numpy(np.ascontiguousarray(wanted))
    criterion: nn.Module = CosineLoss()
    if taught.loss != "cosine":
        criterion = CentredCosineLoss(targets.mean(0), taught.plain_weight)
    options = loop.Options(epochs=epochs, batch_size=min(FINETUNE_BATCH, len(features)), lr=lr)
    optimizer = loop.build_optimizer([(student.head.parameters(), lr)], options)
    steps = len(loop.epoch_batches(len(features), options.batch_size, seed, 0))
    student.head.train()
    with torch.enable_grad(), Progress("finetune", epochs * steps, "step") as counter:
        for epoch in range(epochs):
            for number, batch in enumerate(loop.epoch_batches(len(features), options.batch_size, seed, epoch)):
                step = epoch * steps + number
                loop.set_learning_rate(optimizer, step, epochs * steps, options)
                loop.seed_step(seed, step)
                loss = criterion(unit_norm(student.head(features[batch]).float()), targets[batch])
                loss.backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                counter.update(1, f"loss {loss.item():.3f}")
    return student.eval()


@dataclass(frozen=True)
class Trial:
    """What a sweep is measured on: test clips and classes in the whole space.

    Attributes:
        student: its embeddings (N, D) before pruning.
        teacher: of the same clips, in the teacher's whole space.
        classes: a latent map from the student's space (None: no pruning) to class vectors in the smaller one.
        targets: index of each clip's class (N,).
        sources: the recording of each clip, if known.
        n_bootstrap, seed: of the intervals.
    """

    student: np.ndarray
    teacher: np.ndarray
    classes: Callable[[LatentMap | None], np.ndarray]
    targets: np.ndarray
    sources: Sequence[str | None] | None = None
    n_bootstrap: int = 2000
    seed: int = 0

    def score(self, embeddings: np.ndarray, latent_map: LatentMap | None) -> dict[str, Any]:
        """Accuracy with its interval, and the share of the teacher's neighbours kept, of embeddings behind a map."""
        accuracy, ci95 = None, None
        with suppress(zero_shot.SameClassesError):  # classes that coincide in so few dimensions: no accuracy
            correct = zero_shot.predict(embeddings, self.classes(latent_map)) == self.targets
            recordings = statistics.recording_ids(self.sources, len(correct))
            accuracy = float(np.mean(correct))
            ci95 = statistics.accuracy_interval(correct, recordings, self.n_bootstrap, self.seed)
        enough = len(embeddings) > 10
        return {
            "dim": int(embeddings.shape[1]),
            "accuracy": accuracy,
            "ci95": ci95,
            "knn10_overlap": neighbours.knn_overlap(embeddings, self.teacher) if enough else None,
        }


def sweep(
    trial: Trial,
    make: Callable[[str, int], LatentMap],
    methods: Sequence[str],
    dims: Sequence[int],
    trained: Callable[[LatentMap], np.ndarray] | None = None,
) -> list[dict[str, Any]]:
    """Every method at every dimension, without training and, with `trained`, after it.

    Args:
        trial: what is measured.
        make: a latent map by method and dimension.
        methods, dims: to go through.
        trained: the test embeddings of the student pruned by a map and trained on, (N, dim).

    Returns:
        A row for the unpruned student ("none") and one for each method, dimension and state.
    """
    rows = [{"method": "none", "finetuned": False, **trial.score(trial.student, None)}]
    for method in methods:
        for dim in dims:
            latent_map = make(method, dim)
            embeddings = latent_map.apply(trial.student)
            rows.append({"method": method, "finetuned": False, **trial.score(embeddings, latent_map)})
            if trained:
                rows.append({"method": method, "finetuned": True, **trial.score(trained(latent_map), latent_map)})
    return rows


def _product(matrix: Tensor, other: Tensor) -> Tensor:
    return (matrix.double() @ other.detach().double()).float()


def _filled(student: Student, state: dict[str, Tensor]) -> Student:
    student.load_state_dict(state)
    return student.eval()
