"""What tasks ask of a data set: zero-shot classification labels, retrieval captions; and which task it is for."""

from collections.abc import Sequence
from pathlib import Path

from tinyclap.data import Dataset
from tinyclap.data.published.esc50 import ESC50
from tinyclap.data.published.tut2017 import TUT2017
from tinyclap.data.published.urbansound8k import URBANSOUND8K
from tinyclap.errors import TinyclapError
from tinyclap.runs.results import RETRIEVAL, ZERO_SHOT

LABELLED = {"esc50": ESC50, "urbansound8k": URBANSOUND8K, "tut2017": TUT2017}


def task_for(dataset: Dataset) -> str:
    """The task that a data set is for: zero-shot classification where it has labels, retrieval where it has captions.

    With both it is the former, and so it is with neither, which `check_labels` then says.
    """
    has_labels = all(clip.label is not None for clip in dataset.clips) and len(dataset.labels) > 1
    return RETRIEVAL if not has_labels and all(clip.captions for clip in dataset.clips) else ZERO_SHOT


def check_captions(dataset: Dataset, described: str) -> None:
    """Raise a TinyclapError for clips without a caption and for a single clip.

    Args:
        dataset: to be found.
        described: the data section in one line, for the message.
    """
    silent = [clip.name for clip in dataset.clips if not clip.captions]
    if silent:
        raise TinyclapError(
            f"{described}: retrieval needs a caption for every clip; {len(silent)} of {len(dataset)} have none, e.g. "
            f"{silent[0]}; a manifest gives them (column caption), labels are for --task zero-shot"
        )
    if len(dataset) < 2:
        raise TinyclapError(f"{described}: retrieval needs two clips or more, of which one is found; it has one")


def check_labels(dataset: Dataset, described: str, folders: Sequence[str] = ()) -> None:
    """Raise a TinyclapError for clips without a label and for a single class.

    Args:
        dataset: to be classified.
        described: the data section in one line, for the message.
        folders: those that the data section takes for folders of classes, which may be something else.
    """
    unlabelled = [clip.name for clip in dataset.clips if clip.label is None]
    if unlabelled:
        raise TinyclapError(
            f"data.test: zero-shot evaluation needs a label for every clip; {len(unlabelled)} of {len(dataset)} "
            f"have none, e.g. {unlabelled[0]}"
        )
    if len(dataset.labels) < 2:
        remedies = filter(None, map(_published, folders))
        raise TinyclapError(
            f"data.test ({described}): zero-shot evaluation needs two or more classes, but all {len(dataset)} "
            f"clips are of '{dataset.labels[0]}'; {next(remedies, 'give data with others too')}"
        )


def _published(root: str) -> str | None:
    """What to say of a folder that is a published data set, whose sub-folders are no classes."""
    for kind, layout in LABELLED.items():
        if layout.table(Path(root)):
            return f"{root} is {layout.name}: give kind {kind} (--data {kind})"
    return None
