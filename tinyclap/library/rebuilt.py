"""A library written anew: without what is dead, with its files at another place, or by another bundle."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from tinyclap.errors import TinyclapError
from tinyclap.library.catalogue import Catalogue, key_of
from tinyclap.library.search import live
from tinyclap.library.vectors import ROWS_AT_ONCE, Vectors

RENUMBER = (
    "CREATE TEMP TABLE kept AS SELECT row_number() OVER (ORDER BY row) - 1, file, start_s, end_s, 0 FROM rows "
    "WHERE NOT dead ORDER BY row",
    "DELETE FROM rows",
    "INSERT INTO rows SELECT * FROM kept",
    "DROP TABLE kept",
    "DELETE FROM tags WHERE file IN (SELECT id FROM files WHERE gone)",
    "DELETE FROM names WHERE rowid IN (SELECT id FROM files WHERE gone)",
    "DELETE FROM files WHERE gone",
    "DELETE FROM meta WHERE key IN ('bits_file', 'bits_rows', 'bits_mean', 'bits_mean_rows')",
)
LOOKED_AT = 100  # files, whether they are where they are said to be


def compact(catalogue: Catalogue, vectors: Vectors, dead: np.ndarray) -> int:
    """Write the rows that are not dead to a new file and number them anew; returns how many were left out.

    The database changes to the new file in one transaction, so that a kill leaves either library whole.
    """
    folder, generation = vectors.path.parent, 1 + int(catalogue.meta("generation", 0))
    rows = live(vectors.n_rows, dead)
    fresh = Vectors(folder, vectors.codes, vectors.dim, generation, len(rows))
    fresh.path.unlink(missing_ok=True)  # of a process that was killed here
    for first in range(0, len(rows), ROWS_AT_ONCE):
        fresh.write(first, vectors.coded[rows[first : first + ROWS_AT_ONCE]])
    old_bits = catalogue.meta("bits_file")
    with catalogue.transaction():
        for statement in RENUMBER:
            catalogue.run(statement)
        catalogue.set_meta("generation", generation)
    for path in [vectors.path, *([folder / old_bits] if old_bits else [])]:
        with suppress(OSError):  # Windows keeps what another process has open
            path.unlink(missing_ok=True)
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
    below = "path = ? OR substr(path, 1, ?) = ?"
    values = (before, len(before) + 1, before + os.sep)
    count = int(catalogue.run(f"SELECT count(*) FROM files WHERE {below}", values)[0][0])
    if not count:
        folders = ", ".join(roots(catalogue)) or "none"
        raise TinyclapError(f"--relocate: no file of the library lies below {old}; its folders are {folders}")
    some = catalogue.run(f"SELECT path FROM files WHERE NOT gone AND ({below}) LIMIT {LOOKED_AT}", values)
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
