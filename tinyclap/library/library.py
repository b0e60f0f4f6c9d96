"""A library of sounds: an index on disk that is kept up to date with its files and answers what is asked of it."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.checks import is_count
from tinyclap.common.crew.team import ALONE, Team
from tinyclap.errors import TinyclapError
from tinyclap.library import bits, identity, locks, rebuilt, search, tagging
from tinyclap.library.answers import Hit, Update
from tinyclap.library.catalogue import Catalogue
from tinyclap.library.contents import How
from tinyclap.library.copies import duplicates
from tinyclap.library.copies.duplicates import Duplicates
from tinyclap.library.facts import CATALOGUE, data_folder, make_library, new_facts, read_facts
from tinyclap.library.names import named
from tinyclap.library.query import checked, query_vector
from tinyclap.library.reader import Reader
from tinyclap.library.rebuilt import remember_roots
from tinyclap.library.update import Updater, sounds_of
from tinyclap.library.where import conditions
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.sounds import Sound


class Library:
    """An open library; `Library.create` or `Library.open` makes one. Its methods may be called by several threads.

    Attributes:
        folder: where it lies.
        data: the folder of its database and vectors, itself or one in it.
        codes: how its vectors are stored, one of float32, float16, int8 and binary.
        windows: whether a row is a window of a file rather than the whole of it.
        hop_s: from one window to the next, seconds; None for a window.
        dim: dimensions of its vectors.
        catalogue: its database.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], bundle: Bundle | None) -> None:
        self.folder, self._facts, self._bundle = folder, facts, bundle
        self.codes, self.windows = str(facts["codes"]), bool(facts["windows"])
        self.data = data_folder(folder, facts)
        self.catalogue = Catalogue(self.data / CATALOGUE)
        self.hop_s, self.dim = facts["hop_s"], int(facts["made_by"]["embed_dim"])
        self._reader = Reader(self.data, self.catalogue, self.codes, self.dim, self.windows)
        self._lock = threading.Lock()

    @classmethod
    def create(
        cls,
        folder: str | os.PathLike[str],
        bundle: Bundle | str | os.PathLike[str],
        codes: str = "float16",
        windows: bool = False,
        hop_s: float | None = None,
    ) -> "Library":
        """Make an empty library.

        Args:
            folder: that is new, or empty.
            bundle: that embeds what is added and asked: a loaded one, its folder, or a ready-made one's name.
            codes: float32, float16, int8 or binary.
            windows: a row for every window of a file, so that answers say where in it.
            hop_s: from one window to the next, seconds; None for a window.

        Raises:
            TinyclapError: a folder that is taken, codes that are not known, or a bundle that cannot be loaded.
        """
        loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
        facts = new_facts(loaded, codes, windows, hop_s)
        make_library(Path(folder), facts)
        return cls(Path(folder), facts, loaded)

    @classmethod
    def open(cls, folder: str | os.PathLike[str], bundle: Bundle | str | os.PathLike[str] | None = None) -> "Library":
        """Open a library that is there.

        Args:
            folder: of the library.
            bundle: a loaded one, its folder, or a ready-made one's name; None for the one that made it, which is only
                loaded where it is needed.

        Raises:
            TinyclapError: no library, one of a newer tinyclap, a damaged one, or a bundle of another space.
        """
        folder = Path(folder)
        facts = read_facts(folder)
        loaded = bundle if isinstance(bundle, Bundle) or bundle is None else Bundle.load(bundle)
        if loaded is not None:
            identity.refuse_other(folder, facts["made_by"], loaded)
        return cls(folder, facts, loaded)

    def close(self) -> None:
        """Nothing is asked any more."""
        self.catalogue.close()

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        state = self._reader.state()
        return state.vectors.n_rows - len(state.dead)

    @property
    def bundle(self) -> Bundle:
        """The bundle that embeds what is added and asked; loaded when first asked for."""
        with self._lock:
            if self._bundle is None:
                found = identity.load(self.folder, str(self._facts["bundle"]["place"]), self._facts["made_by"])
                identity.refuse_other(self.folder, self._facts["made_by"], found)
                self._bundle = found
            return self._bundle

    def add(
        self,
        paths: Iterable[str | os.PathLike[str]],
        workers: int | None = None,
        progress: bool = True,
        *,
        wait: bool = True,
        team: Team = ALONE,
    ) -> Update:
        """Bring the library up to date with files and folders of files.

        New files are embedded, changed ones (size or time, then content) again; moved ones are known by their content.
        Those that are gone from the folders are left out of answers until they are back.

        Args:
            paths: files, and folders at any depth.
            workers: threads that decode and embed; None for one a core, 8 at most.
            progress: show it on stderr.
            wait: for another process that is writing; False refuses.
            team: processes or a cluster that embed in place of threads (`common.crew`).

        Raises:
            TinyclapError: no such file or folder, one without any sound (a drive may not be there), a library in use.
        """
        if workers is not None and not is_count(workers):
            raise TinyclapError(f"workers is {workers}: it must be 1 or more")
        with self.alone(wait=wait):
            return self.add_alone([Path(path) for path in paths], team._replace(threads=workers), progress=progress)

    def add_alone(
        self, roots: Sequence[Path], team: Team, *, progress: bool = True, files: Sequence[Path] | None = None
    ) -> Update:
        """As `add`, within `alone`; `files` are those of the roots where they have been listed already."""
        if files is None:
            files = sounds_of(self.catalogue, roots)
        how = How(self.bundle, self.codes, self.windows, self.hop_s)
        remember_roots(self.catalogue, roots)  # now, so that what is interrupted goes on
        lost = rebuilt.give_up_lost(self.catalogue, self._reader.vectors())
        if lost:
            roots = list(dict.fromkeys([*roots, *rebuilt.lost_places(self.catalogue, lost)]))
            files = sounds_of(self.catalogue, roots)
        update = Updater(self.catalogue, self._reader.state().vectors, how).run(roots, files, team, visible=progress)
        update.lost = len(lost)
        self._keep_up()
        return update

    def compact(self) -> int:
        """Take what is gone or was replaced off the disk, which numbers the rows anew; returns how many."""
        with self.alone():
            state = self._reader.state()
            left_out = rebuilt.compact(self.catalogue, state.vectors, state.dead)
            self._keep_up()
            rebuilt.sweep(self.folder, self.data, self.catalogue)
            return left_out

    def relocate(self, old: str | os.PathLike[str], new: str | os.PathLike[str]) -> int:
        """What lay below the folder `old` lies below `new`; returns the number of files. Raises TinyclapError."""
        with self.alone():
            return rebuilt.relocate(self.catalogue, Path(old), Path(new))

    def forget(self, folder: str | os.PathLike[str]) -> int:
        """Leave a folder or a file out from now on, there or not; returns the number of files. Raises TinyclapError."""
        with self.alone():
            return rebuilt.forget(self.catalogue, Path(folder))

    def duplicates(
        self, threshold: float | None = None, workers: int | None = None, progress: bool = True
    ) -> Duplicates:
        """Groups of files that are one recording, read again from the disk; see `duplicates.duplicates`."""
        least = duplicates.THRESHOLD if threshold is None else threshold
        return duplicates.duplicates(self, least, Team(threads=workers).threads_here, progress=progress)

    def tag(
        self,
        labels: Sequence[str] | None = None,
        top: int = 3,
        threshold: float | None = None,
        where: str | Sequence[str] | None = None,
        *,
        add: bool = False,
        sidecars: bool = False,
    ) -> list[tagging.Tagged]:
        """Tag files with the labels that fit, and return each file; its tags before are replaced.

        Args:
            labels: in words; None for those of the bundle's table.
            top: tags of a file, at most.
            threshold: share of other sounds that must fit less well (`runtime.judge`), by default 0.95; where the
                bundle has no background sounds, each file gets its best label.
            where: the files, as for `find`; None for all.
            add: keep the tags of before.
            sidecars: also write the tags beside each sound that is there.

        Raises:
            TinyclapError: as `Bundle.judge` does; a file of a sidecar's name that `tag` has not written.
        """
        allowed, judge = conditions(where), tagging.judge_of(self.bundle, labels, top, threshold)
        with self.alone():
            return tagging.tag(self, judge, top, allowed, add=add, sidecars=sidecars)

    def recall(self, queries: int = 30) -> float | None:
        """Share of the ten nearest of some rows that a question finds; None where all rows are compared anyway."""
        state, asking = self._reader.state(), self.numbers()
        if state.bits is None or not len(asking):
            return None
        return search.recall(state.vectors, asking[:: -(-len(asking) // queries)], state.dead, state.bits)

    def find(
        self,
        text: str | Sequence[str] | None = None,
        n: int = 20,
        like: Sound | Iterable[Sound] | None = None,
        without: str | Sequence[str] | None = None,
        where: str | Sequence[str] | None = None,
        *,
        by: str = "both",
        all_windows: bool = False,
        exact: bool = False,
        sample_rate: float | None = None,
    ) -> list[Hit]:
        """The sounds that fit best, best first.

        With `by` "both" a text also finds files whose names have all of its words; the two orders are fused by
        reciprocal rank (`query.fused`); the score is nan without words for it. By sound it is `query.query_vector`;
        by names alone words may go on, "sword" in swordman. Conditions alone list what fulfils them, by name.

        Args:
            text: one or several.
            n: how many; all there are for more.
            like: a sound or several (see `Bundle.embed`).
            without: one text or several that are not wanted.
            where: conditions such as "duration<3" or "tag=kick" that must all hold (`where.filtered`).
            by: "both", "sound" or "name".
            all_windows: of a file the best window only, unless this is set.
            exact: compare with every row rather than with those that the bits find first.
            sample_rate: of `like` where it is an array, Hz.

        Raises:
            TinyclapError: nothing asked, a bundle without words, a condition that is none, or a sound not usable.
        """
        allowed, (wanted, unwanted, is_nothing) = conditions(where), checked(text, like, without, n, by)
        if is_nothing and allowed is not None:
            return self._reader.fulfilling(allowed, n, each=all_windows)
        names = " ".join(wanted) if by != "sound" and like is None else ""
        query, bundle = None, None if by == "name" else self.bundle
        try:
            if bundle is not None:
                query = query_vector(bundle, text, like, without, sample_rate)
        except TinyclapError:  # without words for it, what the name finds is the answer
            if not names or unwanted or not named(self.catalogue, names, 1, begun=True):
                raise
        return self._reader.find(query, names, n, allowed, exact=exact, each=all_windows)

    def similar(self, row: int, n: int = 20, where: str | Sequence[str] | None = None) -> list[Hit]:
        """The sounds most like one of the library, by its row, itself left out.

        Raises:
            TinyclapError: no such row, or it is of a file that is gone or has changed.
        """
        return self._reader.similar(row, n, conditions(where))

    def state_key(self) -> tuple[int, int]:
        """Version, another once another process has written, and generation, another once rows are numbered anew."""
        return self.catalogue.version(), int(self.catalogue.meta("generation", 0))

    def rows(self, rows: Sequence[int] | np.ndarray | None = None) -> list[Hit]:
        """Every row in its order, or some by their numbers; with a score of nan."""
        return self._reader.listed(rows)

    def numbers(self) -> np.ndarray:
        """The numbers of all rows, int64 (N,), in their order: what `rows` would list, at once for a million."""
        return self._reader.numbers()

    def embeddings(self, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Unit-norm float32 (N, D) of some rows, by default of all in the order of `rows()`."""
        return self._reader.embeddings(None if rows is None else np.asarray(rows, np.int64))

    def path(self, row: int) -> Path:
        """The file of a row; raises as `similar` does."""
        return Path(self._reader.record(row).path)

    @contextmanager
    def alone(self, *, wait: bool = True) -> Iterator[None]:
        """No other process writes the library within the block; errors as for `add`."""
        with locks.alone(self.folder, wait=wait):
            if self.data != data_folder(self.folder, read_facts(self.folder)) or not self.catalogue.is_there():
                raise TinyclapError(f"library {self.folder} was made anew by another process; do it again")
            rebuilt.sweep(self.folder, self.data, self.catalogue)
            yield

    def _keep_up(self) -> None:
        """Bits for what this process has written."""
        state = self._reader.state()
        bits.keep_up(self.data, self.catalogue, state.vectors, state.dead)
