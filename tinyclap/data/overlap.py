"""Which clips of a test set are in the training data."""

import hashlib
from collections.abc import Hashable, Iterator
from pathlib import Path

from tinyclap.data.dataset import Clip, Dataset
from tinyclap.errors import TinyclapError, listed


def clips_in_training(train: Dataset, test: Dataset) -> list[Clip]:
    """The test clips that are the training's files or copies of them, cut from its recordings, or generated alike.

    A recording is known by its `source` among the clips of one folder. The same sound in another format or at another
    sample rate is not recognised.
    """
    known = {key for clip in train.clips for key in _keys(train, clip)}
    copies = _copies(train, test)
    return [clip for clip in test.clips if clip.path in copies or not known.isdisjoint(_keys(test, clip))]


def refuse_overlap(train: Dataset, test: Dataset) -> None:
    """Raises TinyclapError where a test set holds clips that are in the training data."""
    known = clips_in_training(train, test)
    if known:
        named = listed([f"{clip.name} (of recording {clip.source})" if clip.source else clip.name for clip in known], 3)
        raise TinyclapError(
            f"data.test: {len(known)} of its {len(test)} clips are in data.train too, as files or as parts of the same "
            f"recordings: {named}; choose other folds, labels or files, so that no test clip is in the training data"
        )


def _keys(dataset: Dataset, clip: Clip) -> Iterator[Hashable]:
    if clip.path is None:
        yield "generated", dataset._own_name(clip)
        return
    path = clip.path.resolve()
    yield "file", path
    if clip.source is not None:
        yield "recording", path.parent, clip.source


def _copies(train: Dataset, test: Dataset) -> set[Path]:
    """Test files with the very bytes of a training file; only files of equal size are read."""
    theirs, ours = _by_size(train), _by_size(test)
    copies: set[Path] = set()
    for size in theirs.keys() & ours.keys():
        known = {_digest(path) for path in theirs[size]}
        copies |= {path for path in ours[size] if _digest(path) in known}
    return copies


def _by_size(dataset: Dataset) -> dict[int, list[Path]]:
    found: dict[int, list[Path]] = {}
    for clip in dataset.clips:
        size = clip.path.stat().st_size if clip.path and clip.path.is_file() else 0
        if clip.path and size:  # empty files are alike, and no sound
            found.setdefault(size, []).append(clip.path)
    return found


def _digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").digest()
