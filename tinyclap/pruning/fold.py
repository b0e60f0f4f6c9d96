"""A latent map folded into a student's head, exactly."""

import dataclasses

import numpy as np
import torch
from torch import Tensor

from tinyclap.embeddings.joint_space import Head
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.errors import TinyclapError
from tinyclap.models.heads import LinearHead, MappedProjection, Projection
from tinyclap.models.student import Student
from tinyclap.models.student_config import MAPPED


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


def one_head(student: Student, head: Head) -> Student:
    """A student of several teachers in the space of one of them alone: what a run of that teacher makes."""
    chosen = prune(student, LatentMap(np.eye(student.embed_dim, dtype=np.float32)[head.place], "head"))
    chosen.latent_map = None  # nothing is pruned: all dimensions of its teacher's space are there
    return chosen


def narrow(student: Student, seed: int = 0) -> Student:
    """A pruned student whose mapped projection is replaced by a new one of its own width, untrained; others as is."""
    if not isinstance(student.head, MappedProjection):
        return student
    torch.manual_seed(seed)
    smaller = Student(dataclasses.replace(student.config, head="projection"), student.latent_map)
    assert isinstance(smaller.head, Projection)
    kept = {name: tensor for name, tensor in student.state_dict().items() if not name.startswith("head.")}
    return _filled(smaller, {**smaller.state_dict(), **kept})


def _product(matrix: Tensor, other: Tensor) -> Tensor:
    return (matrix.double() @ other.detach().double()).float()


def _filled(student: Student, state: dict[str, Tensor]) -> Student:
    student.load_state_dict(state)
    return student.eval()
