"""Labels on a device: which ones, their unit vectors, and how well a sound fits them."""

import difflib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from tinyclap.common.arrays import read_array
from tinyclap.common.files import read_json, refuse_pointer
from tinyclap.embeddings.zero_shot import as_typed, class_matrix, clean_label, grouped_means, prompts_for
from tinyclap.errors import MAX_NAMES, TinyclapError, listed
from tinyclap.runtime.bundle_contents import LABEL_EMBEDDINGS, LABELS

NOT_LINES = (".json", ".jsonl", ".csv", ".tsv", ".yaml", ".yml")
BETWEEN = "|"
OWN_PROMPTS = "a label table of single names in its own prompts"
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


class KnownWords(Protocol):
    """What a text side knows."""

    def refuse_unknown(self, texts: Sequence[str]) -> None:
        """Raise a TinyclapError for texts no word of which is known."""
        ...


def find_table(
    labels: Sequence[str] | None,
    prompts: Sequence[str] | None,
    *,
    own_prompts: tuple[str, ...],
    table: LabelTable | None,
    text_side: Callable[[], KnownWords | None],
    embed_text: Callable[[list[str]], np.ndarray],
    where: str,
) -> LabelTable:
    """`Bundle.label_table`.

    Args:
        labels: as typed; None for those of the table.
        prompts: templates; None for `own_prompts`, those of the table.
        own_prompts: of the bundle.
        table: of the bundle, if it has one.
        text_side: gives its text side, if it has one; called only where the table does not do, since it takes packages.
        embed_text: embeds N texts with it.
        where: the bundle, for messages.
    """
    if isinstance(labels, str):
        raise TinyclapError(f"labels is the text {labels!r}; give a list of labels")
    if labels is None:
        if table is None:
            raise TinyclapError(f"bundle {where} has no label table; give labels, or export it with --labels")
        if prompts is None:
            return table
    wanted: Sequence[str] = table.labels if labels is None and table else () if labels is None else labels
    meant = [alternatives(str(label)) for label in wanted]
    names, every = [each[0] for each in meant], [name for each in meant for name in each]
    templates = own_prompts if prompts is None else tuple(prompts)
    prompts_for(every, templates)  # refuses what cannot be told apart, by table or by text
    as_it_is = prompts is None and names == every
    known = table.select(names) if table and as_it_is else None
    if known is not None:
        return known
    text = text_side()
    if text is None:
        there = table.missing(names) if table and as_it_is else "no label table" if table is None else OWN_PROMPTS
        raise TinyclapError(
            f"bundle {where} has no text side and {there}; export it with `tinyclap export --onnx --text` or "
            "with --labels that name yours"
        )
    text.refuse_unknown(every)  # whose prompts are made of known words all the same
    matrix = class_matrix(embed_text, every, templates, as_typed)
    return LabelTable(tuple(names), grouped_means(matrix, list(map(len, meant))).astype(np.float32))


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


def alternatives(label: str) -> list[str]:
    """What a label is called: "dog | puppy" is shown as dog, and means both. TinyclapError for an empty one."""
    names = [name.strip() for name in label.split(BETWEEN)]
    if len(names) > 1 and not all(names):
        raise TinyclapError(f'labels: {label!r} has nothing on one side of {BETWEEN}; write "dog {BETWEEN} puppy"')
    return names


def read_prompts(given: Sequence[str] | None) -> tuple[str, ...] | None:
    """Prompts from the command line: templates, or the name of a text file with one a line; None for none.

    Raises:
        TinyclapError: a template without {}, or a file that is empty or no UTF-8 text.
    """
    if not given:
        return None
    templates: list[str] = []
    for one in given:
        if "{}" in one or not os.path.isfile(one):
            templates.append(one)
            continue
        refuse_pointer(Path(one))
        try:
            templates += [line for line in Path(one).read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except UnicodeDecodeError as error:
            raise TinyclapError(
                f"prompts: {one} is no UTF-8 text; give a text file with one template a line"
            ) from error
    without = [template for template in templates if "{}" not in template]
    if without or not templates:
        fault = f"{without[0]!r} has no {{}}, the place of the label" if without else "none given"
        raise TinyclapError(f'prompts: {fault}; give e.g. "a sound of {{}}", or a text file with one template a line')
    return tuple(dict.fromkeys(template.strip() for template in templates))


def read_labels(given: str) -> list[str]:
    """Labels from the command line: "dog, rain", or the name of a text file with one label per line.

    Raises:
        TinyclapError: no label, one given twice, or a file that is missing or no UTF-8 text.
    """
    if os.path.isfile(given):
        refuse_pointer(Path(given))
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
