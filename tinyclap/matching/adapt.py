"""Labels from examples: a few sounds of each class become the vector that `classify` compares with.

The examples are embedded once and stay where they are; what a bundle gets is a label table. How well it does is
measured on the examples themselves, each recording left out in turn, beside the words alone.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.audio.level import SILENCE_BELOW_DBFS
from tinyclap.common.files import as_text, is_file, refuse_odd_name, whole_folder, write_array, write_json, write_text
from tinyclap.common.install import extra_line
from tinyclap.common.statistics import accuracy_interval, paired_difference, recording_ids
from tinyclap.embeddings.few_shot import NOBODY, Method, held_out, label_vectors
from tinyclap.embeddings.zero_shot import prompts_for
from tinyclap.errors import TinyclapError, listed
from tinyclap.matching.encoder import bundle_encoder, embed_clips
from tinyclap.matching.examples import Example
from tinyclap.runtime.background import write_background
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import (
    LABEL_EMBEDDINGS,
    LABELS,
    README,
    is_bundle,
    read_manifest,
    write_manifest,
)

WORDS_COUNT = 2.0  # examples that a class's words count as: benchmarks/esc50/adapt.py
GROUPS: dict[Method, int] = {"centroid": 1000, "linear": 10}  # in which recordings are left out
SAME = 1e-6  # classes nearer than this in 1 - cosine are one
N_BOOTSTRAP, SEED = 2000, 0
HEADING = "## Labels from examples"


@dataclass(frozen=True)
class Score:
    """An accuracy, and its 95 % interval that draws recordings again."""

    accuracy: float
    ci95: list[float]


@dataclass(frozen=True)
class Check:
    """How labels do on examples that had no part in them.

    Attributes:
        n: examples checked: those whose class is known without their own recording.
        n_recordings: of these.
        groups: how many times some were left out; as many as there are recordings, unless they are many.
        adapted: the label vectors.
        words: the words alone; None where the bundle has none for these labels.
        gain: mean of adapted minus words, and `gain_ci95`, its paired interval.
    """

    n: int
    n_recordings: int
    groups: int
    adapted: Score
    words: Score | None
    gain: float | None
    gain_ci95: list[float] | None


@dataclass(frozen=True)
class Adapted:
    """Labels made from examples.

    Attributes:
        labels: the classes.
        vectors: theirs, unit-norm float32 (C, D).
        counts: examples of each class.
        method: `centroid` or `linear`.
        words: how many examples a class's words count as.
        nameless: labels whose words the bundle does not know, for which reason all words were left out.
        bad: files that cannot be used, with the reason.
        check: None where nothing can be left out.
    """

    labels: tuple[str, ...]
    vectors: np.ndarray
    counts: tuple[int, ...]
    method: Method
    words: float
    nameless: str | None
    bad: tuple[tuple[str, str], ...]
    check: Check | None

    def facts(self) -> dict[str, Any]:
        """For JSON: all but the vectors."""
        found = {key: value for key, value in asdict(self).items() if key not in ("vectors", "labels", "counts")}
        return {"labels": dict(zip(self.labels, self.counts, strict=True)), **found}


def adapt(
    bundle: Bundle, examples: Sequence[Example], *, method: Method = "centroid", words: float | None = None
) -> Adapted:
    """Make label vectors from examples, and check them.

    Args:
        bundle: that embeds; all its dimensions.
        examples: of two or more labels.
        method: see `few_shot.label_vectors`.
        words: how many examples a label's words count as; None for WORDS_COUNT where the bundle knows the words of
            every label, else 0.

    Raises:
        TinyclapError: a class without a usable example, classes that are the same, or `words` without a text side.
    """
    if words is not None and not 0 <= words < np.inf:
        raise TinyclapError(f"--words is {words}: it must be 0 or more, in examples")
    labels = tuple(dict.fromkeys(example.label for example in examples))
    embeddings, kept, bad = _embedded(bundle, examples)
    counts = [sum(example.label == label for example in kept) for label in labels]
    empty = [label for label, count in zip(labels, counts, strict=True) if not count]
    if empty:
        faults = "".join(f"\n  {file}: {reason}" for file, reason in bad[:5])
        raise TinyclapError(f"no usable example of {listed(empty)}; give others, or remove the folder{faults}")
    classes = np.array([labels.index(example.label) for example in kept])
    recordings = recording_ids([example.recording for example in kept], len(kept))
    named, nameless = _words_of(bundle, labels)
    if named is None and words:
        raise TinyclapError(f"--words is {words:g}, but {nameless}; leave it out, or give 0")
    weight = (0.0 if named is None else WORDS_COUNT) if words is None else words
    make = partial(label_vectors, n_classes=len(labels), words=named, weight=weight, method=method)
    vectors = make(embeddings, classes)
    same = np.argwhere(np.triu(vectors @ vectors.T > 1 - SAME, k=1))
    if len(same):
        first, second = (labels[at] for at in same[0])
        raise TinyclapError(f"--examples: {first!r} and {second!r} sound the same; are the same files in both?")
    check = _checked(embeddings, classes, recordings, make, named, GROUPS[method])
    without = nameless if words is None else None
    found = (labels, vectors.astype(np.float32), tuple(counts), method, weight, without, tuple(bad), check)
    return Adapted(*found)


def write_adapted(bundle: Bundle, adapted: Adapted, out: Path, *, overwrite: bool = False) -> Path:
    """Write a copy of a bundle whose label table is the adapted one, whole or not at all, and return its folder.

    Sounds lie nearer to vectors of examples than to those of words, also sounds of other classes. So that a threshold
    keeps its meaning, the classes of the background become such vectors too.

    Raises:
        TinyclapError: `out` is there already, or is no bundle that could be replaced.
    """
    refuse_taken(out, overwrite=overwrite)
    source = bundle.folder
    with whole_folder(out) as new:
        for name in bundle.manifest.files:
            if (source / name).is_file():  # the wheel need not be there
                shutil.copyfile(source / name, new / name)
        prompts = list(bundle.part.prompts)
        write_json(new / LABELS, {"labels": list(adapted.labels), "prompts": prompts, "examples": adapted.facts()})
        write_array(new / LABEL_EMBEDDINGS, adapted.vectors)
        if bundle.background is not None:
            write_background(new, bundle.background.by_examples(float(np.median(adapted.counts)), adapted.words))
        told = (source / README).read_text(encoding="utf-8") if is_file(source / README) else ""
        write_text(new / README, f"{told.partition(HEADING)[0].rstrip()}\n\n{HEADING}\n\n{_said(adapted)}\n".lstrip())
        write_manifest(new, bundle.manifest)
        read_manifest(new)
    return out


def refuse_taken(out: Path, *, overwrite: bool) -> None:
    """Raise a TinyclapError where a bundle cannot be written."""
    refuse_odd_name(out)
    if out.exists() and not overwrite:
        raise TinyclapError(f"{out} exists already; replace it with --overwrite, or name another folder with --out")
    if out.exists() and not is_bundle(out):
        raise TinyclapError(f"{out} is no bundle, so it is left alone; name another folder with --out")


def _embedded(bundle: Bundle, examples: Sequence[Example]) -> tuple[np.ndarray, list[Example], list[tuple[str, str]]]:
    """Unit vectors (N, D) of the examples that can be used, these, and the others with the reason."""
    found = embed_clips(bundle_encoder(bundle), [example.file for example in examples])
    levels = zip(found.files, found.levels_dbfs, strict=True)
    silent = {file: f"silence: {level:.1f} dBFS" for file, level in levels if level < SILENCE_BELOW_DBFS}
    reasons = {**found.bad, **silent}
    rows = [row for row, file in enumerate(found.files) if file not in reasons]
    bad = [(as_text(str(one.file)), reasons[one.file]) for one in examples if one.file in reasons]
    kept = [one for one in examples if one.file not in reasons]
    return found.embeddings[rows].astype(np.float64).reshape(len(rows), bundle.embed_dim), kept, bad


def _words_of(bundle: Bundle, labels: Sequence[str]) -> tuple[np.ndarray | None, str | None]:
    """Vectors of the labels' words (C, D), or the reason why there are none."""
    spoken = [" ".join(words[0].split()) for words in prompts_for(labels, ("{}",))]
    try:
        return bundle.label_table(spoken).embeddings.astype(np.float64), None
    except TinyclapError as error:
        return None, str(error)
    except ModuleNotFoundError:
        return None, f"reading words takes a package: {extra_line('text')}"


