"""Bundles that can be had without training: their files ship with tinyclap, their weights come from the publisher."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyclap.common.files import cache_root, whole_folder, write_bytes
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle_contents import FLOAT_GRAPH, INT8_GRAPH, MANIFEST, read_manifest
from tinyclap.runtime.graph_weights import folded, int8_weights, with_weights
from tinyclap.runtime.published_weights import PUBLISHED, fetched
from tinyclap.runtime.torch_file import read_tensors

ASSETS = Path(__file__).parents[1] / "assets" / "bundles"


@dataclass(frozen=True)
class ReadyMade:
    """A bundle that `tinyclap get` makes.

    Attributes:
        name: of the bundle.
        purpose: what it is good for, in one sentence.
        made_of: the published models in it.
        licence: of the weights.
        url, size, sha256: of the publisher's file of weights, bytes and hexadecimal.
        accuracy: zero-shot, and on what, as benchmarks/results/esc50_teacher.json has it.
    """

    name: str
    purpose: str
    made_of: str
    licence: str
    url: str
    size: int
    sha256: str
    accuracy: str


_MN04 = PUBLISHED["mn04_as"]
assert _MN04.size is not None
assert _MN04.sha256 is not None

EVERYDAY = ReadyMade(
    "everyday",
    "Sounds of the world around: animals, weather, people, home, street, tools, music.",
    "EfficientAT mn04_as + all-MiniLM-L6-v2",
    "mit",
    _MN04.url,
    _MN04.size,
    _MN04.sha256,
    "79.3 % zero-shot on 1,600 clips of ESC-50, 95 % interval 77.0 to 81.5",
)
READY_MADE: Mapping[str, ReadyMade] = {EVERYDAY.name: EVERYDAY}


def place(name: str) -> Path:
    """Where a ready-made bundle lies unless another folder is named."""
    return cache_root() / "bundles" / name


def existing() -> Path | None:
    """The first ready-made bundle that is there."""
    return next((place(name) for name in READY_MADE if (place(name) / MANIFEST).is_file()), None)


def made_before(name: str, folder: Path | None = None) -> Path | None:
    """The folder of a ready-made bundle that is there and whole; None where there is nothing, or something else."""
    folder = folder or place(name)
    if name not in READY_MADE or not (folder / MANIFEST).is_file():
        return None
    return folder if read_manifest(folder).name == name else None


def has_words(folder: Path) -> bool:
    """Whether a bundle has a text side."""
    return read_manifest(folder).text is not None


def make(name: str, folder: Path | None = None, *, weights: Path | None = None, overwrite: bool = False) -> Path:
    """Make a ready-made bundle and return its folder.

    Args:
        name: one of READY_MADE.
        folder: where; None for `place`.
        weights: the publisher's file, where it is there already; None fetches it.
        overwrite: replace what is there.

    Raises:
        TinyclapError: no such name, a folder that is taken, no network, or a file that is not the publisher's.
    """
    if name not in READY_MADE:
        raise TinyclapError(f"there is no ready-made bundle {name!r}; there are {', '.join(READY_MADE)}")
    made, folder = READY_MADE[name], folder or place(name)
    if folder.exists() and not overwrite:
        raise TinyclapError(f"{folder} exists already; replace it with --overwrite, or name another folder with --out")
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise TinyclapError(f"{folder} is no bundle, so it is left alone; name another folder with --out")
    tensors = folded(read_tensors(weights_of(made, weights)))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder) as new:
        for asset in sorted((ASSETS / name).iterdir()):
            shutil.copyfile(asset, new / asset.name)
        for graph, values in ((FLOAT_GRAPH, tensors), (INT8_GRAPH, int8_weights(tensors))):
            write_bytes(new / graph, with_weights((ASSETS / name / graph).read_bytes(), values))
        read_manifest(new)  # its checksums are those of the whole graphs
    return folder


def weights_of(made: ReadyMade, given: Path | None = None) -> Path:
    """The publisher's file, given or fetched, and checked; raises as `make` does."""
    if given is None:
        return fetched(made.url, made.size, made.sha256, "give it with --weights FILE")
    if not given.is_file():
        raise TinyclapError(f"--weights: there is no file {given}; it is {made.url}")
    with given.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != made.sha256:
        raise TinyclapError(
            f"{given} is not the published file: sha256 {found}, expected {made.sha256}; fetch {made.url} again"
        )
    return given
