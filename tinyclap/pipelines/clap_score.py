"""The models that score besides a bundle: the student of a run, and a teacher. `matching` says what they do."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from tinyclap.audio.level import level_dbfs
from tinyclap.common.files import sha256_of
from tinyclap.config.load_recipe import load_recipe
from tinyclap.errors import TinyclapError
from tinyclap.matching.encoder import EmbedTexts, Encoder, waveform
from tinyclap.models.student import Student
from tinyclap.models.text_student import TextStudent, student_texts
from tinyclap.pipelines.build import build_teacher
from tinyclap.pipelines.distilled_run import load_distilled_run
from tinyclap.runs.results import TEXT_STUDENT
from tinyclap.runtime.embed_sound import EmbeddedSound
from tinyclap.runtime.sounds import Sound
from tinyclap.teachers import KINDS, load_teacher
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.stored_embeddings import teacher_texts


def student_encoder(run: Path) -> Encoder:
    """The student of a finished run, with the run's own words where it made some, else its teacher's.

    Raises:
        TinyclapError: as `load_distilled_run` does.
    """
    loaded = load_distilled_run(run, "score with")
    student, teacher, latent_map = loaded.student, loaded.teacher, loaded.student.latent_map
    folders = [run / "student"]

    def words_of_teacher(texts: Sequence[str]) -> np.ndarray:
        return teacher_texts(teacher, list(texts), latent_map)

    embed_texts: EmbedTexts = words_of_teacher
    words = teacher.name
    if (run / TEXT_STUDENT).is_dir():
        own = TextStudent.from_pretrained(run / TEXT_STUDENT)
        folders.append(run / TEXT_STUDENT)
        words = "the run's own text student"

        def own_words(texts: Sequence[str]) -> np.ndarray:
            return student_texts(own, list(texts), latent_map)

        embed_texts = own_words
    files = [path for folder in folders for path in sorted(folder.glob("*.safetensors"))]
    parts = [teacher.fingerprint, *map(sha256_of, files)]
    identity = hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
    window_s = student.config.window_s
    return _encoder("student", str(run), identity, student, window_s, words, embed_texts)


def teacher_encoder(teacher: Teacher) -> Encoder:
    """A teacher, which scores by itself."""

    def words(texts: Sequence[str]) -> np.ndarray:
        return teacher_texts(teacher, list(texts))

    name, mark = teacher.name, teacher.fingerprint
    return _encoder("teacher", name, mark, teacher, teacher.window_s, name, words)


def teacher_of_run(run: Path) -> Teacher:
    """Whom a run's student learned from; raises as `load_distilled_run` does."""
    return load_distilled_run(run, "calibrate").teacher


def named_teacher(named: str) -> Teacher:
    """A teacher by "KIND:SOURCE" as recipes have them, e.g. laion:FILE.pt, or that of a recipe.

    Raises:
        TinyclapError: no such kind or recipe, or nothing to load there.
    """
    kind, colon, source = named.partition(":")
    if colon and kind in KINDS:
        return load_teacher(kind, source)
    if colon and not Path(named).is_file():
        raise TinyclapError(f"--teacher {named}: kind {kind!r} is not known; allowed: {', '.join(KINDS)}, or a recipe")
    recipe = load_recipe(named)
    if recipe.task == "pretrain":
        raise TinyclapError(f"--teacher {named}: the recipe makes a teacher; give dual:RUN/teacher of its run")
    return build_teacher(recipe.taught_by)


def _encoder(
    kind: str,
    name: str,
    identity: str,
    model: Student | Teacher,
    window_s: float,
    words: str,
    embed_texts: EmbedTexts,
) -> Encoder:
    """A torch model; a clip at a time, so that none has a neighbour's padding."""

    def embed(sound: Sound) -> EmbeddedSound:
        samples = sound if isinstance(sound, np.ndarray) else waveform(Path(str(sound)), model.sample_rate)
        with torch.inference_mode():
            row = model.embed_audio(torch.from_numpy(samples)[None])[0]
        return EmbeddedSound(row.float().cpu().numpy(), level_dbfs(samples))

    return Encoder(kind, name, identity, model.sample_rate, window_s, words, embed, embed_texts)
