"""What `tinyclap index` does: make a library or open it, and bring it up to date."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyclap.common.crew.team import ALONE, Team
from tinyclap.common.files import write_json
from tinyclap.common.machine import shell_path
from tinyclap.errors import TinyclapError
from tinyclap.library.answers import Update
from tinyclap.library.catalogue import Catalogue
from tinyclap.library.facts import AGAIN, FACTS, is_library, make_data, new_facts, read_facts
from tinyclap.library.library import Library
from tinyclap.library.rebuilt import roots, single_files, sweep
from tinyclap.library.update import sounds_of
from tinyclap.runtime.bundle import Bundle

FLOAT16 = "float16"


@dataclass(frozen=True)
class Indexing:
    """What is asked for.

    Attributes:
        sounds: files and folders; none for those of before.
        codes, windows, hop_s: of a new library; of one that is there they must not differ. None for what is usual.
        wait: for another process that writes the library.
        again: embed all files again, by another bundle.
        relocated: folders, where they were and where they are.
        compact: take off the disk what is gone.
        forgotten: folders that are left out from now on.
        team: who embeds.
    """

    sounds: Sequence[Path]
    codes: str | None = None
    windows: bool = False
    hop_s: float | None = None
    wait: bool = True
    again: bool = False
    relocated: Sequence[tuple[Path, Path]] = ()
    compact: bool = False
    forgotten: Sequence[Path] = ()
    team: Team = ALONE


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
    update, alone = None, asked.again or asked.relocated or asked.compact or asked.forgotten
    files = None
    if not is_library(folder):
        if alone or not asked.sounds:
            raise TinyclapError(
                f"there is no library {folder} yet; make it: tinyclap index FOLDER --out {shell_path(folder)}"
            )
        files = sounds_of(None, asked.sounds)  # before, since a mistake in them must not leave an empty library
        library = _made(folder, asked, Bundle.load(bundle()))
    elif asked.again:
        library, update = _again(folder, asked, Bundle.load(bundle()) if named else None, tell)
    else:
        library = Library.open(folder, bundle() if named else None)
        _refuse_other_settings(library, asked)
    for old, new in asked.relocated:
        tell(f"{library.relocate(old, new):,} files of {old} lie below {new} now")
    gone = sum(library.forget(path) for path in asked.forgotten)
    sounds = list(asked.sounds) or ([] if alone else _sources(library))
    if sounds:
        with library.alone(wait=asked.wait):
            update = library.add_alone(sounds, asked.team, files=files)
    elif update is None:
        update = Update(unchanged=library.catalogue.n_files())
    update.gone += gone
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
    """All files embedded again, in a folder within the library's, which then counts instead of what is there now.

    One file decides which of both counts, `library.json`, and is replaced at once; so a kill leaves one of them, and
    what was embedded until then, with which the next call goes on.
    """
    old = Library.open(folder)
    with old.alone(wait=asked.wait):
        sounds = _sources(old)
        there = [path for path in sounds if path.exists()]
        if not there:
            raise TinyclapError(f"none of the files of library {folder} is where it was; see --relocate")
        for path in sounds:
            if path not in there:
                tell(f"{path} is not there, so it is left out")
        windows, hop_s = asked.windows or old.windows, asked.hop_s or old.hop_s
        fresh = _begun(old, bundle or old.bundle, asked.codes or old.codes, windows, hop_s)
        update = fresh.add_alone(there, asked.team)
        kept = _keep_tags(old.catalogue, fresh.catalogue)
        old.close()
        os.replace(fresh.data / FACTS, folder / FACTS)
        sweep(folder, fresh.data, fresh.catalogue)
    if kept:
        tell(f"{kept:,} tags of before are kept; tinyclap tag gives them anew")
    return fresh, update


def _begun(old: Library, bundle: Bundle, codes: str, windows: bool, hop_s: float | None) -> Library:
    """The library that all is embedded again for: one that was begun in the same way, else a new one."""
    others = {
        int(path.name.removeprefix(AGAIN)): path for path in old.folder.glob(f"{AGAIN}[0-9]*") if path != old.data
    }
    number = 1 + max([0, *others, *([int(old.data.name.removeprefix(AGAIN))] if old.data != old.folder else [])])
    facts = new_facts(bundle, codes, windows, hop_s)
    for path in others.values():
        begun = read_facts(path)
        if begun == {**facts, "data": path.name}:
            return Library(old.folder, begun, bundle)
        shutil.rmtree(path)
    fresh = old.folder / f"{AGAIN}{number}"
    fresh.mkdir()
    make_data(fresh)
    facts["data"] = fresh.name
    write_json(fresh / FACTS, facts)
    return Library(old.folder, facts, bundle)


def _keep_tags(old: Catalogue, fresh: Catalogue) -> int:
    """Give the files that still hold what they held the tags that they had; returns the number of tags."""
    tags = old.run("SELECT tag, score, path, hash FROM tags JOIN files ON files.id = file")
    with fresh.transaction():
        fresh.run_many(
            "INSERT OR REPLACE INTO tags SELECT id, ?, ? FROM files WHERE path = ? AND hash = ? AND reason IS NULL",
            tags,
        )
    return int(fresh.run("SELECT count(*) FROM tags")[0][0])


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
