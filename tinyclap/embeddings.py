"""Embeddings of every view and every clip, computed once and kept.

A store of views is a float16 array (clips, views, D), named by a hash of all that it depends on: teacher weights and
preprocessing, decoded audio, view settings, seed. See `store` for how it is filled.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tinyclap.common.files import cache_root, cached_folder, write_array
from tinyclap.common.progress import counted
from tinyclap.common.row_store import (
    BLOCK_ROWS,
    VERSION,
    Store,
    fill,
)
from tinyclap.data.decoded import Decoded
from tinyclap.errors import TinyclapError
from tinyclap.latent import LatentMap
from tinyclap.teachers.base import Teacher
from tinyclap.views import Views
from tinyclap.zeroshot import SameClassesError, class_matrix


@dataclass(frozen=True)
class Stored:
    """Stored embeddings and what filling them took.

    Attributes:
        embeddings: float16 (clips, views, D), memory-mapped, read-only.
        folder: where they are kept.
        teacher_forwards: views that the teacher heard in this call; 0 when all were stored already.
        rounding_error: largest absolute difference between a float32 embedding and its stored float16 value.
    """

    embeddings: np.ndarray
    folder: Path
    teacher_forwards: int
    rounding_error: float


def store_key(teacher: Teacher, views: Views) -> str:
    """Hash of everything that a stored embedding depends on."""
    parts = [VERSION, BLOCK_ROWS, teacher.fingerprint, views.decoded.fingerprint, views.spec.fingerprint, views.seed]
    return hashlib.blake2b(json.dumps([*parts, views.spec.per_clip]).encode(), digest_size=16).hexdigest()


def teacher_embeddings(
    teacher: Teacher, views: Views, device: str | torch.device = "cpu", *, beside: Sequence[Store] = ()
) -> Stored:
    """Every view's teacher embedding, from the store as far as it is filled and from the teacher for the rest.

    Args:
        teacher: embeds the views.
        views: at the teacher's sample rate.
        device: to run the teacher on.
        beside: stores of something else made from the same views, filled too, so that no view is rendered twice.

    Raises:
        TinyclapError: the views' sample rate is not the teacher's, or an embedding is not finite.
    """
    if views.decoded.sample_rate != teacher.sample_rate:
        raise TinyclapError(
            f"views at {views.decoded.sample_rate} Hz for a teacher that hears {teacher.sample_rate} Hz"
        )
    per_clip = views.spec.per_clip
    teacher.to(device)

    def listen(rows: range, waveforms: np.ndarray) -> np.ndarray:
        embeddings = teacher.embed_audio(torch.from_numpy(waveforms).to(device)).float().cpu().numpy()
        for row, embedding in zip(rows, embeddings, strict=True):
            if not np.isfinite(embedding).all():
                name = views.decoded.windows[row // per_clip].name
                raise TinyclapError(
                    f"teacher {teacher.name}: the embedding of {name} (view {row % per_clip}) is not finite"
                )
        return embeddings

    store = Store(
        cache_root() / "embeddings" / store_key(teacher, views),
        (len(views) * per_clip, teacher.embed_dim),
        np.float16,
        listen,
    )
    filled = fill([store, *beside], views.block, progress=f"{teacher.name} listens")[0]
    shape = (len(views), per_clip, teacher.embed_dim)
    return Stored(filled.rows.reshape(shape), filled.folder, filled.computed, filled.rounding_error)


def clip_embeddings(embed: Callable[[Tensor, Tensor], Tensor], decoded: Decoded, *, progress: str) -> np.ndarray:
    """Whole clips: the windows that a long one was decoded into are averaged, weighted by their length.

    Args:
        embed: waveforms (B, T) and lengths (B,) -> unit-norm (B, D).
        decoded: at the model's sample rate.
        progress: what the progress bar says.

    Returns:
        Unit-norm float32 (n_clips, D); a row of zeros for a clip that was unusable.
    """
    sums: np.ndarray | None = None
    firsts = range(0, len(decoded), BLOCK_ROWS)
    for first in counted(firsts, progress, len(firsts), "block"):
        indices = range(first, min(first + BLOCK_ROWS, len(decoded)))
        clips = [torch.from_numpy(decoded.waveform(index)) for index in indices]
        lengths = torch.tensor([len(clip) for clip in clips])
        rows = embed(torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), lengths).cpu().numpy()
        sums = np.zeros((decoded.n_clips, rows.shape[1]), np.float32) if sums is None else sums
        windows = [decoded.windows[index] for index in indices]
        weights = np.array([[window.duration_s] for window in windows], np.float32)
        np.add.at(sums, [window.clip for window in windows], weights * rows)
    assert sums is not None
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def teacher_clips(teacher: Teacher, decoded: Decoded) -> np.ndarray:
    """`clip_embeddings` of a teacher, kept in the cache. Raises TinyclapError for one that is not finite."""
    device = next(teacher.parameters()).device

    def embed(waveforms: Tensor, lengths: Tensor) -> Tensor:
        return teacher.embed_audio(waveforms.to(device), lengths)

    return _remember(
        ["clips", teacher.fingerprint, decoded.fingerprint],
        lambda: clip_embeddings(embed, decoded, progress=f"{teacher.name} listens"),
        f"teacher {teacher.name}",
    )


def teacher_texts(teacher: Teacher, texts: list[str], latent_map: LatentMap | None = None) -> np.ndarray:
    """Text embeddings of a teacher, unit-norm float32 (N, D), kept in the cache; raises as `teacher_clips` does.

    `latent_map` takes them into the space of a pruned student.
    """
    embeddings = _remember(
        ["texts", teacher.fingerprint, *texts],
        lambda: teacher.embed_text(texts).float().cpu().numpy(),
        f"teacher {teacher.name}",
    )
    return embeddings if latent_map is None else latent_map.apply(embeddings)


def class_vectors(
    teacher: Teacher, labels: Sequence[str], prompts: Sequence[str], latent_map: LatentMap | None = None
) -> np.ndarray:
    """`zeroshot.class_matrix` of a teacher's texts, in the space of its students or, mapped, of a pruned one."""
    if latent_map is None:
        return class_matrix(lambda texts: teacher_texts(teacher, texts), labels, prompts)
    try:
        return class_matrix(lambda texts: teacher_texts(teacher, texts, latent_map), labels, prompts)
    except SameClassesError as error:
        raise SameClassesError(
            f"{latent_map.dim} dimensions ({latent_map.method}) cannot tell all {len(labels)} classes apart; keep more"
        ) from error


def _remember(parts: list[str], compute: Callable[[], np.ndarray], who: str) -> np.ndarray:
    key = hashlib.blake2b(json.dumps([VERSION, *parts]).encode(), digest_size=16).hexdigest()
    folder = cache_root() / "embeddings" / key
    try:
        remembered: np.ndarray = np.load(folder / "embeddings.npy")
        return remembered
    except (OSError, ValueError, EOFError):
        shutil.rmtree(folder, ignore_errors=True)  # not there, or damaged
    embeddings = compute()
    if not np.isfinite(embeddings).all():
        raise TinyclapError(f"{who}: an embedding of its {parts[0]} is not finite")
    with cached_folder(folder) as temporary:
        write_array(temporary / "embeddings.npy", embeddings)
    return embeddings
