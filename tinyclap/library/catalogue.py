"""The files of a library, their rows and what is known of them: one SQLite database, which decides what is valid."""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinyclap.common.files import as_text
from tinyclap.common.machine import shell_path
from tinyclap.errors import TinyclapError
from tinyclap.library import names

BUSY_S = 60.0  # how long a reader waits for a writer
GONE, SUPERSEDED = 1, 2  # why a row is dead: its file may come back, or has other content now
AT_ONCE = 500  # numbers in one statement, of which SQLite allows 999
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE files (
  id INTEGER PRIMARY KEY, path TEXT UNIQUE NOT NULL, name TEXT NOT NULL, size_bytes INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL, hash TEXT, duration_s REAL, sample_rate INTEGER, channels INTEGER, reason TEXT,
  gone INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX files_by_hash ON files(hash);
CREATE TABLE rows (
  row INTEGER PRIMARY KEY, file INTEGER NOT NULL, start_s REAL NOT NULL, end_s REAL NOT NULL,
  dead INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX rows_of_file ON rows(file);
CREATE INDEX dead_rows ON rows(row) WHERE dead;
CREATE TABLE tags (file INTEGER NOT NULL, tag TEXT NOT NULL, score REAL, PRIMARY KEY (file, tag)) WITHOUT ROWID;
CREATE INDEX files_of_tag ON tags(tag);
"""


class FileRecord(NamedTuple):
    """A row of the table `files`; `reason` says why the file cannot be used."""

    id: int
    path: str
    size_bytes: int
    mtime_ns: int
    hash: str | None
    reason: str | None
    gone: int


class RowRecord(NamedTuple):
    """A row of the vectors and the file it is of."""

    row: int
    file: int
    path: str
    start_s: float
    end_s: float
    duration_s: float
    sample_rate: int


RECORD = f"SELECT {', '.join(FileRecord._fields)} FROM files"
ROW = "SELECT row, file, path, start_s, end_s, duration_s, sample_rate FROM rows JOIN files ON files.id = rows.file"


def key_of(path: Path) -> str:
    """A path as it is stored: absolute, and text."""
    return as_text(os.path.abspath(path))


def make_again(folder: Path) -> str:
    """What to do with a damaged library: an advice."""
    folder = folder.parent if (folder.parent / "library.json").is_file() else folder  # data of `index --again`
    return (
        f"copy the library again, or remove the whole folder {folder} and make it again: "
        f"tinyclap index FOLDER --out {shell_path(folder)}"
    )


class Catalogue:
    """An open database; its methods may be called by several threads.

    Args:
        path: of the file.
        new: make the file; else it must be there.

    Raises:
        TinyclapError: from any of them, where the database is damaged or busy for a minute.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        self.path, self._lock = path, threading.RLock()
        place = f"{path.absolute().as_uri()}?mode={'rwc' if new else 'rw'}"
        try:
            self._db = sqlite3.connect(place, timeout=BUSY_S, isolation_level=None, check_same_thread=False, uri=True)
            self._db.create_function("is_own_name", 2, names.is_own_name, deterministic=True)
            self._opened = path.stat()
        except (sqlite3.Error, OSError) as error:
            raise TinyclapError(self._said(error)) from error

    def close(self) -> None:
        """Nothing is asked any more."""
        self._db.close()

    def is_there(self) -> bool:
        """Whether the file still lies where it was opened, rather than none or another one."""
        try:
            return os.path.samestat(self._opened, self.path.stat())
        except OSError:
            return False

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Execute one statement and return all its rows."""
        with self._lock:
            try:
                return self._db.execute(statement, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise TinyclapError(self._said(error)) from error

    def run_many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Execute one statement for each of several rows of values."""
        with self._lock:
            try:
                self._db.executemany(statement, values)
            except sqlite3.DatabaseError as error:
                raise TinyclapError(self._said(error)) from error

    def _said(self, error: Exception) -> str:
        if "locked" in str(error) or "busy" in str(error):
            return f"{self.path} is busy: another process has been writing it for a minute; try again"
        if "full" in str(error):
            return f"the disk of {self.path} is full; what was indexed before is kept: free some space and run it again"
        if "readonly" in str(error):
            return f"{self.path} may not be written; check its permissions, or copy the library"
        return f"{self.path} is damaged or cannot be used ({error}); {make_again(self.path.parent)}"

    @contextmanager
    def reading(self) -> Iterator[None]:
        """The database as it is now for all of the block: what another process writes waits for its end.

        A block within another one of this thread is part of it.
        """
        with self._lock, ExitStack() as stack:
            if not self._db.in_transaction:
                stack.enter_context(self._between("BEGIN"))
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or, after an error or a kill, nothing of it."""
        with self._lock, self._between("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def _between(self, begin: str) -> Iterator[None]:
        self.run(begin)
        try:
            yield
            self.run("COMMIT")
        finally:
            if self._db.in_transaction:  # after an error, unless SQLite has rolled it back already
                self.run("ROLLBACK")

    def make_tables(self) -> None:
        """The empty tables of a new library; without names where this SQLite has no full-text search."""
        for statement in SCHEMA.split(";\n"):
            if statement.strip():
                self.run(statement)
        try:
            self._db.execute(names.TABLE)
        except sqlite3.OperationalError:  # compiled without FTS5
            self.run(names.PLAIN_TABLE)

    def version(self) -> int:
        """Changes when another process has written something."""
        return int(self.run("PRAGMA data_version")[0][0])

    def stamp(self) -> tuple[int, int]:
        """Changes when any process has written something, this one included."""
        return self.version(), self._db.total_changes

    def meta(self, key: str, absent: Any = None) -> Any:
        """A value that was kept under a key."""
        found = self.run("SELECT value FROM meta WHERE key = ?", (key,))
        return found[0][0] if found else absent

    def set_meta(self, key: str, value: Any) -> None:
        """Keep a value under a key."""
        self.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def n_rows(self) -> int:
        """Rows of the vectors that are valid, dead ones included."""
        return int(self.run("SELECT coalesce(max(row) + 1, 0) FROM rows")[0][0])

    def n_files(self) -> int:
        """Files with rows that are valid."""
        return int(self.run("SELECT count(*) FROM files WHERE NOT gone AND reason IS NULL")[0][0])

    def dead_rows(self) -> np.ndarray:
        """Rows of files that are gone or have changed, int64."""
        return self.numbers("SELECT row FROM rows WHERE dead ORDER BY row")

    def numbers(self, statement: str, values: Sequence[Any] = ()) -> np.ndarray:
        """The first column of an answer, int64."""
        return np.array([row[0] for row in self.run(statement, values)], np.int64)

    def file_at(self, path: Path) -> FileRecord | None:
        """What is known of a file."""
        found = self.run(f"{RECORD} WHERE path = ?", (key_of(path),))
        return FileRecord(*found[0]) if found else None

    def files(self) -> Iterator[FileRecord]:
        """Every file, a thousand at a time, in the order of their numbers."""
        last = -1
        while found := self.run(f"{RECORD} WHERE id > ? ORDER BY id LIMIT 1000", (last,)):
            yield from (FileRecord(*row) for row in found)
            last = found[-1][0]

    def rows(self, rows: Sequence[int] | np.ndarray) -> dict[int, RowRecord]:
        """Rows and their files, by number."""
        found: dict[int, RowRecord] = {}
        for first in range(0, len(rows), AT_ONCE):
            some = [int(row) for row in rows[first : first + AT_ONCE]]
            marks = ",".join("?" * len(some))
            found |= {row[0]: RowRecord(*row) for row in self.run(f"{ROW} WHERE row IN ({marks})", some)}
        return found

    def live_rows(self) -> list[RowRecord]:
        """All rows that are not dead, in their order."""
        return [RowRecord(*row) for row in self.run(f"{ROW} WHERE NOT dead ORDER BY row")]

    def tags(self, files: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Tags of files, best first, by the file's number."""
        found: dict[int, tuple[str, ...]] = {}
        wanted = sorted(set(files))
        for first in range(0, len(wanted), AT_ONCE):
            some = wanted[first : first + AT_ONCE]
            marks = ",".join("?" * len(some))
            for file, tag in self.run(f"SELECT file, tag FROM tags WHERE file IN ({marks}) ORDER BY -score, tag", some):
                found[file] = (*found.get(file, ()), tag)
        return found

    def put_file(self, path: Path, name: str, **columns: Any) -> int:
        """Note a file, new or known, and return its number; it is not gone."""
        values = {"name": name, "gone": 0, "reason": None, **columns}
        assignments = ", ".join(f"{column} = excluded.{column}" for column in values)
        marks = ", ".join("?" * (len(values) + 1))
        self.run(
            f"INSERT INTO files (path, {', '.join(values)}) VALUES ({marks}) "
            f"ON CONFLICT (path) DO UPDATE SET {assignments}",
            (key_of(path), *values.values()),
        )
        number = int(self.run("SELECT id FROM files WHERE path = ?", (key_of(path),))[0][0])
        names.put(self, number, name)
        return number

    def forget(self, path: Path) -> None:
        """The file that lay here is another one now, or none."""
        for (number,) in self.run("SELECT id FROM files WHERE path = ?", (key_of(path),)):
            self.run("UPDATE rows SET dead = ? WHERE file = ?", (SUPERSEDED, number))
            for table, column in (("files", "id"), ("tags", "file"), ("names", "rowid")):
                self.run(f"DELETE FROM {table} WHERE {column} = ?", (number,))
