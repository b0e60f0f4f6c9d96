"""The sound files below folders, by their suffix."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from tinyclap.audio.formats import HOW_TO_DECODE, MEDIA_SUFFIXES, RAW_SUFFIXES, audio_suffixes
from tinyclap.errors import TinyclapError, listed

MAX_NAMED = 5


def audio_files(root: Path) -> list[Path]:
    """The files below `root` whose suffix, in any case, is one of `formats.audio_suffixes`.

    Raises TinyclapError for a folder that cannot be listed.
    """
    return split_files(root)[0]


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
        sounds, others = split_files(path)
        if not sounds:
            raise no_audio(path, others)
        if others and tell:
            names = listed([other.relative_to(path).as_posix() for other in sorted(others)], MAX_NAMED)
            tell(f"{path}: {len(others)} files left out: {names}{_remedy(others)}")
        found += sorted(sounds, key=lambda file: file.parts)
    return list(dict.fromkeys(found))


def split_files(root: Path) -> tuple[list[Path], list[Path]]:
    """All files below `root` but hidden ones: those that can be decoded here, and the others."""
    suffixes = audio_suffixes()
    sounds: list[Path] = []
    others: list[Path] = []
    for parent, folders, names in os.walk(root, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            (sounds if path.suffix.lower() in suffixes else others).append(path)
    return sounds, others


def no_audio(root: Path, others: Iterable[Path]) -> TinyclapError:
    """What to say of a folder that holds other files alone."""
    return TinyclapError(f"no audio files below {root}: looked for {' '.join(audio_suffixes())}{_remedy(others)}")


def _remedy(others: Iterable[Path]) -> str:
    """What to do with files that are sound all the same."""
    kinds = {path.suffix.lower() for path in others}
    media, raw = sorted(kinds & {*MEDIA_SUFFIXES}), sorted(kinds & {*RAW_SUFFIXES})
    hint = f"; for {' '.join(media)}, {HOW_TO_DECODE}" if media else ""
    return hint + (f"; {' '.join(raw)} have no header, convert them" if raw else "")


def _refuse(error: OSError) -> None:
    reason = f"{error.filename} cannot be listed: {error.strerror}; check its permissions, or leave it out of the data"
    raise TinyclapError(reason) from error
