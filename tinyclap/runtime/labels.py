"""Labels on a device: which ones, their unit vectors, and how well a sound fits them."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyclap.common.arrays import read_array
from tinyclap.common.files import read_json
from tinyclap.embeddings.zero_shot import clean_label
from tinyclap.errors import MAX_NAMES, TinyclapError, listed
from tinyclap.runtime.bundle_contents import LABEL_EMBEDDINGS, LABELS

NOT_LINES = (".json", ".jsonl", ".csv", ".tsv", ".yaml", ".yml")
FEW = 20  # labels that a message lists
FILE_NAMES = (*NOT_LINES, ".txt", ".lst", ".labels")


class Prediction(NamedTuple):
    """How well a label fits a sound; `judge.Judge` says what its `probability` is."""

    label: str
    cosine: float
    probability: float


@dataclass(frozen=True)
class LabelTable:
    """Labels and their unit vectors, float32 (C, D), in the same order."""

    labels: tuple[str, ...]
    embeddings: np.ndarray

    def select(self, wanted: Sequence[str]) -> "LabelTable | None":
        """The rows of the wanted labels, which may be written another way (Dog-Bark); None if one is missing."""
        rows = {clean_label(label): row for row, label in enumerate(self.labels)}
        found = [rows.get(clean_label(label)) for label in wanted]
        chosen = [row for row in found if row is not None]
        return LabelTable(tuple(wanted), self.embeddings[chosen]) if len(chosen) == len(wanted) else None

    def missing(self, wanted: Sequence[str]) -> str:
        """The wanted labels that have no row and those that have one, or of many the similar ones, for a message."""
        known = {clean_label(label): label for label in self.labels}
        absent = [label for label in wanted if clean_label(label) not in known]
        if len(known) <= FEW:
            there = f"there are {listed(self.labels, MAX_NAMES)}"
        else:
            words = {word for label in absent for word in clean_label(label).split()}
            near = {name for label in absent for name in difflib.get_close_matches(clean_label(label), known)}
            similar = [label for name, label in known.items() if name in near or words & set(name.split())]
            there = f"it has {len(known)} labels" + (f", among them {listed(similar)}" if similar else "")
        return f"no embedding of {listed(absent, MAX_NAMES)}; {there}"

    def cosines(self, embedding: np.ndarray) -> np.ndarray:
        """Of each label to a unit vector (D,): float64 (C,)."""
        return self.embeddings.astype(np.float64) @ embedding


def read_table(folder: Path, embed_dim: int) -> LabelTable:
    """The label table of a bundle.

    Raises:
        TinyclapError: labels and rows that do not fit.
    """
    labels = read_json(folder / LABELS, {}).get("labels")
    embeddings = read_array(folder / LABEL_EMBEDDINGS)
    named = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    if not named or embeddings.shape != (len(labels), embed_dim):
        what = f"{len(labels)} labels" if named else "no list of labels"
        raise TinyclapError(
            f"{folder}: {LABELS} holds {what} and {LABEL_EMBEDDINGS} an array of shape {embeddings.shape}; one row of "
            f"{embed_dim} numbers per label is needed: export the bundle again"
        )
    if embeddings.dtype.kind != "f" or not np.isfinite(embeddings).all():
        raise TinyclapError(f"{folder / LABEL_EMBEDDINGS} holds what are no finite numbers: export the bundle again")
    return LabelTable(tuple(labels), embeddings.astype(np.float32, copy=False))


def read_labels(given: str) -> list[str]:
    """Labels from the command line: "dog, rain", or the name of a text file with one label per line.

    Raises:
        TinyclapError: no label, one given twice, or a file that is missing or no UTF-8 text.
    """
    if os.path.isfile(given):
        if given.lower().endswith(NOT_LINES):
            raise TinyclapError(f"labels: {given} is read line by line; give a text file with one label per line")
        try:
            labels = Path(given).read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise TinyclapError(
                f"labels: {given} is no UTF-8 text; give a text file with one label per line"
            ) from error
    elif "," not in given and (os.sep in given or given.lower().endswith(FILE_NAMES) or os.path.isdir(given)):
        raise TinyclapError(f'labels: no file {given}; give "dog, rain" or a text file with one label per line')
    else:
        labels = given.split(",")
    labels = [label.strip() for label in labels if label.strip()]
    unreadable = [label for label in labels if not (label.isprintable() and any(map(str.isalnum, label)))]
    if not labels or unreadable:
        fault = f"{unreadable[0]!r} is no label" if unreadable else "none given"
        raise TinyclapError(f'labels: {fault}; give "dog, rain" or a text file with one label per line')
    read = [clean_label(label) for label in labels]
    twice = [label for row, label in enumerate(labels) if clean_label(label) in read[:row]]
    if twice:
        raise TinyclapError(f"labels: given twice: {listed(twice)}")
    return labels
