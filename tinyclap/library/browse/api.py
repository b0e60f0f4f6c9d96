"""What the page asks of a library, as JSON: its name, its map, sounds by words, sounds like another."""

import math
import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tinyclap.errors import MachineError, TinyclapError
from tinyclap.library.browse.neighbour_map import NeighbourMap, neighbour_map
from tinyclap.library.browse.projection import Projection, principal_plane, sampled

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinyclap.library.answers import Hit
    from tinyclap.library.library import Library

Layout = Projection | NeighbourMap
MapKind = Literal["neighbours", "pca"]

MOST_POINTS = 20_000
MOST_LANDMARKS = 3_000  # whose map is made; the other points are placed by them
MOST_HITS = 200
MOST_CHARACTERS = 1000
MOST_GROUPS = 8  # colours that can be told apart
OTHERS = "others"
STOPPED = "the server is being stopped"


class Shown:
    """The sounds of the map.

    Attributes:
        hits: them, in the order of their rows.
        embeddings: float32 (N, D).
        root: the folder that they have in common.
        of: how many there are in all.
        group_names: the folders below it, the one with most sounds first; the smallest are put together.
    """

    def __init__(self, hits: Sequence["Hit"], embeddings: np.ndarray, of: int) -> None:
        self.hits, self.embeddings, self.of = hits, embeddings, of
        self.root = _common_folder({hit.path.parent for hit in hits})
        counts = Counter(self._top_folder(hit.path) for hit in hits)
        self.group_names = [name for name, _ in counts.most_common(MOST_GROUPS)]
        if len(counts) > MOST_GROUPS:
            self.group_names[-1] = OTHERS

    def name(self, path: Path) -> str:
        """A path below the root, or the whole of it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def group(self, path: Path) -> int:
        """Which of the groups a file belongs to."""
        name = self._top_folder(path)
        return self.group_names.index(name) if name in self.group_names else max(0, len(self.group_names) - 1)

    def _top_folder(self, path: Path) -> str:
        folder = path.parent
        below = folder.relative_to(self.root).parts if folder.is_relative_to(self.root) else folder.parts
        return below[0] if below else self.root.name


class LibraryApi:
    """Answers about an open library. Its methods, but for `map`, are called by one thread, see `OneThread`.

    Args:
        library: an open one.
        kind: of the map: "neighbours" or "pca".
        most_points: on the map; of more rows as many are drawn at random.
    """

    def __init__(self, library: "Library", kind: MapKind = "neighbours", most_points: int = MOST_POINTS) -> None:
        self._library, self._kind, self._most_points = library, kind, most_points
        self._shown: Shown | None = None
        self._layout: Layout | None = None
        self._drawing = threading.Lock()

    def about(self) -> dict[str, Any]:
        """What the library is; `fault` says why words cannot be looked for, though the rest works."""
        library, name, fault = self._library, None, None
        try:
            name = library.bundle.manifest.name
        except TinyclapError as error:
            fault = str(error)
        return {
            "name": library.folder.resolve().name,
            "folder": str(library.folder),
            "rows": len(library),
            "windows": library.windows,
            "bundle": name,
            "fault": fault,
        }

    def shown(self) -> "Shown":
        """What the map shows; drawn anew where the library has grown or shrunk."""
        if self._shown is None or self._shown.of != len(self._library):
            hits = self._drawn()
            self._shown = Shown(hits, self._library.embeddings([hit.row for hit in hits]), len(self._library))
            self._layout = None
        return self._shown

    def map(self, shown: "Shown") -> dict[str, Any]:
        """The points of the map: row, place and group of each, and the groups' names, the largest first.

        Called by any thread, since it takes a while the first time: words are found meanwhile.
        """
        hits, places, explained = shown.hits, np.empty((0, 2), np.float32), [0.0, 0.0]
        if hits:
            with self._drawing:
                if self._layout is None:
                    self._layout = self._draw(shown.embeddings)
            places = self._layout(shown.embeddings)
        if isinstance(self._layout, Projection):
            explained = [round(float(share), 4) for share in self._layout.explained]
        return {
            "kind": self._kind,
            "rows": [hit.row for hit in hits],
            "names": [shown.name(hit.path) for hit in hits],
            "starts": [_number(hit.start_s) for hit in hits],
            "groups": [shown.group(hit.path) for hit in hits],
            "group_names": shown.group_names,
            "x": [round(float(place), 4) for place in places[:, 0]],
            "y": [round(float(place), 4) for place in places[:, 1]],
            "explained": explained,
            "of": shown.of,
        }

    def find(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Sounds by words: `text`, `without` (may be empty) and `n`."""
        _refuse_others(asked, {"text", "without", "n"})
        text, without = _words(asked, "text"), _words(asked, "without")
        if not text:
            raise TinyclapError("nothing to look for: write some words")
        return self._hits(self._library.find(text, n=_count(asked), without=without or None))

    def similar(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Sounds like that of `row`, and `n`; the sound itself stands apart."""
        _refuse_others(asked, {"row", "n"})
        row = asked.get("row")
        if not isinstance(row, int) or isinstance(row, bool):
            raise TinyclapError("row must be a whole number")
        hits = self._library.similar(row, n=_count(asked))
        return {**self._hits(hits), "to": self.shown().name(self.path(row))}

    def some(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """`n` sounds drawn at random, others each time."""
        _refuse_others(asked, {"n"})
        shown, count = self.shown(), _count(asked)
        places = sampled(len(shown.hits), count, int.from_bytes(os.urandom(8)))
        return self._hits([shown.hits[int(place)] for place in places])

    def path(self, row: int) -> Path:
        """The file of a row. Raises TinyclapError if there is no such row."""
        return self._library.path(row)

    def _hits(self, hits: Sequence["Hit"]) -> dict[str, Any]:
        places: list[Any] = [None] * len(hits)
        if hits and self._layout is not None:
            places = list(self._layout(self._library.embeddings([hit.row for hit in hits])))
        return {"hits": [self._entry(hit, place) for hit, place in zip(hits, places, strict=True)]}

    def _entry(self, hit: "Hit", place: np.ndarray | None) -> dict[str, Any]:
        shown = self.shown()
        return {
            "row": hit.row,
            "name": hit.path.name,
            "folder": os.path.dirname(shown.name(hit.path)),
            "score": _number(hit.score),
            "start_s": _number(hit.start_s),
            "end_s": _number(hit.end_s),
            "duration_s": _number(hit.duration_s),
            "sample_rate": hit.sample_rate,
            "tags": list(hit.tags),
            "by": hit.by,
            "group": shown.group(hit.path),
            "x": None if place is None else round(float(place[0]), 4),
            "y": None if place is None else round(float(place[1]), 4),
        }

    def _drawn(self) -> list["Hit"]:
        numbers = self._library.numbers()
        return self._library.rows(numbers[sampled(len(numbers), self._most_points)])

    def _draw(self, embeddings: np.ndarray) -> Layout:
        plane = principal_plane(embeddings)
        if self._kind == "pca":
            return plane
        some = embeddings[sampled(len(embeddings), MOST_LANDMARKS)]
        return neighbour_map(some, plane(some))


class OneThread:
    """Calls one after the other, in one thread: a library's sqlite connection belongs to the thread that opened it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="library")

    def call(self, function: "Callable[..., Any]", *arguments: Any) -> Any:
        """What the function returns or raises there. Raises MachineError once it is closed."""
        try:
            return self._pool.submit(function, *arguments).result()
        except CancelledError as error:
            raise MachineError(STOPPED) from error
        except RuntimeError as error:
            if "after shutdown" not in str(error):
                raise
            raise MachineError(STOPPED) from error

    def close(self) -> None:
        """What waits is not begun any more."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _common_folder(folders: set[Path]) -> Path:
    try:
        return Path(os.path.commonpath(folders)) if folders else Path()
    except ValueError:  # on several drives
        return Path()


def _refuse_others(asked: Mapping[str, Any], known: set[str]) -> None:
    if set(asked) - known:
        raise TinyclapError(f"unknown keys; allowed: {', '.join(sorted(known))}")


def _words(asked: Mapping[str, Any], name: str) -> str:
    text = asked.get(name, "")
    if not isinstance(text, str):
        raise TinyclapError(f"{name} must be text")
    if len(text) > MOST_CHARACTERS:
        raise TinyclapError(f"{len(text)} characters to look for; {MOST_CHARACTERS} at most")
    return " ".join(text.split())


def _count(asked: Mapping[str, Any]) -> int:
    count = asked.get("n", 20)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_HITS:
        raise TinyclapError(f"n must be a whole number from 1 to {MOST_HITS}")
    return count


def _number(value: float | None) -> float | None:
    """What JSON can say: no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
