"""Which sounds, and in which views?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyclap.data.dataset import Clip, Concat, Dataset
from tinyclap.errors import TinyclapError

if TYPE_CHECKING:
    from tinyclap.config.data import AnyData, PublishedData

__all__ = ["Clip", "Concat", "Dataset", "build_dataset"]

KINDS = (
    *("esc50", "urbansound8k", "tut2017", "audiocaps", "clotho", "macs", "fsd50k", "gigaspeech"),
    *("folder", "manifest", "shards", "hf_dataset", "procedural"),
)
FILTERS = ("folds", "splits", "labels", "exclude_labels")


def build_dataset(spec: "AnyData | Sequence[AnyData]") -> Dataset:
    """The data set of a recipe's data spec (`tinyclap.config.data`); a list of specs gives one `Concat`.

    The filters (folds, splits, labels, exclude_labels) choose among the clips that the spec describes, so a procedural
    spec with labels gives fewer clips than its n_clips. Raises TinyclapError, as the data set's own module says.
    """
    if isinstance(spec, Sequence):
        parts = [build_dataset(part) for part in spec]
        return parts[0] if len(parts) == 1 else Concat(parts)
    dataset = _unfiltered(spec)
    asked = {key: value for key in FILTERS if (value := getattr(spec, key, None)) is not None}
    return (dataset.select(**asked) if asked else dataset).weighted(spec.weight)


def _unfiltered(spec: "AnyData") -> Dataset:
    match spec.kind:
        case "folder":
            from tinyclap.data.folder import folder

            return folder(Path(spec.root).expanduser())
        case "manifest":
            from tinyclap.data.manifest import manifest

            return manifest(Path(spec.path).expanduser(), None if spec.root is None else Path(spec.root).expanduser())
        case "shards":
            from tinyclap.data.shards.dataset import shards

            return shards(spec.patterns)
        case "hf_dataset":
            from tinyclap.data.hf_dataset import Wanted, hf_dataset

            keys = ("source", "config", "split", "revision", "streaming", "audio", "label", "caption")
            return hf_dataset(Wanted(**{key: getattr(spec, key) for key in keys}))
        case "procedural":
            from tinyclap.data.procedural.dataset import Procedural

            return Procedural(spec.n_clips, seed=spec.seed, duration_s=spec.duration_s)
        case kind if kind in KINDS:
            return _published(spec)
        case kind:
            raise TinyclapError(f"unknown kind of data set {kind!r}: there are {', '.join(KINDS)}")


def _published(spec: "PublishedData") -> Dataset:
    """A data set in its official layout, downloaded before where the spec asks for it."""
    from tinyclap.data.published import audiocaps, clotho, esc50, fsd50k, gigaspeech, macs, tut2017, urbansound8k

    root = Path(spec.root).expanduser()
    match spec.kind:
        case "esc50":
            if spec.download:
                esc50.download_esc50(root)
            return esc50.esc50(root, esc10=spec.esc10)
        case "urbansound8k":
            if spec.download:
                urbansound8k.download_urbansound8k(root)
            return urbansound8k.urbansound8k(root)
        case "tut2017":
            if spec.download:
                tut2017.download_tut2017(root, spec.split)
            return tut2017.tut2017(root, spec.split)
        case "macs":
            if spec.download:
                macs.download_macs(root)
            return macs.macs(root)
        case "audiocaps":
            return audiocaps.audiocaps(root, spec.splits)
        case "clotho":
            return clotho.clotho(root, spec.splits)
        case "fsd50k":
            return fsd50k.fsd50k(root, spec.splits)
        case "gigaspeech":
            return gigaspeech.gigaspeech(root, spec.subset)
