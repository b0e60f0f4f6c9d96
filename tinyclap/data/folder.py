"""A folder of audio files: the sub-folder's name is the label."""

import os
from collections.abc import Iterable
from pathlib import Path

from tinyclap.audio.files import AUDIO_SUFFIXES
from tinyclap.data.dataset import Clip, Dataset
from tinyclap.errors import TinyclapError


def folder(root: Path | str) -> Dataset:
    """Every audio file below `root`, at any depth, in the order of its path.

    The label is the name of the folder directly under `root`; files lying in `root` itself have none. Hidden files and
    folders are passed over, links to folders are not followed. Raises TinyclapError when there is no such folder or no
    audio in it.
    """
    root = Path(root)
    check_folder(root)
    paths = sorted(audio_files(root), key=lambda path: path.parts)
    if not paths:
        raise TinyclapError(f"no audio files below {root.absolute()}: looked for {' '.join(AUDIO_SUFFIXES)}")
    return Dataset(root.resolve().name, [_clip(path, root) for path in paths])


def check_folder(root: Path) -> None:
    """Raises TinyclapError unless `root` is a folder; names the nearest folder above it that exists."""
    if root.is_file():
        raise TinyclapError(f"{root.absolute()} is a file: give the folder that holds the data set")
    if not root.is_dir():
        nearest = next(parent for parent in root.absolute().parents if parent.is_dir())
        raise TinyclapError(f"no folder {root.absolute()} (found up to {nearest}): check the data set's root")


def audio_files(root: Path) -> list[Path]:
    """The files below `root` whose suffix, in any case, is one of AUDIO_SUFFIXES.

    Raises TinyclapError for a folder that cannot be listed.
    """
    found = []
    for parent, folders, names in os.walk(root, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return [path for path in found if path.suffix.lower() in AUDIO_SUFFIXES]


def empty_classes(root: Path) -> list[str]:
    """The folders directly under `root` without an audio file at any depth, sorted."""
    inside = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(path.name for path in inside if not audio_files(path))


def find_sounds(paths: Iterable[Path]) -> list[Path]:
    """Files as given, and the audio files below folders in the order of their paths, each once.

    Raises TinyclapError for a folder without any.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(audio_files(path), key=lambda file: file.parts) if path.is_dir() else [path]
        if not inside:
            raise TinyclapError(f"no audio files below {path}: looked for {' '.join(AUDIO_SUFFIXES)}")
        found += inside
    return list(dict.fromkeys(found))


def _refuse(error: OSError) -> None:
    reason = f"{error.filename} cannot be listed: {error.strerror}; check its permissions, or leave it out of the data"
    raise TinyclapError(reason) from error


def _clip(path: Path, root: Path) -> Clip:
    inside = path.relative_to(root)
    label = inside.parts[0] if len(inside.parts) > 1 else None
    return Clip(inside.as_posix(), label=label, path=path)
