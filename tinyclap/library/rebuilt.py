"""A library written anew: without what is dead, without a folder, or with its files at another place."""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.files import as_name
from tinyclap.errors import TinyclapError
from tinyclap.library.catalogue import GONE, SUPERSEDED, Catalogue, key_of
from tinyclap.library.facts import AGAIN, is_library
from tinyclap.library.search import live
from tinyclap.library.vectors import ROWS_AT_ONCE, Vectors

FORGET_BITS = "DELETE FROM meta WHERE key IN ('bits_file', 'bits_rows', 'bits_mean', 'bits_mean_rows')"
RENUMBER = (
    "CREATE TEMP TABLE kept AS SELECT row_number() OVER (ORDER BY row) - 1, file, start_s, end_s, 0 FROM rows "
    "WHERE NOT dead ORDER BY row",
    "DELETE FROM rows",
    "INSERT INTO rows SELECT * FROM kept",
    "DROP TABLE kept",
    "DELETE FROM tags WHERE file IN (SELECT id FROM files WHERE gone)",
    "DELETE FROM names WHERE rowid IN (SELECT id FROM files WHERE gone)",
    "DELETE FROM files WHERE gone",
    FORGET_BITS,
)
LOOKED_AT = 100  # files, whether they are where they are said to be


def compact(catalogue: Catalogue, vectors: Vectors, dead: np.ndarray) -> int:
    """Write the rows that are not dead to a new file and number them anew; returns how many were left out.

    The database changes to the new file in one transaction, so that a kill leaves either library whole. The old file is
    left to `sweep`.
    """
    folder, generation = vectors.path.parent, 1 + int(catalogue.meta("generation", 0))
    rows = live(vectors.n_rows, dead)
    fresh = Vectors(folder, vectors.codes, vectors.dim, generation, len(rows))
    fresh.path.unlink(missing_ok=True)  # of a process that was killed here
    for first in range(0, len(rows), ROWS_AT_ONCE):
        fresh.write(first, vectors.coded(rows[first : first + ROWS_AT_ONCE]))
    with catalogue.transaction():
        for statement in RENUMBER:
            catalogue.run(statement)
        catalogue.set_meta("generation", generation)
    catalogue.run("VACUUM")
    return len(dead)


def relocate(catalogue: Catalogue, old: Path, new: Path) -> int:
    """Note that everything below one folder lies below another one now; returns the number of files.

    Raises:
        TinyclapError: nothing of the library lies below the old folder, none of it below the new one, or a file of
            the library lies there already.
    """
    before, after = key_of(old), key_of(new)
    if not os.path.isdir(after):
        raise TinyclapError(f"--relocate: there is no folder {new}; give OLD=NEW, where the files lie now")
    below, values, count = _below(catalogue, old, "--relocate")
    some = catalogue.run(f"SELECT path FROM files WHERE NOT gone AND {below} LIMIT {LOOKED_AT}", values)
    if not any(os.path.isfile(after + path[len(before) :]) for (path,) in some):
        raise TinyclapError(f"--relocate: none of {len(some)} files of {old} lies below {new}; nothing was changed")
    taken = catalogue.run(
        f"SELECT path FROM files WHERE path IN (SELECT ? || substr(path, ?) FROM files WHERE {below}) LIMIT 1",
        (after, len(before) + 1, *values),
    )
    if taken:
        raise TinyclapError(f"--relocate: {taken[0][0]} is in the library already; nothing was changed")
    with catalogue.transaction():
        catalogue.run(f"UPDATE files SET path = ? || substr(path, ?) WHERE {below}", (after, len(before) + 1, *values))
        inside = [root == before or root.startswith(before + os.sep) for root in roots(catalogue)]
        pairs = zip(roots(catalogue), inside, strict=True)
        moved = [after + root[len(before) :] if is_inside else root for root, is_inside in pairs]
        catalogue.set_meta("roots", json.dumps(moved))
    return count


