"""A folder of audio files: the sub-folder's name is the label."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from tinyclap.audio.formats import HOW_TO_DECODE, MEDIA_SUFFIXES, RAW_SUFFIXES, audio_suffixes
from tinyclap.data.dataset import Clip, Dataset
from tinyclap.errors import TinyclapError, listed

MAX_NAMED = 5


def folder(root: Path | str) -> Dataset:
    """Every audio file below `root`, at any depth, in the order of its path.

    The label is the name of the folder directly under `root`; files lying in `root` itself have none. Hidden files and
    folders are passed over, links to folders are not followed. Raises TinyclapError when there is no such folder or no
    audio in it.
    """
    root = Path(root)
    check_folder(root)
    sounds, others = _files(root)
    if not sounds:
        raise _no_audio(root.absolute(), others)
    paths = sorted(sounds, key=lambda path: path.parts)
    return Dataset(root.resolve().name, [_clip(path, root) for path in paths])


def check_folder(root: Path) -> None:
    """Raises TinyclapError unless `root` is a folder; names the nearest folder above it that exists."""
    if root.is_file():
        raise TinyclapError(f"{root.absolute()} is a file: give the folder that holds the data set")
    if not root.is_dir():
        nearest = next(parent for parent in root.absolute().parents if parent.is_dir())
        raise TinyclapError(f"no folder {root.absolute()} (found up to {nearest}): check the data set's root")


def audio_files(root: Path) -> list[Path]:
    """The files below `root` whose suffix, in any case, is one of `formats.audio_suffixes`.

    Raises TinyclapError for a folder that cannot be listed.
    """
    return _files(root)[0]


def _files(root: Path) -> tuple[list[Path], list[Path]]:
    """All files below `root` but hidden ones: those that can be decoded here, and the others."""
    suffixes = audio_suffixes()
    sounds: list[Path] = []
    others: list[Path] = []
    for parent, folders, names in os.walk(root, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            (sounds if path.suffix.lower() in suffixes else others).append(path)
    return sounds, others


def _remedy(others: Iterable[Path]) -> str:
    """What to do with files that are sound all the same."""
    kinds = {path.suffix.lower() for path in others}
    media, raw = sorted(kinds & {*MEDIA_SUFFIXES}), sorted(kinds & {*RAW_SUFFIXES})
    hint = f"; for {' '.join(media)}, {HOW_TO_DECODE}" if media else ""
    return hint + (f"; {' '.join(raw)} have no header, convert them" if raw else "")


def empty_classes(root: Path) -> list[str]:
    """The folders directly under `root` without an audio file at any depth, sorted."""
    inside = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(path.name for path in inside if not audio_files(path))


def find_sounds(paths: Iterable[Path], tell: Callable[[str], None] | None = None) -> list[Path]:
    """Files as given, and the audio files below folders in the order of their paths, each once.

    `tell` is called with a line for every folder of which files are left out. Raises TinyclapError for a folder without
    any audio file.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        sounds, others = _files(path)
        if not sounds:
            raise _no_audio(path, others)
        if others and tell:
            names = listed([other.relative_to(path).as_posix() for other in sorted(others)], MAX_NAMED)
            tell(f"{path}: {len(others)} files left out: {names}{_remedy(others)}")
        found += sorted(sounds, key=lambda file: file.parts)
    return list(dict.fromkeys(found))


def _no_audio(root: Path, others: Iterable[Path]) -> TinyclapError:
    return TinyclapError(f"no audio files below {root}: looked for {' '.join(audio_suffixes())}{_remedy(others)}")


def _refuse(error: OSError) -> None:
    reason = f"{error.filename} cannot be listed: {error.strerror}; check its permissions, or leave it out of the data"
    raise TinyclapError(reason) from error


def _clip(path: Path, root: Path) -> Clip:
    inside = path.relative_to(root)
    label = inside.parts[0] if len(inside.parts) > 1 else None
    return Clip(inside.as_posix(), label=label, path=path)
