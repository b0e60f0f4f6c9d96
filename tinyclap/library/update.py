"""A library brought up to date with its files: new, changed, moved and gone ones are found, the others left alone.

Vectors are written and on the disk before the database says in one transaction that they are valid; so a kill at any
moment loses the last seconds of work alone, and doubles nothing.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyclap.audio import files as audio
from tinyclap.audio.checks import AudioError
from tinyclap.audio.listing import find_sounds
from tinyclap.common.crew.team import Team
from tinyclap.common.files import as_name, as_text
from tinyclap.common.parallel import prepared_ahead
from tinyclap.common.progress import Progress
from tinyclap.embeddings import quantization
from tinyclap.errors import TinyclapError, listed
from tinyclap.library import names
from tinyclap.library.answers import Update
from tinyclap.library.catalogue import GONE, SUPERSEDED, Catalogue, FileRecord, key_of
from tinyclap.library.contents import Ask, Contents, How, Job, reading
from tinyclap.library.vectors import Vectors
from tinyclap.runtime.embed_journal import status_of

COMMIT_S, COMMIT_ROWS = 1.0, 4096  # a batch ends after this time or so many rows
SAMPLE = 2000  # files by which it is measured what the codes lose
TRIES = 3  # for a file that changes while it is read
KEEPS_CHANGING = "changes while it is read; index it again once it is finished"


class _Task(NamedTuple):
    """A file that may have to be embedded, and what is known of it."""

    path: Path
    name: str
    known: FileRecord | None


class _Made(NamedTuple):
    """What became of a file: rows and times (n, 2), the file that it was before it was moved, or why it is unusable."""

    task: _Task
    status: os.stat_result | None
    hash: str | None = None
    coded: np.ndarray | None = None
    times: tuple[tuple[float, float], ...] = ()
    info: audio.AudioInfo | None = None
    moved_from: int | None = None
    reason: str | None = None


class Updater:
    """One run of `Library.add`.

    Args:
        catalogue: of the library, held by this process alone.
        vectors: of all its rows.
        how: its vectors are made.
    """

    def __init__(self, catalogue: Catalogue, vectors: Vectors, how: How) -> None:
        self._catalogue, self._vectors, self._how = catalogue, vectors, how
        self._update = Update()
        self._missing: dict[str, list[int]] = {}  # records of files that are not where they were, by what they held
        self._taken: set[int] = set()  # of these, those that a file has claimed by its content
        self._batch: list[_Made] = []
        self._read_file: Callable[[Ask], Contents]
        self._sample: list[np.ndarray] = []
        self._began = time.monotonic()
        self.next_row = catalogue.n_rows()

    def run(self, roots: Sequence[Path], files: Sequence[Path], team: Team, *, visible: bool) -> Update:
        """Bring the library up to date with `files`, those given or found below `roots`."""
        gone = self._find_missing(roots)
        job = Job(self._how, frozenset(self._missing))
        with (
            reading(job, team) as (self._read_file, width),
            Progress("index", len(files), "file", visible=visible) as counter,
        ):
            tasks = self._tasks(roots, files, counter)
            try:
                for made in prepared_ahead(self._make, tasks, width):
                    self._take(made)
                    counter.update()
            finally:
                self._commit()  # also after Ctrl-C: what is made is kept
        missing = {number for numbers in self._missing.values() for number in numbers}
        with self._catalogue.transaction():
            for number in gone & missing:
                self._catalogue.run("UPDATE files SET gone = 1 WHERE id = ?", (number,))
                self._catalogue.run("UPDATE rows SET dead = ? WHERE file = ? AND dead = 0", (GONE, number))
                self._update.gone += 1
        if self._sample and self._how.codes != "float32":
            self._update.neighbours_kept = quantization.neighbours_kept(np.stack(self._sample), self._how.codes)
        return self._update

    def _find_missing(self, roots: Sequence[Path]) -> set[int]:
        """Note every file that is not where it was; those below the roots, which are gone unless they have moved."""
        places = [key_of(root) for root in roots]
        gone = set()
        for record in self._catalogue.files():
            if record.gone or not os.path.isfile(as_name(record.path)):
                self._missing.setdefault(_content(record), []).append(record.id)
                below = any(record.path == place or record.path.startswith(place + os.sep) for place in places)
                if below and not record.gone:
                    gone.add(record.id)
        return gone

    def _tasks(self, roots: Sequence[Path], files: Sequence[Path], counter: Progress) -> Iterator[_Task]:
        """Files that are new or not as they were."""
        for file in files:
            known, status = self._catalogue.file_at(file), status_of(file)
            same = known and status and (known.size_bytes, known.mtime_ns) == (status.st_size, status.st_mtime_ns)
            if not (known and same) or known.gone:
                yield _Task(file, _name(file, roots), known and self._own(known))
                continue
            counter.update()
            if known.reason:
                self._update.unreadable.append((file, known.reason))
            else:
                self._update.unchanged += 1

    def _make(self, task: _Task, *, anew: bool = False) -> _Made:
        """In a thread: what a file holds, and its rows unless they are there already, or with `anew` in any case."""
        made = _Made(task, None, reason=KEEPS_CHANGING)
        for _ in range(TRIES):
            status = status_of(task.path)
            try:
                made = self._read(task, status, anew)
            except AudioError as error:
                made = _Made(task, status, reason=error.reason)
            if status is None or _same(status, status_of(task.path)):
                return made
        return _Made(task, None, reason=KEEPS_CHANGING)  # without a status, so that it is tried again

    def _read(self, task: _Task, status: os.stat_result | None, anew: bool) -> _Made:
        if status is None:
            raise AudioError(str(task.path), audio.no_file(task.path))
        usable = task.known is not None and not task.known.reason
        ask = Ask(task.path, task.known.hash if task.known and usable else None, anew)
        found = self._read_file(ask)
        if found.rows is None:
            own = task.known.id if task.known and found.hash == ask.known else None
            return _Made(task, status, found.hash, moved_from=own)
        if len(self._sample) < SAMPLE:
            self._sample.append(found.rows[0])
        coded = quantization.quantize(found.rows, self._how.codes)
        return _Made(task, status, found.hash, coded, found.times, found.info)

    def _own(self, known: FileRecord) -> FileRecord | None:
        """The record of a path where a file lies now, which no other file may claim; None where one has done so."""
        there = self._missing.get(_content(known), [])
        if known.id in there:
            there.remove(known.id)
        return None if known.id in self._taken else known

    def _claimed(self, made: _Made) -> _Made:
        """With the rows that are there of a missing file of this content, which is missing no more.

        In the order of the files, so that it is the same one whoever reads fastest.
        """
        if made.hash is None or made.coded is not None or made.moved_from is not None:
            return made
        there = self._missing.get(made.hash)
        if not there:  # another file of this content has claimed them
            return self._make(made.task, anew=True)
        self._taken.add(there[-1])
        return made._replace(moved_from=there.pop())

    def _take(self, made: _Made) -> None:
        self._batch.append(self._claimed(made))
        rows = sum(len(entry.times) for entry in self._batch)
        if rows >= COMMIT_ROWS or time.monotonic() - self._began >= COMMIT_S:
            self._commit()

    def _commit(self) -> None:
        """Make what was made valid: vectors first, then the database."""
        batch, self._batch = self._batch, []
        coded = [made.coded for made in batch if made.coded is not None]
        if coded:
            self._vectors.write(self.next_row, np.concatenate(coded))
        with self._catalogue.transaction():
            for made in batch:
                self._note(made)
        self._began = time.monotonic()

    def _note(self, made: _Made) -> None:
        """One file's part of the transaction."""
        catalogue, task, status = self._catalogue, made.task, made.status
        stat = {"size_bytes": status.st_size if status else -1, "mtime_ns": status.st_mtime_ns if status else -1}
        if made.moved_from is not None:
            self._note_moved(made, stat)
            return
        if task.known is None:
            self._update.new += not made.reason
        else:
            self._update.changed += not made.reason
        if made.reason:
            self._update.unreadable.append((task.path, made.reason))
        facts = (made.info.duration_s, made.info.sample_rate, made.info.channels) if made.info else (None, None, None)
        columns = dict(zip(("duration_s", "sample_rate", "channels"), facts, strict=True))
        number = catalogue.put_file(task.path, task.name, hash=made.hash, reason=made.reason, **stat, **columns)
        catalogue.run("UPDATE rows SET dead = ? WHERE file = ?", (SUPERSEDED, number))
        if task.known is not None and task.known.hash:  # else its vectors alone were lost
            catalogue.run("DELETE FROM tags WHERE file = ?", (number,))
        rows = [(self.next_row + at, number, *span) for at, span in enumerate(made.times)]
        catalogue.run_many("INSERT INTO rows (row, file, start_s, end_s) VALUES (?, ?, ?, ?)", rows)
        self.next_row += len(rows)

    def _note_moved(self, made: _Made, stat: dict[str, int]) -> None:
        """Content that has its rows already: the file was only touched, is back, or lay elsewhere."""
        catalogue, task, number = self._catalogue, made.task, made.moved_from
        if task.known is not None and task.known.id == number:
            self._update.unchanged += 1
        else:
            self._update.moved += 1
            catalogue.forget(task.path)  # another file lay here
        columns = {"path": key_of(task.path), "name": task.name, "gone": 0, **stat}
        catalogue.run(
            f"UPDATE files SET {', '.join(f'{column} = ?' for column in columns)} WHERE id = ?",
            (*columns.values(), number),
        )
        names.put(catalogue, int(number or 0), task.name)
        catalogue.run("UPDATE rows SET dead = 0 WHERE file = ? AND dead = ?", (number, GONE))


