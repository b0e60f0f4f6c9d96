"""Which clips of a test set a training has heard."""

from collections.abc import Hashable, Iterator

from tinyclap.data.base import Clip, Dataset, shown
from tinyclap.errors import TinyclapError


def heard_clips(train: Dataset, test: Dataset) -> list[Clip]:
    """The test clips that are the training's files, cut from its recordings, or generated under the same name.

    A recording is known by its `source` among the clips of one folder. A copy of a file elsewhere is not recognised.
    """
    heard = {key for clip in train.clips for key in _keys(train, clip)}
    return [clip for clip in test.clips if not heard.isdisjoint(_keys(test, clip))]


def refuse_overlap(train: Dataset, test: Dataset) -> None:
    """Raises TinyclapError where a test set holds clips that the training hears."""
    heard = heard_clips(train, test)
    if heard:
        named = shown([f"{clip.name} (of recording {clip.source})" if clip.source else clip.name for clip in heard], 3)
        raise TinyclapError(
            f"data.test: {len(heard)} of its {len(test)} clips are in data.train too, as files or as parts of the same "
            f"recordings: {named}; choose other folds, labels or files, so that the test is of sounds never heard"
        )


def _keys(dataset: Dataset, clip: Clip) -> Iterator[Hashable]:
    if clip.path is None:
        yield "generated", dataset._own_name(clip)
        return
    path = clip.path.resolve()
    yield "file", path
    if clip.source is not None:
        yield "recording", path.parent, clip.source
