"""What zero-shot classification asks of a data set: a label for every clip, and two classes or more."""

from collections.abc import Sequence
from pathlib import Path

from tinyclap.data import Dataset
from tinyclap.data.published.esc50 import ESC50
from tinyclap.data.published.tut2017 import TUT2017
from tinyclap.data.published.urbansound8k import URBANSOUND8K
from tinyclap.errors import TinyclapError

LABELLED = {"esc50": ESC50, "urbansound8k": URBANSOUND8K, "tut2017": TUT2017}


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
