"""A folder of audio files: the sub-folder's name is the label."""

from pathlib import Path

from tinyclap.audio.listing import audio_files, no_audio, split_files
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
    sounds, others = split_files(root)
    if not sounds:
        raise no_audio(root.absolute(), others)
    paths = sorted(sounds, key=lambda path: path.parts)
    return Dataset(root.resolve().name, [_clip(path, root) for path in paths])


def check_folder(root: Path) -> None:
    """Raises TinyclapError unless `root` is a folder; names the nearest folder above it that exists."""
    if root.is_file():
        raise TinyclapError(f"{root.absolute()} is a file: give the folder that holds the data set")
    if not root.is_dir():
        nearest = next(parent for parent in root.absolute().parents if parent.is_dir())
        raise TinyclapError(f"no folder {root.absolute()} (found up to {nearest}): check the data set's root")


def empty_classes(root: Path) -> list[str]:
    """The folders directly under `root` without an audio file at any depth, sorted."""
    inside = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(path.name for path in inside if not audio_files(path))


def _clip(path: Path, root: Path) -> Clip:
    inside = path.relative_to(root)
    label = inside.parts[0] if len(inside.parts) > 1 else None
    return Clip(inside.as_posix(), label=label, path=path)
