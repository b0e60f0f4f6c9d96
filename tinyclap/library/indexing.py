"""What `tinyclap index` does: make a library or open it, and bring it up to date."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyclap.common.machine import shell_path
from tinyclap.errors import TinyclapError
from tinyclap.library.answers import Update
from tinyclap.library.facts import is_library
from tinyclap.library.library import Library
from tinyclap.library.rebuilt import roots, single_files
from tinyclap.runtime.bundle import Bundle

FLOAT16 = "float16"
AGAIN = ".again"  # the folder of a library that is being embedded again is called so besides


@dataclass(frozen=True)
class Indexing:
    """What is asked for.

    Attributes:
        sounds: files and folders; none for those of before.
        codes, windows, hop_s: of a new library; of one that is there they must not differ. None for what is usual.
        threads: files embedded at the same time; None for one a core.
        wait: for another process that writes the library.
        again: embed all files again, by another bundle.
        relocated: folders, where they were and where they are.
        compact: take off the disk what is gone.
    """

    sounds: Sequence[Path]
    codes: str | None = None
    windows: bool = False
    hop_s: float | None = None
    threads: int | None = None
    wait: bool = True
    again: bool = False
    relocated: Sequence[tuple[Path, Path]] = ()
    compact: bool = False


def run(
    folder: Path,
    asked: Indexing,
    bundle: Callable[[], Path],
    *,
    named: bool,
    tell: Callable[[str], None],
) -> tuple[Library, Update, dict[str, Any]]:
    """Do what is asked for.

    Args:
        folder: of the library.
        asked: for.
        bundle: which one is meant, for a new library or where it is `named`.
        named: the user has named a bundle.
        tell: what happens.

    Returns:
        The library, what was found, and how exact its answers are: `neighbours_kept` and `recall`.

    Raises:
        TinyclapError: nothing to index, settings that a library cannot change; also as `Library.add` does.
    """
    update = None
    if not is_library(folder):
        if asked.again or asked.relocated or asked.compact or not asked.sounds:
            raise TinyclapError(
                f"there is no library {folder} yet; make it: tinyclap index FOLDER --out {shell_path(folder)}"
            )
        library = _made(folder, asked, Bundle.load(bundle()))
    elif asked.again:
        library, update = _again(folder, asked, Bundle.load(bundle()) if named else None, tell)
    else:
        library = Library.open(folder, bundle() if named else None)
        _refuse_other_settings(library, asked)
    for old, new in asked.relocated:
        tell(f"{library.relocate(old, new):,} files of {old} lie below {new} now")
    sounds = list(asked.sounds) or ([] if asked.relocated or asked.compact or asked.again else _sources(library))
    if sounds:
        update = library.add(sounds, asked.threads, wait=asked.wait)
    elif update is None:
        update = Update(unchanged=library.catalogue.n_files())
    if asked.compact:
        tell(f"rows taken off the disk: {library.compact():,}")
    return library, update, {"neighbours_kept": update.neighbours_kept, "recall": library.recall()}


def _sources(library: Library) -> list[Path]:
    """The folders that were added, and the files that lie in none of them."""
    return [*(Path(root) for root in roots(library.catalogue)), *single_files(library.catalogue)]


def _made(folder: Path, asked: Indexing, bundle: Bundle) -> Library:
    try:
        return Library.create(folder, bundle, asked.codes or FLOAT16, asked.windows, asked.hop_s)
    except TinyclapError:
        if not is_library(folder):
            raise
        return Library.open(folder, bundle)  # another process has made it just now


def _again(folder: Path, asked: Indexing, bundle: Bundle | None, tell: Callable[[str], None]) -> tuple[Library, Update]:
    """A new library of the same files takes the place of the old one once it is whole."""
    old = Library.open(folder)
    sounds = _sources(old)
    there = [path for path in sounds if path.exists()]
    if not there:
        raise TinyclapError(f"none of the files of library {folder} is where it was; see --relocate")
    for path in sounds:
        if path not in there:
            tell(f"{path} is not there, so it is left out")
    fresh = folder.with_name(folder.name + AGAIN)
    windows, hop_s = asked.windows or old.windows, asked.hop_s or old.hop_s
    settings = (bundle or old.bundle, asked.codes or old.codes, windows, hop_s)
    old.close()
    if is_library(fresh):
        made = Library.open(fresh, settings[0])  # goes on where it was stopped
        _refuse_other_settings(made, Indexing([], settings[1], windows, hop_s))
    else:
        made = Library.create(fresh, *settings)
    update = made.add(there, asked.threads)
    made.close()
    aside = folder.with_name(f".{folder.name}-former")
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(folder, aside)
    os.replace(fresh, folder)
    shutil.rmtree(aside)
    return Library.open(folder, settings[0]), update


def _refuse_other_settings(library: Library, asked: Indexing) -> None:
    """Raise a TinyclapError for what only a new library can be."""
    wrong = []
    if asked.codes not in (None, library.codes):
        wrong.append(f"its codes are {library.codes}")
    if asked.windows and not library.windows:
        wrong.append("it has no windows")
    if asked.hop_s not in (None, library.hop_s):
        wrong.append(f"its windows come every {library.hop_s or 'window'}")
    if wrong:
        raise TinyclapError(
            f"library {library.folder} is there already and {' and '.join(wrong)}; leave the option out, embed all "
            "files again with --again, or make another library with --out"
        )
