"""Zero-shot classification: prompts, the class matrix, and how well a student does it beside its teacher.

Everything here works on embeddings, (clips, dimensions) arrays in numpy. Rows are scaled to unit norm on
the way in, so that a similarity is always a cosine.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np

from tinyclap.embeddings.similarity import (
    refuse_other_widths,
    unit_rows,
)
from tinyclap.errors import TinyclapError

_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # dog|Bark, TV|Set
_SAME = 1e-10  # classes nearer than this in 1 - cosine differ by float32's rounding alone


def clean_label(name: str) -> str:
    """A data set's class name as words for a prompt: "dog_bark", "DogBark" and "dog-bark" all read "dog bark"."""
    return " ".join(_WORD_STARTS.sub(" ", name).replace("_", " ").replace("-", " ").lower().split())


def as_typed(label: str) -> str:
    """A label that somebody typed, as it is: "iPhone ringing" keeps its capitals."""
    return label.strip()


def prompts_for(
    labels: Sequence[str], templates: Sequence[str], words_of: Callable[[str], str] = clean_label
) -> list[list[str]]:
    """The prompts of each label: every template with its `{}` replaced by the label's words.

    Args:
        labels: no two of which read alike once cleaned.
        templates: each with `{}`.
        words_of: `clean_label` for a data set's names, `as_typed` for what a user typed.
    """
    if not labels:
        raise TinyclapError("labels: none given; zero-shot classification needs at least one class")
    if not templates:
        raise TinyclapError('prompts: no template given; give at least one, e.g. "This is a sound of {}."')
    for template in templates:
        if "{}" not in template:
            raise TinyclapError(f"prompts: template {template!r} has no {{}}, the place of the class name; add it")
    seen: dict[str, str] = {}
    for label in labels:
        word = clean_label(label)
        if not word:
            raise TinyclapError(f"labels: {label!r} has nothing to read out in a prompt; rename the class")
        if word in seen:
            raise TinyclapError(f"labels: {seen[word]!r} and {label!r} both read {word!r}; rename or merge the classes")
        seen[word] = label
    return [[template.replace("{}", words_of(label)) for template in templates] for label in labels]


class SameClassesError(TinyclapError):
    """Classes whose vectors coincide."""


def class_means(
    embed_text: Callable[[list[str]], np.ndarray],
    labels: Sequence[str],
    templates: Sequence[str],
    words_of: Callable[[str], str] = clean_label,
) -> np.ndarray:
    """One unit vector per label, (C, D) float64: the mean of its prompts' unit vectors, scaled to unit norm again.

    `embed_text` maps P texts to (P, D) and is called once; `words_of` as for `prompts_for`. Prompt ensembles: Radford
    et al. 2021, section 3.1.4.
    """
    prompts = prompts_for(labels, templates, words_of)
    texts = [text for texts in prompts for text in texts]
    embedded = unit_rows("text embeddings", embed_text(texts))
    if len(embedded) != len(texts):
        raise TinyclapError(f"text embeddings: {len(embedded)} rows for {len(texts)} prompts; one row each is needed")
    return unit_rows("class matrix", embedded.reshape(len(labels), len(templates), -1).mean(axis=1))


def class_matrix(
    embed_text: Callable[[list[str]], np.ndarray],
    labels: Sequence[str],
    templates: Sequence[str],
    words_of: Callable[[str], str] = clean_label,
) -> np.ndarray:
    """`class_means`; classes that share one vector raise SameClassesError: nothing tells them apart."""
    classes = class_means(embed_text, labels, templates, words_of)
    same = np.argwhere(np.triu(classes @ classes.T > 1 - _SAME, k=1))
    if len(same):
        first, second = (labels[index] for index in same[0])
        raise SameClassesError(
            f"class matrix: {first!r} and {second!r} have the same text embedding ({len(same)} such pairs of "
            f"{len(labels)} classes); give other class names or prompts, or check the text encoder and its tokenizer"
        )
    return classes


def grouped_means(rows: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """The mean of the first counts[0] rows (N, D), of the next counts[1] and so on, at unit norm: (len(counts), D)."""
    if list(counts) == [1] * len(rows):
        return rows
    starts = np.cumsum([0, *counts[:-1]])
    return unit_rows("class matrix", np.add.reduceat(rows, starts, axis=0) / np.asarray(counts)[:, None])


def predict(audio: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The class nearest in cosine to each clip: audio (N, D), classes (C, D) -> (N,) integers."""
    audio, classes = unit_rows("audio", audio), unit_rows("classes", classes)
    refuse_other_widths(audio=audio, classes=classes)
    nearest: np.ndarray = np.argmax(audio @ classes.T, axis=1)
    return nearest