def sounds_of(catalogue: Catalogue | None, roots: Sequence[Path]) -> list[Path]:
    """The sound files that are given or lie below folders, each once; those that a library knows may be gone.

    Raises:
        TinyclapError: no such file or folder, or one without any sound.
    """
    lost = [path for path in roots if not (path.exists() or (catalogue and catalogue.file_at(path)))]
    if lost:
        hint = "where a drive is mounted elsewhere, --relocate OLD=NEW; where it is gone for good, --forget FOLDER"
        raise TinyclapError(f"there is no {listed(lost)}; nothing was changed{'; ' + hint if catalogue else ''}")
    found: dict[str, Path] = {}
    for path in find_sounds(path for path in roots if path.exists()):
        found.setdefault(key_of(path), path)
    return list(found.values())


def _content(record: FileRecord) -> str:
    """What a file held, as one text; of one that could not be read, a text that nothing else has."""
    return record.hash or f"unread {record.id}"


def _name(file: Path, roots: Sequence[Path]) -> str:
    """A file's path from the folder that was indexed on, which it is found by."""
    for root in roots:
        if file != root and file.is_relative_to(root):
            return as_text(Path(os.path.abspath(root)).name + os.sep + str(file.relative_to(root)))
    return as_text(file.name)


def _same(before: os.stat_result, after: os.stat_result | None) -> bool:
    return after is not None and (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
