"""The scores of an evaluation: accuracy with its interval, and how close a student is to its teacher."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from tinyclap.common import statistics
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.embeddings.neighbours import knn_chance, knn_overlap
from tinyclap.embeddings.similarity import (
    centred_cosine,
    checked_indices,
    mean_cosine,
    unit_pair,
    unit_rows,
)
from tinyclap.embeddings.zero_shot import predict
from tinyclap.errors import TinyclapError


def score(
    audio: np.ndarray,
    classes: np.ndarray,
    targets: Sequence[int] | np.ndarray,
    labels: Sequence[str],
    *,
    folds: Sequence[int | None] | None = None,
    sources: Sequence[str | None] | None = None,
    n_bootstrap: int = 2000,
    seed: int = 0,
    templates: Sequence[str] = (),
) -> dict:
    """Zero-shot accuracy of one model, ready for JSON.

    audio (N, D), classes (C, D), targets (N,) indices into the C labels; folds and sources (the recording a clip was
    cut from) one per clip. `uar` is the mean of the classes' accuracies (unweighted average recall), which papers on
    speech give beside the accuracy (there WA): a common class counts no more than a rare one. `confusion` counts clips,
    true class by row, predicted class by column. `chance` is the accuracy of always naming the commonest class. A class
    without clips has accuracy None and is not in `uar`. Wrong shapes, NaN, zero vectors and labels out of range raise
    TinyclapError.
    """
    predicted = predict(audio, classes)
    truth = checked_indices("targets", targets, len(labels))
    if len(labels) != len(classes) or len(truth) != len(predicted):
        raise TinyclapError(
            f"{len(labels)} labels for classes of shape {np.shape(classes)} and {len(truth)} targets for audio of "
            f"shape {np.shape(audio)}; give one label per class and one target per clip"
        )
    recordings = statistics.recording_ids(sources, len(truth))
    correct = predicted == truth
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (truth, predicted), 1)
    support = confusion.sum(axis=1)
    there = support > 0
    return {
        "accuracy": float(np.mean(correct)),
        "uar": float(np.mean(np.diag(confusion)[there] / support[there])),
        "ci95": statistics.accuracy_interval(correct, recordings, n_bootstrap, seed),
        "folds": statistics.fold_summary(correct, folds),
        "n_clips": len(truth),
        "chance": int(support.max()) / len(truth),
        "n_recordings": int(recordings.max()) + 1,
        "clustered": sources is not None,
        "n_bootstrap": n_bootstrap,
        "seed": seed,
        "prompts": list(templates),
        "labels": list(labels),
        "per_class": [
            {"label": label, "n": int(n), "accuracy": float(confusion[i, i] / n) if n else None}
            for i, (label, n) in enumerate(zip(labels, support, strict=True))
        ],
        "confusion": confusion.tolist(),
    }


def compare(
    teacher: np.ndarray,
    student: np.ndarray | None,
    classes: np.ndarray,
    targets: Sequence[int] | np.ndarray,
    labels: Sequence[str],
    *,
    folds: Sequence[int | None] | None = None,
    sources: Sequence[str | None] | None = None,
    mean: np.ndarray | None = None,
    latent_map: LatentMap | None = None,
    student_classes: np.ndarray | None = None,
    n_bootstrap: int = 2000,
    seed: int = 0,
    templates: Sequence[str] = (),
) -> dict:
    """Teacher and student on the same clips and prompts, ready for JSON; arguments as for `score`.

    A pruned student lives in a smaller space and has `student_classes` there; for the cosines its `latent_map` takes
    the teacher's clips there, and `mean` is of that space. The neighbours are those of the teacher's whole space.

    Beside both accuracies: retention (student over teacher) and difference with paired intervals, McNemar's p-value,
    agreement (share of clips given the same class, right or wrong), plain and centred cosine (`mean`: the teacher's
    mean embedding) and the 10-nearest-neighbour overlap; what too few clips cannot tell is None. Without a student
    (None) the teacher's own figures alone, under the same keys.
    """
    judge = partial(score, folds=folds, sources=sources, n_bootstrap=n_bootstrap, seed=seed, templates=templates)
    teacher, mapped = unit_rows("teacher", teacher), teacher if latent_map is None else latent_map.apply(teacher)
    own_classes = classes if student_classes is None else student_classes
    scores = {"teacher": judge(teacher, classes, targets, labels)}
    closeness: dict = {}
    if student is not None:
        student, mapped = unit_pair(student, mapped)
        scores["student"] = judge(student, own_classes, targets, labels)
        n_clips = len(teacher)
        truth, recordings = np.asarray(targets), statistics.recording_ids(sources, n_clips)
        by_teacher, by_student = predict(teacher, classes), predict(student, own_classes)
        closeness = {
            **statistics.paired_comparison(by_teacher == truth, by_student == truth, recordings, n_bootstrap, seed),
            "agreement": float(np.mean(by_teacher == by_student)),
            "cosine": mean_cosine(student, mapped),
            "centred_cosine": centred_cosine(student, mapped, mean) if n_clips > 1 or mean is not None else None,
            "knn10_overlap": knn_overlap(student, teacher) if n_clips > 10 else None,
            "knn10_chance": knn_chance(n_clips) if n_clips > 10 else None,
        }
    shared = ("n_clips", "chance", "n_recordings", "clustered", "n_bootstrap", "seed", "prompts", "labels")
    own = ("accuracy", "ci95", "uar", "folds")
    return {
        **{model: {key: scores[model][key] for key in own} for model in scores},
        **closeness,
        **{key: scores["teacher"][key] for key in shared},
        "per_class": [
            {"label": row["label"], "n": row["n"]}
            | {model: scores[model]["per_class"][i]["accuracy"] for model in scores}
            for i, row in enumerate(scores["teacher"]["per_class"])
        ],
        "confusion": {model: scores[model]["confusion"] for model in scores},
    }
