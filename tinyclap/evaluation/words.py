"""A text student's words beside its teacher's: on captions that it has not met, and as the names of classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinyclap.common.statistics import accuracy_interval, paired_difference, recording_ids
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.embeddings.neighbours import knn_overlap
from tinyclap.embeddings.similarity import unit
from tinyclap.embeddings.zero_shot import class_means, predict
from tinyclap.evaluation.retrieval import BLOCK_ROWS, ROUNDING
from tinyclap.evaluation.zero_shot import ZeroShotTask
from tinyclap.models.text_student import TextStudent, student_texts
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.stored_embeddings import class_vectors

NEIGHBOURS = 10
ALL = "all"


def agreement(ours: np.ndarray, theirs: np.ndarray, mean: np.ndarray, groups: Sequence[str]) -> dict[str, Any]:
    """How near a student's embeddings of captions are to its teacher's.

    Args:
        ours, theirs: unit-norm (N, E), of the student's texts and of what these mean.
        mean: the teacher's mean embedding, (E,).
        groups: of each caption.

    Returns:
        `n`, `cosine` and `centred_cosine` of all and of each group (`groups`); of the captions together `found_1` and
        `found_10`, the share whose teacher embedding is among so many nearest of the student's, and `neighbours`, the
        share of the teacher's ten nearest captions that are the student's too (None for fewer than twelve captions).
    """
    cosines = (ours * theirs).sum(axis=1)
    centred_ours, centred_theirs = unit(ours - mean), unit(theirs - mean)
    centred = (centred_ours * centred_theirs).sum(axis=1)
    named = np.array(groups)
    rows = [
        {
            "group": name,
            "n": int(chosen.sum()),
            "cosine": float(cosines[chosen].mean()),
            "centred_cosine": float(centred[chosen].mean()),
        }
        for name in (ALL, *sorted(set(groups)))
        for chosen in [np.ones(len(named), bool) if name == ALL else named == name]
    ]
    ranks = _ranks(centred_ours, centred_theirs)
    several = len(ours) >= NEIGHBOURS + 2
    return {
        "groups": rows,
        "found_1": float((ranks < 1).mean()),
        "found_10": float((ranks < NEIGHBOURS).mean()),
        "neighbours": knn_overlap(centred_ours, centred_theirs, k=NEIGHBOURS) if several else None,
    }


def _ranks(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """How many rows of theirs are nearer to each of ours than the one in its own place; both unit-norm (N, E)."""
    ranks = []
    for first in range(0, len(ours), BLOCK_ROWS):
        cosines = ours[first : first + BLOCK_ROWS] @ theirs.T
        own = np.diagonal(cosines, offset=first)
        ranks.append((cosines > own[:, None] + ROUNDING).sum(axis=1))
    return np.concatenate(ranks)


def zero_shot_by_words(
    task: ZeroShotTask,
    teacher: Teacher,
    words: TextStudent,
    ears: Mapping[str, np.ndarray],
    latent_map: LatentMap | None = None,
) -> dict[str, Any]:
    """Zero-shot accuracy with the student's words for the classes beside the teacher's, for each pair of ears.

    Args:
        task: labelled clips and prompts.
        teacher: gives the words to compare with.
        words: the text student.
        ears: embeddings (N, D) of the task's usable clips, by whose they are: "teacher", "student".
        latent_map: into the space of a pruned student, which its ears have then.

    Classes that are one to the student are no error: clips of them are named wrongly, and counted so.

    Returns:
        `data`, `n_clips`, `n_classes`, `prompts`, `class_cosine`, the mean cosine between both vectors of a class, and
        by ears (`ears`) the accuracies `teacher_words` and `student_words` with `ci95`, and their `difference` with a
        paired `difference_ci95`, clustered by recording.
    """
    labels, truth = task.dataset.labels, np.array(task.targets)
    recordings = recording_ids(task.sources, len(truth))

    def embedded(texts: list[str]) -> np.ndarray:
        return student_texts(words, texts, mapped)

    counts = {"n_clips": len(truth), "n_classes": len(labels)}
    result: dict[str, Any] = {"data": task.data, **counts, "prompts": list(task.prompts), "ears": {}}
    for whose, clips in ears.items():
        mapped = latent_map if whose == "student" else None
        theirs = class_vectors(teacher, labels, task.prompts, mapped)
        ours = class_means(embedded, labels, task.prompts)
        right = [predict(clips, classes) == truth for classes in (theirs, ours)]
        difference, interval = paired_difference(right[0], right[1], recordings, task.n_bootstrap, task.seed)
        scores = [
            {"accuracy": float(hits.mean()), "ci95": accuracy_interval(hits, recordings, task.n_bootstrap, task.seed)}
            for hits in right
        ]
        result["ears"][whose] = {
            "teacher_words": scores[0],
            "student_words": scores[1],
            "difference": difference,
            "difference_ci95": interval,
        }
        if whose == "teacher":
            result["class_cosine"] = float((theirs * ours).sum(axis=1).mean())
    return result
