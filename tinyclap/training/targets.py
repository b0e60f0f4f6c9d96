"""Embeddings of every view and every clip, computed once and kept.

A store of views is a float16 array (clips, views, D), named by a hash of all that it depends on: teacher weights and
preprocessing, decoded audio, view settings, seed. `common.row_store` says how it is filled.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tinyclap.common.cache_lock import cache_folder
from tinyclap.common.row_store import (
    BLOCK_ROWS,
    VERSION,
    RowStore,
    fill_stores,
)
from tinyclap.data.views import Views
from tinyclap.embeddings.joint_space import Head, SideBySide
from tinyclap.errors import TinyclapError
from tinyclap.teachers.encoder import Encoder


@dataclass(frozen=True)
class TeacherTargets:
    """Stored embeddings and what filling them took.

    Attributes:
        embeddings: float16 (clips, views, D), memory-mapped, read-only.
        folder: where they are kept.
        teacher_forwards: views that the teacher embedded in this call; 0 when all were stored already.
        rounding_error: largest absolute difference between a float32 embedding and its stored float16 value.
    """

    embeddings: np.ndarray
    folder: Path
    teacher_forwards: int
    rounding_error: float


def store_key(teacher: Encoder, views: Views) -> str:
    """Hash of everything that a stored embedding depends on."""
    parts = [
        VERSION,
        BLOCK_ROWS,
        teacher.fingerprint,
        views.decoded.fingerprint,
        views.spec.fingerprint,
        views.spec.seed,
    ]
    return hashlib.blake2b(json.dumps([*parts, views.spec.per_clip]).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class JointTargets:
    """What several teachers made of the same views, each in a store of its own.

    Attributes:
        each: by teacher.
        heads: their parts of the space.
    """

    each: tuple[TeacherTargets, ...]
    heads: tuple[Head, ...]

    @property
    def embeddings(self) -> SideBySide:
        """Side by side, (clips, views, D)."""
        return SideBySide([one.embeddings for one in self.each], self.heads)

    @property
    def folder(self) -> Path:
        """What holds the stores."""
        return self.each[0].folder.parent

    @property
    def teacher_forwards(self) -> int:
        """Views embedded in this call, by all teachers together."""
        return sum(one.teacher_forwards for one in self.each)

    @property
    def rounding_error(self) -> float:
        """The largest of all."""
        return max(one.rounding_error for one in self.each)


def stored_embeddings(teacher: Encoder, views: Views) -> np.ndarray | None:
    """What `teacher_embeddings` made and kept, float16 (clips, views, D); None unless every view is there."""
    rows = _store(teacher, views, _never).stored()
    return None if rows is None else _by_clip(rows, views)


def teacher_embeddings(
    teacher: Encoder, views: Views, device: str | torch.device = "cpu", *, beside: Sequence[RowStore] = ()
) -> TeacherTargets:
    """Every view's teacher embedding, from the store as far as it is filled and from the teacher for the rest.

    Args:
        teacher: embeds the views.
        views: at the teacher's sample rate.
        device: to run the teacher on.
        beside: stores of something else made from the same views, filled too, so that no view is rendered twice.

    Raises:
        TinyclapError: the views' sample rate is not the teacher's, or an embedding is not finite.
    """
    store = target_store(teacher, views, device)
    filled = fill_stores([store, *beside], views.block, progress=f"{teacher.name} embeds")[0]
    return TeacherTargets(_by_clip(filled.rows, views), filled.folder, filled.computed, filled.rounding_error)


def target_store(teacher: Encoder, views: Views, device: str | torch.device = "cpu") -> RowStore:
    """What `teacher_embeddings` fills: rows (clips * views, D); the arguments and errors are its own."""
    if views.decoded.sample_rate != teacher.sample_rate:
        raise TinyclapError(
            f"views at {views.decoded.sample_rate} Hz for a teacher that expects {teacher.sample_rate} Hz"
        )
    per_clip = views.spec.per_clip
    teacher.to(device)

    def embed(rows: range, waveforms: np.ndarray) -> np.ndarray:
        embeddings = (
            teacher.embed_audio(torch.from_numpy(waveforms), torch.from_numpy(views.lengths(rows)))
            .float()
            .cpu()
            .numpy()
        )
        for row, embedding in zip(rows, embeddings, strict=True):
            if not np.isfinite(embedding).all():
                name = views.decoded.windows[row // per_clip].name
                raise TinyclapError(
                    f"teacher {teacher.name}: the embedding of {name} (view {row % per_clip}) is not finite"
                )
        return embeddings

    return _store(teacher, views, embed)


def _store(teacher: Encoder, views: Views, embed: Callable[[range, np.ndarray], np.ndarray]) -> RowStore:
    rows = len(views) * views.spec.per_clip
    return RowStore(
        cache_folder("embeddings") / store_key(teacher, views), (rows, teacher.embed_dim), np.float16, embed
    )


def _never(rows: range, waveforms: np.ndarray) -> np.ndarray:
    raise AssertionError("a store that is only read computes nothing")


def _by_clip(rows: np.ndarray, views: Views) -> np.ndarray:
    return rows.reshape(len(views), views.spec.per_clip, rows.shape[-1])
