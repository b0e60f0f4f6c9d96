"""What the page asks of a library, as JSON: its name, its map, sounds by words, sounds like another."""

import math
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from tinyclap.errors import MachineError, TinyclapError
from tinyclap.library.browse.neighbour_map import NeighbourMap, neighbour_map
from tinyclap.library.browse.projection import Projection, principal_plane, sampled
from tinyclap.library.browse.shown import Shown

if TYPE_CHECKING:
    from tinyclap.library.answers import Hit
    from tinyclap.library.library import Library

Answer = TypeVar("Answer")
MapKind = Literal["neighbours", "pca"]

MOST_POINTS = 20_000
MOST_LANDMARKS = 3_000  # whose map is made; the other points are placed by them
MOST_HITS = 200
MOST_CHARACTERS = 1000
ID = re.compile(r"([0-9]{1,12})-([0-9]{1,12})")  # Shown.id
STOPPED = "the server is being stopped"
OLD_ID = (
    "the library has numbered its sounds anew (tinyclap index --compact) since this page asked for them; reload the "
    "page and search again"
)


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

    def shown(self) -> Shown:
        """What the map shows; read anew where the library has changed, with the layout of before for the same rows."""
        former = self._shown
        if former is not None and former.key == self._library.state_key():
            return former
        shown = self._shown = self._settled(self._read)
        if former is not None and shown.has_rows_of(former):
            shown.layout = former.layout
        return shown

    def map(self, shown: Shown) -> dict[str, Any]:
        """The points of the map: id, place and group of each, and the groups' names, the largest first.

        Called by any thread, since it takes a while the first time: words are found meanwhile.
        """
        hits, places, explained = shown.hits, np.empty((0, 2), np.float32), [0.0, 0.0]
        if hits:
            with self._drawing:
                if shown.layout is None:
                    shown.layout = self._draw(shown.embeddings)
            places = shown.layout(shown.embeddings)
        if isinstance(shown.layout, Projection):
            explained = [round(float(share), 4) for share in shown.layout.explained]
        return {
            "kind": self._kind,
            "ids": [shown.id(hit.row) for hit in hits],
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
        count = _count(asked)
        return self._settled(lambda: self._hits(self._library.find(text, n=count, without=without or None)))

    def similar(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Sounds like that of `id`, and `n`; the sound itself stands apart."""
        _refuse_others(asked, {"id", "n"})
        count = _count(asked)

        def answer(row: int) -> dict[str, Any]:
            hits = self._library.similar(row, n=count)
            return {**self._hits(hits), "to": self.shown().name(self._library.path(row))}

        return self._of_row(asked.get("id"), answer)

    def some(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """`n` sounds drawn at random, others each time."""
        _refuse_others(asked, {"n"})
        count = _count(asked)

        def answer() -> dict[str, Any]:
            hits = self.shown().hits
            places = sampled(len(hits), count, int.from_bytes(os.urandom(8)))
            return self._hits([hits[int(place)] for place in places])

        return self._settled(answer)

    def path(self, name: str) -> Path:
        """The file of an id. Raises TinyclapError if there is no such row, or it has another number now."""
        return self._of_row(name, self._library.path)

    def _of_row(self, name: object, question: Callable[[int], Answer]) -> Answer:
        """What is answered about the row of an id, unless the number is of another generation."""
        found = ID.fullmatch(name) if isinstance(name, str) else None
        if found is None:
            raise TinyclapError("id must be GENERATION-ROW, such as 0-17")
        generation, row = int(found[1]), int(found[2])

        def answer() -> Answer:
            if self._library.state_key()[1] != generation:
                raise TinyclapError(OLD_ID)
            return question(row)

        return self._settled(answer)

    def _settled(self, question: Callable[[], Answer]) -> Answer:
        """The answer; asked again where the rows were numbered anew meanwhile, so that its rows are of one state."""
        while True:
            generation = self._library.state_key()[1]
            try:
                answer = question()
            except TinyclapError:
                if self._library.state_key()[1] == generation:
                    raise
            else:
                if self._library.state_key()[1] == generation:
                    return answer

    def _hits(self, hits: Sequence["Hit"]) -> dict[str, Any]:
        shown, places = self.shown(), [None] * len(hits)
        if hits and shown.layout is not None:
            places = list(shown.layout(self._library.embeddings([hit.row for hit in hits])))
        return {"hits": [_entry(shown, hit, place) for hit, place in zip(hits, places, strict=True)]}

    def _read(self) -> Shown:
        library, key = self._library, self._library.state_key()
        numbers = library.numbers()
        hits = library.rows(numbers[sampled(len(numbers), self._most_points)])
        return Shown(key, hits, library.embeddings([hit.row for hit in hits]), len(numbers))

    def _draw(self, embeddings: np.ndarray) -> Projection | NeighbourMap:
        plane = principal_plane(embeddings)
        if self._kind == "pca":
            return plane
        some = embeddings[sampled(len(embeddings), MOST_LANDMARKS)]
        return neighbour_map(some, plane(some))


class OneThread:
    """Calls one after the other, in one thread: a library's sqlite connection belongs to the thread that opened it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="library")

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
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


def _entry(shown: Shown, hit: "Hit", place: np.ndarray | None) -> dict[str, Any]:
    return {
        "id": shown.id(hit.row),
        "name": hit.path.name,
        "folder": os.path.dirname(shown.name(hit.path)),
        "score": None if hit.by == "name" else _number(hit.score),
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
