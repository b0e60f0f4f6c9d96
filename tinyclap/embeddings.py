"""Embeddings of every view and every clip, computed once and kept.

A store of views is a memory-mapped float16 array (clips, views, D), named by a hash of all that it depends on: teacher
weights and preprocessing, decoded audio, view settings, seed. It is filled in blocks of fixed rows; a block is marked
done after its bytes are written, so a killed run goes on where it stopped and ends with the same bytes.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor
from tqdm import tqdm

from tinyclap.data.decoded import Decoded
from tinyclap.errors import TinyclapError
from tinyclap.files import cache_root, whole_folder, write_json
from tinyclap.teachers.base import Teacher
from tinyclap.views import Views

BLOCK_ROWS = 16
VERSION = 1


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


def teacher_embeddings(teacher: Teacher, views: Views, device: str | torch.device = "cpu") -> Stored:
    """Every view's teacher embedding, from the store as far as it is filled and from the teacher for the rest.

    Args:
        teacher: embeds the views.
        views: at the teacher's sample rate.
        device: to run the teacher on.

    Raises:
        TinyclapError: the views' sample rate is not the teacher's, or an embedding is not finite.
    """
    if views.decoded.sample_rate != teacher.sample_rate:
        raise TinyclapError(
            f"views at {views.decoded.sample_rate} Hz for a teacher that hears {teacher.sample_rate} Hz"
        )
    folder = cache_root() / "embeddings" / store_key(teacher, views)
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(views), views.spec.per_clip, teacher.embed_dim)
    embeddings = _open(folder / "embeddings.npy", np.float16, shape)
    n_rows = shape[0] * shape[1]
    done = _open(folder / "done.npy", np.uint8, (-(-n_rows // BLOCK_ROWS),))
    missing = np.flatnonzero(done == 0)
    error = _fill(teacher.to(device), views, embeddings.reshape(n_rows, -1), done, missing)
    meta_path = folder / "meta.json"
    stored = json.loads(meta_path.read_text(encoding="utf-8")) if meta_path.is_file() else {}
    error = max(error, stored.get("rounding_error", 0.0))
    if len(missing):
        write_json(meta_path, {"teacher": teacher.name, "shape": shape, "rounding_error": error})
    forwards = sum(len(_rows(int(block), n_rows)) for block in missing)
    return Stored(np.load(folder / "embeddings.npy", mmap_mode="r"), folder, forwards, error)


def _open(path: Path, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    """Open an array for writing, made whole (all zeros) before it gets its name."""
    if not path.is_file():
        temporary = path.with_suffix(".new")
        open_memmap(temporary, mode="w+", dtype=dtype, shape=shape).flush()
        temporary.replace(path)
    return open_memmap(path, mode="r+")


def _rows(block: int, n_rows: int) -> range:
    return range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, n_rows))


def _fill(teacher: Teacher, views: Views, embeddings: np.ndarray, done: np.ndarray, missing: np.ndarray) -> float:
    error = 0.0
    device = next(teacher.parameters()).device
    for block in tqdm(missing, desc=f"{teacher.name} listens", unit="block", disable=None if len(missing) else True):
        rows = _rows(int(block), len(embeddings))
        waveforms = views.batch([divmod(row, views.spec.per_clip) for row in rows])
        exact = teacher.embed_audio(torch.from_numpy(waveforms).to(device)).cpu().numpy()
        if not np.isfinite(exact).all():
            raise TinyclapError(f"teacher {teacher.name} gave an embedding that is not finite for views {rows}")
        embeddings[rows.start : rows.stop] = exact
        error = max(error, float(np.abs(exact - embeddings[rows.start : rows.stop]).max()))
        embeddings.flush()  # type: ignore[attr-defined]
        done[block] = 1
        done.flush()  # type: ignore[attr-defined]
    return error


def clip_embeddings(embed: Callable[[Tensor, Tensor], Tensor], decoded: Decoded, *, progress: str) -> np.ndarray:
    """Whole clips: the windows that a long one was decoded into are averaged.

    Args:
        embed: waveforms (B, T) and lengths (B,) -> unit-norm (B, D).
        decoded: at the model's sample rate.
        progress: what the progress bar says.

    Returns:
        Unit-norm float32 (n_clips, D); a row of zeros for a clip that was unusable.
    """
    sums: np.ndarray | None = None
    for first in tqdm(range(0, len(decoded), BLOCK_ROWS), desc=progress, unit="block", disable=None):
        indices = range(first, min(first + BLOCK_ROWS, len(decoded)))
        clips = [torch.from_numpy(decoded.waveform(index)) for index in indices]
        lengths = torch.tensor([len(clip) for clip in clips])
        rows = embed(torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), lengths).cpu().numpy()
        sums = np.zeros((decoded.n_clips, rows.shape[1]), np.float32) if sums is None else sums
        np.add.at(sums, [decoded.windows[index].clip for index in indices], rows)
    assert sums is not None
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def teacher_clips(teacher: Teacher, decoded: Decoded) -> np.ndarray:
    """`clip_embeddings` of a teacher, kept in the cache."""
    device = next(teacher.parameters()).device

    def compute() -> np.ndarray:
        return clip_embeddings(
            lambda waveforms, lengths: teacher.embed_audio(waveforms.to(device), lengths),
            decoded,
            progress=f"{teacher.name} listens",
        )

    return _remember(["clips", teacher.fingerprint, decoded.fingerprint], compute)


def teacher_texts(teacher: Teacher, texts: list[str]) -> np.ndarray:
    """Text embeddings of a teacher, unit-norm float32 (N, D), kept in the cache."""
    return _remember(["texts", teacher.fingerprint, *texts], lambda: teacher.embed_text(texts).cpu().numpy())


def _remember(parts: list[str], compute: Callable[[], np.ndarray]) -> np.ndarray:
    key = hashlib.blake2b(json.dumps([VERSION, *parts]).encode(), digest_size=16).hexdigest()
    folder = cache_root() / "embeddings" / key
    if not (folder / "embeddings.npy").is_file():
        with whole_folder(folder) as temporary:
            np.save(temporary / "embeddings.npy", compute())
    return np.load(folder / "embeddings.npy")