def forget(catalogue: Catalogue, folder: Path) -> int:
    """Note that what lies below a folder is no part of the library any more; returns the number of files.

    Raises:
        TinyclapError: nothing of the library lies there.
    """
    below, values, _ = _below(catalogue, folder, "--forget")
    place = key_of(folder)
    with catalogue.transaction():
        catalogue.run(
            f"UPDATE rows SET dead = ? WHERE dead = 0 AND file IN (SELECT id FROM files WHERE {below})", (GONE, *values)
        )
        count = catalogue.run(f"SELECT count(*) FROM files WHERE NOT gone AND {below}", values)[0][0]
        catalogue.run(f"UPDATE files SET gone = 1 WHERE {below}", values)
        kept = [root for root in roots(catalogue) if root != place and not root.startswith(place + os.sep)]
        catalogue.set_meta("roots", json.dumps(kept))
    return int(count)


def give_up_lost(catalogue: Catalogue, vectors: Vectors) -> list[Path]:
    """Note that files whose vectors the disk does not hold must be embedded again; returns those that are there."""
    there = vectors.rows_there
    if there == vectors.n_rows:
        return []
    of_lost = "id IN (SELECT file FROM rows WHERE row >= ? AND dead < ?)"
    paths = catalogue.run(f"SELECT path FROM files WHERE {of_lost}", (there, SUPERSEDED))
    with catalogue.transaction():
        catalogue.run(f"UPDATE files SET hash = NULL, size_bytes = -1 WHERE {of_lost}", (there, SUPERSEDED))
        catalogue.run(
            "UPDATE rows SET dead = ? WHERE file IN (SELECT file FROM rows WHERE row >= ?)", (SUPERSEDED, there)
        )
        catalogue.run("DELETE FROM rows WHERE row >= ?", (there,))
        catalogue.run(FORGET_BITS)
    return [Path(as_name(path)) for (path,) in paths]


def lost_places(catalogue: Catalogue, lost: Sequence[Path]) -> list[Path]:
    """What must be added for those of the lost files that are there: their folders, or they themselves."""
    there = [path for path in lost if path.is_file()]
    folders = [Path(root) for root in roots(catalogue)]
    inside = {path: [folder for folder in folders if path.is_relative_to(folder)] for path in there}
    return list(dict.fromkeys(place for path in there for place in inside[path] or [path]))


def sweep(folder: Path, data: Path, catalogue: Catalogue) -> None:
    """Delete what processes that were killed have left in the folder of a library that this process alone writes.

    What `index --again` was making stays: it says so by a `library.json` of its own.
    """
    generation, bits = catalogue.meta("generation", 0), catalogue.meta("bits_file")
    used = {path for path in data.glob(f"vectors-{generation}.*")} | ({data / bits} if bits else set())
    left = {path for pattern in ("vectors-*", "bits-*") for path in data.glob(pattern)} - used
    if data != folder:
        left |= {path for pattern in ("vectors-*", "bits-*", "catalogue.sqlite*") for path in folder.glob(pattern)}
    for path in left:
        with suppress(OSError):  # Windows keeps what another process has open
            path.unlink()
    for path in folder.glob(f"{AGAIN}*"):
        if path != data and not is_library(path):
            shutil.rmtree(path, ignore_errors=True)


def _below(catalogue: Catalogue, folder: Path, option: str) -> tuple[str, tuple[Any, ...], int]:
    """A condition in SQL for what lies at or below a folder, its values, and how many files of the library do."""
    place = key_of(folder)
    below, values = "(path = ? OR substr(path, 1, ?) = ?)", (place, len(place) + 1, place + os.sep)
    count = int(catalogue.run(f"SELECT count(*) FROM files WHERE {below}", values)[0][0])
    if not count:
        folders = ", ".join(roots(catalogue)) or "none"
        raise TinyclapError(f"{option}: no file of the library lies below {folder}; its folders are {folders}")
    return below, values, count


def roots(catalogue: Catalogue) -> list[str]:
    """The folders and files that a library was made of."""
    found: list[str] = json.loads(catalogue.meta("roots", "[]"))
    return found


def remember_roots(catalogue: Catalogue, paths: Sequence[Path]) -> None:
    """Note folders that were added; files are known by themselves."""
    known = roots(catalogue)
    fresh = [key_of(path) for path in paths if path.is_dir() and key_of(path) not in known]
    if fresh:
        catalogue.set_meta("roots", json.dumps([*known, *fresh]))


def single_files(catalogue: Catalogue) -> list[Path]:
    """Files that were added by themselves: they lie below none of the folders."""
    folders = tuple(root + os.sep for root in roots(catalogue))
    return [
        Path(record.path) for record in catalogue.files() if not record.gone and not record.path.startswith(folders)
    ]
