"""Bundles that can be had without training: their words ship with tinyclap, their ears come from a publisher."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyclap.common.files import cache_root, refuse_odd_name, whole_folder, write_bytes
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle_contents import (
    FLOAT_GRAPH,
    INT8_GRAPH,
    is_bundle,
    read_manifest,
)
from tinyclap.runtime.graph_weights import folded, int8_weights, with_weights
from tinyclap.runtime.published_weights import (
    PUBLISHED,
    PublishedFile,
    given_or_fetched,
)
from tinyclap.runtime.torch_file import read_tensors

EXACT = "float"  # what a bundle with the float graph has besides and instead
ASSETS = Path(__file__).parents[1] / "assets" / "bundles"


@dataclass(frozen=True)
class ReadyMade:
    """A bundle that `tinyclap get` makes.

    Attributes:
        name: of the bundle.
        purpose: what it is good for, in one sentence.
        made_of: the published models in it.
        licence: of the weights.
        weights: the publisher's file of the tagger's weights.
        accuracy: zero-shot, and on what, as benchmarks/results/esc50_everyday.json has it.
    """

    name: str
    purpose: str
    made_of: str
    licence: str
    weights: PublishedFile
    accuracy: str

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        assert self.weights.size is not None  # of what is ready-made it is known
        return self.weights.size


EVERYDAY = ReadyMade(
    "everyday",
    "Sounds of the world around: animals, weather, people, home, street, tools, music.",
    "EfficientAT mn04_as + all-MiniLM-L6-v2",
    "ears: mit; words: cc-by-sa-4.0",
    PUBLISHED["mn04_as"].weights,
    "79.0 % zero-shot on 1,600 clips of ESC-50, 95 % interval 76.6 to 81.3",
)
READY_MADE: Mapping[str, ReadyMade] = {EVERYDAY.name: EVERYDAY}


def place(name: str) -> Path:
    """Where a ready-made bundle lies unless another folder is named."""
    return cache_root() / "bundles" / name


def existing() -> Path | None:
    """The first ready-made bundle that is there."""
    return next((place(name) for name in READY_MADE if is_bundle(place(name))), None)


def by_name(folder: Path) -> Path:
    """Where the ready-made bundle of this name lies; a folder that is none stays as it is."""
    return place(str(folder)) if str(folder) in READY_MADE else folder


def made_before(name: str, folder: Path | None = None) -> Path | None:
    """The folder of a ready-made bundle that is there and whole; None where there is nothing, or something else."""
    folder = folder or place(name)
    if name not in READY_MADE or not is_bundle(folder):
        return None
    return folder if read_manifest(folder).name == name else None


def has_exact(folder: Path) -> bool:
    """Whether a bundle has the float graph."""
    return FLOAT_GRAPH in read_manifest(folder).graphs


def make(
    name: str,
    folder: Path | None = None,
    *,
    weights: Path | None = None,
    exact: bool = False,
    overwrite: bool = False,
) -> Path:
    """Make a ready-made bundle and return its folder.

    Args:
        name: one of READY_MADE.
        folder: where; None for `place`.
        weights: the publisher's file, where it is there already; None fetches it.
        exact: with the float graph too, whose weights are not rounded.
        overwrite: replace what is there.

    Raises:
        TinyclapError: no such name, a folder that is taken, no network, or a file that is not the publisher's.
    """
    made, folder = _of_name(name), folder or place(name)
    refuse_odd_name(folder)
    if folder.exists() and not overwrite:
        raise TinyclapError(f"{folder} exists already; replace it with --overwrite, or name another folder with --out")
    if folder.exists() and not is_bundle(folder):
        raise TinyclapError(f"{folder} is no bundle, so it is left alone; name another folder with --out")
    file = given_or_fetched(made.weights, weights, "--weights", "give it with --weights FILE")
    tensors = folded(read_tensors(file))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder) as new:
        _copy_files(ASSETS / name, new)
        if exact:
            _copy_files(ASSETS / name / EXACT, new)
        for graph, values in ((FLOAT_GRAPH, tensors), (INT8_GRAPH, int8_weights(tensors))):
            if (new / graph).is_file():
                write_bytes(new / graph, with_weights((new / graph).read_bytes(), values))
        read_manifest(new)  # its checksums are those of the whole graphs
    return folder


def _of_name(name: str) -> ReadyMade:
    if name not in READY_MADE:
        raise TinyclapError(f"there is no ready-made bundle {name!r}; there are {', '.join(READY_MADE)}")
    return READY_MADE[name]


def _copy_files(source: Path, target: Path) -> None:
    for asset in sorted(source.iterdir()):
        if asset.is_file():
            shutil.copyfile(asset, target / asset.name)
