"""Which clips of a test set are in the training data."""

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
    return [clip for clip in test.clips if clip.name in copies or not known.isdisjoint(_keys(test, clip))]


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
    home = dataset._home(clip)
    if home is None:
        yield "generated", dataset._own_name(clip)
        return
    if clip.path is not None:
        yield "file", clip.path.resolve()
    if clip.source is not None:
        yield "recording", home, clip.source


def _copies(train: Dataset, test: Dataset) -> set[str]:
    """Names of the test clips whose file has the very bytes of a training file; only files of equal size are read."""
    theirs, ours = _by_size(train), _by_size(test)
    digests: dict[Path, bytes] = {}
    copies: set[str] = set()
    for size in theirs.keys() & ours.keys():
        known = {_digest(train, clip, digests) for clip in theirs[size]}
        copies |= {clip.name for clip in ours[size] if _digest(test, clip, digests) in known}
    return copies


def _by_size(dataset: Dataset) -> dict[int, list[Clip]]:
    found: dict[int, list[Clip]] = {}
    for clip in dataset.clips:
        size = dataset._file_size(clip)
        if size:  # empty files are alike, and no sound
            found.setdefault(size, []).append(clip)
    return found


def _digest(dataset: Dataset, clip: Clip, known: dict[Path, bytes]) -> bytes:
    """Hash of a clip's file; of one that several clips share, once."""
    if clip.path is None:
        return dataset._file_digest(clip)
    if clip.path not in known:
        known[clip.path] = dataset._file_digest(clip)
    return known[clip.path]
