"""Zero-shot classification: prompts, the class matrix, and how well a student does it beside its teacher.

Everything here works on embeddings, (clips, dimensions) arrays in numpy; no torch. Rows are scaled to unit norm on
the way in, so that a similarity is always a cosine.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from tinyclap.common import statistics
from tinyclap.errors import TinyclapError
from tinyclap.latent import LatentMap

_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # dog|Bark, TV|Set
_QUERY_BLOCK = 256  # clips compared with the gallery at once
_SAME = 1e-10  # classes nearer than this in 1 - cosine differ by float32's rounding alone
_ON_THE_MEAN = 1e-9  # shorter than this, an offset from the mean embedding is rounding and has no direction


def clean_label(name: str) -> str:
    """A data set's class name as words for a prompt: "dog_bark", "DogBark" and "dog-bark" all read "dog bark"."""
    return " ".join(_WORD_STARTS.sub(" ", name).replace("_", " ").replace("-", " ").lower().split())


def prompts_for(labels: Sequence[str], templates: Sequence[str]) -> list[list[str]]:
    """The prompts of each label: every template with its `{}` replaced by the cleaned label."""
    if not labels:
        raise TinyclapError("labels: none given; zero-shot classification needs at least one class")
    if not templates:
        raise TinyclapError('prompts: no template given; give at least one, e.g. "This is a sound of {}."')
    for template in templates:
        if "{}" not in template:
            raise TinyclapError(f"prompts: template {template!r} has no {{}}, the place of the class name; add it")
    words = [clean_label(label) for label in labels]
    seen: dict[str, str] = {}
    for label, word in zip(labels, words, strict=True):
        if not word:
            raise TinyclapError(f"labels: {label!r} has nothing to read out in a prompt; rename the class")
        if word in seen:
            raise TinyclapError(f"labels: {seen[word]!r} and {label!r} both read {word!r}; rename or merge the classes")
        seen[word] = label
    return [[template.replace("{}", word) for template in templates] for word in words]


class SameClassesError(TinyclapError):
    """Classes whose vectors coincide."""


def class_matrix(
    embed_text: Callable[[list[str]], np.ndarray], labels: Sequence[str], templates: Sequence[str]
) -> np.ndarray:
    """One unit vector per label, (C, D) float64: the mean of its prompts' unit vectors, scaled to unit norm again.

    `embed_text` maps P texts to (P, D) and is called once. Prompt ensembles: Radford et al. 2021, section 3.1.4.
    Classes that share one vector raise SameClassesError: no clip could be told apart by them.
    """
    prompts = prompts_for(labels, templates)
    texts = [text for texts in prompts for text in texts]
    embedded = _units("text embeddings", embed_text(texts))
    if len(embedded) != len(texts):
        raise TinyclapError(f"text embeddings: {len(embedded)} rows for {len(texts)} prompts; one row each is needed")
    classes = _units("class matrix", embedded.reshape(len(labels), len(templates), -1).mean(axis=1))
    same = np.argwhere(np.triu(classes @ classes.T > 1 - _SAME, k=1))
    if len(same):
        first, second = (labels[index] for index in same[0])
        raise SameClassesError(
            f"class matrix: {first!r} and {second!r} have the same text embedding ({len(same)} such pairs of "
            f"{len(labels)} classes); give other class names or prompts, or check the text encoder and its tokenizer"
        )
    return classes


