"""A teacher's embeddings of clips and texts, computed once and kept."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence

import numpy as np

from tinyclap.common.arrays import read_array
from tinyclap.common.cache_lock import cache_folder, touch
from tinyclap.common.files import cached_folder, write_array
from tinyclap.common.row_store import VERSION
from tinyclap.data.clip_embeddings import Clips, clip_embeddings
from tinyclap.embeddings.joint_space import side_by_side
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.embeddings.zero_shot import SameClassesError, class_matrix, clean_label
from tinyclap.errors import TinyclapError
from tinyclap.teachers.encoder import Encoder, Teacher
from tinyclap.teachers.joint import JointTeacher


def teacher_clips(teacher: Encoder, decoded: Clips) -> np.ndarray:
    """`clip_embeddings` of a teacher, kept in the cache. Raises TinyclapError for one that is not finite."""
    return remembered(
        ["clips", teacher.fingerprint, decoded.fingerprint],
        lambda: clip_embeddings(teacher.embed_audio, decoded, progress=f"{teacher.name} embeds"),
        f"teacher {teacher.name}",
    )


def teacher_texts(teacher: Teacher, texts: list[str], latent_map: LatentMap | None = None) -> np.ndarray:
    """Text embeddings of a teacher, unit-norm float32 (N, D), kept in the cache; raises as `teacher_clips` does.

    `latent_map` takes them into the space of a pruned student.
    """
    embeddings = remembered(
        ["texts", teacher.fingerprint, *texts],
        lambda: teacher.embed_text(texts).float().cpu().numpy(),
        f"teacher {teacher.name}",
    )
    return embeddings if latent_map is None else latent_map.apply(embeddings)


def class_vectors(
    teacher: Teacher,
    labels: Sequence[str],
    prompts: Sequence[str],
    latent_map: LatentMap | None = None,
    words_of: Callable[[str], str] = clean_label,
) -> np.ndarray:
    """`class_matrix` of a teacher's texts, in the space of its students or, mapped, of a pruned one.

    Of several teachers each gives its part in its own prompts, unless others are chosen.
    """
    if isinstance(teacher, JointTeacher) and tuple(prompts) == teacher.prompts:
        parts = [class_vectors(each, labels, each.prompts, words_of=words_of) for each in teacher.teachers]
        classes = side_by_side(parts, teacher.heads)
        return classes if latent_map is None else latent_map.apply(classes)
    if latent_map is None:
        return class_matrix(lambda texts: teacher_texts(teacher, texts), labels, prompts, words_of)
    try:
        return class_matrix(lambda texts: teacher_texts(teacher, texts, latent_map), labels, prompts, words_of)
    except SameClassesError as error:
        raise SameClassesError(
            f"{latent_map.dim} dimensions ({latent_map.method}) cannot tell all {len(labels)} classes apart; keep more"
        ) from error


def remembered(parts: list[str], compute: Callable[[], np.ndarray], who: str) -> np.ndarray:
    """An array that these parts decide, the first of them saying what it is; computed once and kept in the cache.

    Raises:
        TinyclapError: it is not finite; `who` made it.
    """
    key = hashlib.blake2b(json.dumps([VERSION, *parts]).encode(), digest_size=16).hexdigest()
    folder = cache_folder("embeddings") / key
    touch(folder)
    try:
        return read_array(folder / "embeddings.npy")
    except TinyclapError:
        shutil.rmtree(folder, ignore_errors=True)  # not there, or damaged
    embeddings = compute()
    if not np.isfinite(embeddings).all():
        raise TinyclapError(f"{who}: an embedding of its {parts[0]} is not finite")
    with cached_folder(folder) as temporary:
        write_array(temporary / "embeddings.npy", embeddings)
    return embeddings