def _checked(
    embeddings: np.ndarray,
    classes: np.ndarray,
    recordings: np.ndarray,
    make: Any,
    words: np.ndarray | None,
    most: int,
) -> Check | None:
    """Each recording left out in turn."""
    if recordings.max() < 1:
        return None
    predicted = held_out(embeddings, classes, recordings, make, most=most)
    rows = np.flatnonzero(predicted != NOBODY)
    if not len(rows):
        return None
    right = (predicted == classes)[rows].astype(float)
    _, owners = np.unique(recordings[rows], return_inverse=True)
    adapted, by_words, gain, gain_ci95 = _score(right, owners), None, None, None
    if words is not None:
        named = (np.argmax(embeddings[rows] @ words.T, axis=1) == classes[rows]).astype(float)
        by_words = _score(named, owners)
        gain, gain_ci95 = paired_difference(named, right, owners, N_BOOTSTRAP, SEED)
    groups = min(most, int(recordings.max()) + 1)
    return Check(len(rows), int(owners.max()) + 1, groups, adapted, by_words, gain, gain_ci95)


def _score(right: np.ndarray, recordings: np.ndarray) -> Score:
    return Score(float(right.mean()), accuracy_interval(right, recordings, N_BOOTSTRAP, SEED))


def _said(adapted: Adapted) -> str:
    """What a bundle's page says of its labels."""
    counts = ", ".join(f"{label} ({count})" for label, count in zip(adapted.labels, adapted.counts, strict=True))
    how = f"by {adapted.method}" + (f"; a label's words count as {adapted.words:g} examples" if adapted.words else "")
    lines = [f"The label table was made from examples {how}: {counts}."]
    if adapted.check is not None:
        check = adapted.check
        beside = "" if check.words is None else f", by the words alone {check.words.accuracy:.1%}"
        lines.append(
            f"Accuracy on {check.n} examples, each held out with its recording: {check.adapted.accuracy:.1%}{beside}."
        )
    return "\n".join(lines)