def predict(audio: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The class nearest in cosine to each clip: audio (N, D), classes (C, D) -> (N,) integers."""
    audio, classes = _units("audio", audio), _units("classes", classes)
    _same_width(audio=audio, classes=classes)
    nearest: np.ndarray = np.argmax(audio @ classes.T, axis=1)
    return nearest


def mean_cosine(student: np.ndarray, teacher: np.ndarray) -> float:
    """Mean over the clips of cos(student, teacher); both (N, D)."""
    student, teacher = _pair(student, teacher)
    return float(np.mean(np.sum(student * teacher, axis=1)))


def centred_cosine(student: np.ndarray, teacher: np.ndarray, mean: np.ndarray | None = None) -> float:
    """Mean over the clips of cos(student - mean, teacher - mean); both (N, D).

    `mean` (D,) is the teacher's mean embedding, by default over these clips. CLAP embeddings share a large common
    part, which makes the plain cosine high for free; here only what tells sounds apart counts. A clip that lies on
    the mean itself has no direction and counts 0.
    """
    student, teacher = _pair(student, teacher)
    centre = teacher.mean(axis=0) if mean is None else np.asarray(mean, dtype=np.float64)
    if centre.shape != teacher.shape[1:] or not np.isfinite(centre).all():
        raise TinyclapError(f"mean: expected {teacher.shape[1]} finite numbers, got shape {centre.shape}")
    student, teacher = student - centre, teacher - centre
    lengths = np.linalg.norm(student, axis=1) * np.linalg.norm(teacher, axis=1)
    products = np.sum(student * teacher, axis=1)
    return float(np.mean(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > _ON_THE_MEAN)))


def knn_overlap(student: np.ndarray, teacher: np.ndarray, queries: np.ndarray | None = None, k: int = 10) -> float:
    """How much of the teacher's neighbourhoods the student keeps, 0 to 1; chance level is `knn_chance`.

    Student (G, d) and teacher (G, D) embed the same gallery, each in its own space. For every clip in `queries`
    (indices into the gallery; default all) the share of its `k` nearest teacher neighbours that are also among its `k`
    nearest student neighbours, the clip itself excluded; the mean of these shares.
    """
    student, teacher = _units("student", student), _units("teacher", teacher)
    gallery = len(teacher)
    if len(student) != gallery:
        raise TinyclapError(f"student: {len(student)} clips, teacher: {gallery}; they must embed the same ones")
    if not 1 <= k < gallery:
        raise TinyclapError(f"k: {k} neighbours asked in a gallery of {gallery} clips; allowed are 1 to {gallery - 1}")
    queries = np.arange(gallery) if queries is None else _indices("queries", queries, gallery)
    kept = 0
    for start in range(0, len(queries), _QUERY_BLOCK):
        block = queries[start : start + _QUERY_BLOCK]
        kept += int(np.sum(_nearest(student, block, k) & _nearest(teacher, block, k)))
    return kept / (k * len(queries))


def knn_chance(n_gallery: int, k: int = 10) -> float:
    """The overlap that unrelated neighbourhoods reach on average."""
    return k / (n_gallery - 1)


def _nearest(embeddings: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Which clips are among the k nearest of each query: (Q, G) bool."""
    similarity = embeddings[queries] @ embeddings.T
    similarity[np.arange(len(queries)), queries] = -np.inf
    nearest = np.zeros(similarity.shape, dtype=bool)
    np.put_along_axis(nearest, np.argpartition(-similarity, k - 1, axis=1)[:, :k], True, axis=1)
    return nearest


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
    cut from) one per clip. `confusion` counts clips, true class by row, predicted class by column. `chance` is the
    accuracy of always naming the commonest class. A class without clips has accuracy None. Wrong shapes, NaN, zero
    vectors and labels out of range raise TinyclapError.
    """
    predicted = predict(audio, classes)
    truth = _indices("targets", targets, len(labels))
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
    return {
        "accuracy": float(np.mean(correct)),
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
    teacher, mapped = _units("teacher", teacher), teacher if latent_map is None else latent_map.apply(teacher)
    own_classes = classes if student_classes is None else student_classes
    scores = {"teacher": judge(teacher, classes, targets, labels)}
    closeness: dict = {}
    if student is not None:
        student, mapped = _pair(student, mapped)
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
    own = ("accuracy", "ci95", "folds")
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


def _units(name: str, array: np.ndarray) -> np.ndarray:
    """The rows at unit norm in float64, or an error that names the argument."""
    rows: np.ndarray = np.asarray(array, dtype=np.float64)
    if rows.ndim != 2 or 0 in rows.shape:
        raise TinyclapError(f"{name}: expected a non-empty (rows, dimensions) array, got shape {rows.shape}")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] == 0))
    if len(bad):
        fault = "is zero" if norms[bad[0], 0] == 0 else "holds NaN or infinite values"
        raise TinyclapError(f"{name}, shape {rows.shape}: row {bad[0]} {fault} ({len(bad)} such rows)")
    units: np.ndarray = rows / norms
    return units


def _pair(student: np.ndarray, teacher: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    student, teacher = _units("student", student), _units("teacher", teacher)
    if student.shape != teacher.shape:
        raise TinyclapError(f"student: shape {student.shape}, teacher: shape {teacher.shape}; they must be the same")
    return student, teacher


def _same_width(**arrays: np.ndarray) -> None:
    if len({array.shape[1] for array in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise TinyclapError(f"embeddings of different dimensions: {shapes}; all must come from one shared space")


def _indices(name: str, values: Sequence[int] | np.ndarray, limit: int) -> np.ndarray:
    indices = np.asarray(values)
    if indices.ndim != 1 or not len(indices) or not np.issubdtype(indices.dtype, np.integer):
        raise TinyclapError(f"{name}: expected a list of integers, got {indices.dtype} of shape {indices.shape}")
    outside = indices[(indices < 0) | (indices >= limit)]
    if len(outside):
        raise TinyclapError(f"{name}: {outside[0]} is out of range; allowed are 0 to {limit - 1}")
    return indices
