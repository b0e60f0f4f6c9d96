"""Sounds that are none of the labels, for a bundle to judge by; generated, since training clips may not be given away.

How well they serve on real sounds: benchmarks/esc50/unknown.py.
"""

from collections.abc import Sequence

import numpy as np

from tinyclap.data.procedural.dataset import PROCEDURAL_LABELS, Procedural
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.embeddings.similarity import unit, unit_rows
from tinyclap.embeddings.zero_shot import prompts_for
from tinyclap.runtime.background import Background
from tinyclap.runtime.bundle import Bundle
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.stored_embeddings import teacher_texts

PER_CLASS, SEED = 7, 11
LONGEST_S = 5.0


def measured_background(
    bundle: Bundle, teacher: Teacher, prompts: Sequence[str], latent_map: LatentMap | None = None
) -> Background:
    """Generated sounds of every class, each of one window, and the vectors of the classes' names.

    Args:
        bundle: embeds the sounds.
        teacher: embeds the names.
        prompts: templates with `{}`.
        latent_map: takes the names into the space of a pruned student.
    """
    duration_s = min(bundle.manifest.window_s, LONGEST_S)
    sounds = Procedural(PER_CLASS * len(PROCEDURAL_LABELS), seed=SEED, duration_s=duration_s)
    rate = bundle.sample_rate
    embedded = np.stack([bundle.embed(sounds.load(at, rate), sample_rate=rate)[0] for at in range(len(sounds))])
    texts = [text for texts in prompts_for(PROCEDURAL_LABELS, prompts) for text in texts]
    rows = unit_rows("text embeddings", teacher_texts(teacher, texts, latent_map))
    # Not `class_matrix`: that a text tower cannot tell two of these classes apart is no fault of the bundle.
    classes = rows.reshape(len(PROCEDURAL_LABELS), len(prompts), -1).mean(axis=1)
    class_of = np.array([PROCEDURAL_LABELS.index(str(clip.label)) for clip in sounds.clips])
    return Background(embedded, unit(classes), class_of)
