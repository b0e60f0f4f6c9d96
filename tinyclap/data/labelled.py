"""Data sets of which every clip has a label."""

from pathlib import Path
from typing import Any

from tinyclap.config.data import describe_data, one_or_more
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.published.esc50 import ESC50
from tinyclap.data.published.tut2017 import TUT2017
from tinyclap.data.published.urbansound8k import URBANSOUND8K
from tinyclap.errors import TinyclapError

LABELLED = {"esc50": ESC50, "urbansound8k": URBANSOUND8K, "tut2017": TUT2017}


def labelled_set(spec: Any) -> Dataset:
    """The data set of a data section; raises TinyclapError for clips without a label and for a single class."""
    test = build_dataset(spec)
    unlabelled = [clip.name for clip in test.clips if clip.label is None]
    if unlabelled:
        raise TinyclapError(
            f"data.test: zero-shot evaluation needs a label for every clip; {len(unlabelled)} of {len(test)} "
            f"have none, e.g. {unlabelled[0]}"
        )
    if len(test.labels) < 2:
        remedies = [_meant(part.root) for part in one_or_more(spec) if part.kind == "folder"]
        raise TinyclapError(
            f"data.test ({describe_data(spec)}): zero-shot evaluation needs two or more classes, but all {len(test)} "
            f"clips are of '{test.labels[0]}'; {next(filter(None, remedies), 'give data with others too')}"
        )
    return test


def _meant(root: str) -> str | None:
    """What to say of a folder that is a published data set, whose sub-folders are no classes."""
    for kind, layout in LABELLED.items():
        if layout.table(Path(root)):
            return f"{root} is {layout.name}: give kind {kind} (--data {kind})"
    return None
