"""Files that sound the same: copies in other formats, at other levels and rates, or cut a little."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinyclap.common.checks import is_number
from tinyclap.common.progress import Progress
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError

if TYPE_CHECKING:
    from tinyclap.library.library import Library

THRESHOLD = 0.97
SHORTEST_SHARE = 0.8  # of a copy's length in that of the original: it may be cut, but a loop of it is another sound
BLOCK = 2048  # files compared with as many at once


@dataclass(frozen=True)
class Copy:
    """A file of a group.

    Attributes:
        path: of the file.
        cosine: with the first of the group; 1 of itself.
        identical: it holds the same bytes as the first.
        duration_s, size_bytes: of the file.
    """

    path: Path
    cosine: float
    identical: bool
    duration_s: float
    size_bytes: int


@dataclass(frozen=True)
class Files:
    """Files to be compared, each with one unit vector.

    Attributes:
        paths: of N files.
        vectors: unit-norm float32 (N, D).
        durations_s: float64 (N,).
        sizes: bytes (N,).
        hashes: of the contents.
    """

    paths: list[Path]
    vectors: np.ndarray
    durations_s: np.ndarray
    sizes: np.ndarray
    hashes: list[str]


def groups(files: Files, threshold: float = THRESHOLD, shortest_share: float = SHORTEST_SHARE) -> list[list[Copy]]:
    """Groups of two or more files that sound the same, the largest first; in each the largest file first.

    Two files are linked if their cosine is `threshold` or more and the shorter lasts `shortest_share` of the longer or
    more; a group is what links connect.

    Raises:
        TinyclapError: a threshold or a share that is not above 0 and at most 1.
    """
    for name, value in (("threshold", threshold), ("shortest_share", shortest_share)):
        if not (is_number(value) and 0 < value <= 1):
            raise TinyclapError(f"{name} is {value}: it must be above 0 and at most 1")
    parent = np.arange(len(files.paths))
    with Progress("compare", len(files.paths), "file") as counter:
        for one, other in linked(files.vectors, files.durations_s, threshold, shortest_share, counter):
            parent[_root(parent, other)] = _root(parent, one)
    members: dict[int, list[int]] = {}
    for at in range(len(parent)):
        members.setdefault(_root(parent, at), []).append(at)
    found = [_group(files, group) for group in members.values() if len(group) > 1]
    return sorted(found, key=lambda group: (-len(group), str(group[0].path)))


def linked(
    vectors: np.ndarray,
    durations_s: np.ndarray,
    threshold: float,
    shortest_share: float,
    counter: Progress | None = None,
) -> Iterator[tuple[int, int]]:
    """Pairs of rows of `vectors` (N, D) that are as near and as long as `groups` says.

    All pairs that can be that near are compared: rows are taken in the order of their projection on one direction, and
    two unit vectors of cosine c differ in no projection by more than their distance, sqrt(2 - 2 c).
    """
    if not len(vectors):
        return
    spread = _widest(vectors)
    projected = vectors @ spread
    order = np.argsort(projected, kind="stable")
    reach = float(np.sqrt(max(0.0, 2 - 2 * threshold))) + 1e-5
    ends = np.searchsorted(projected[order], projected[order] + reach, side="right")
    for first in range(0, len(order), BLOCK):
        rows = order[first : first + BLOCK]
        last = int(ends[min(len(order), first + BLOCK) - 1])
        for start in range(first, last, BLOCK):
            others = order[start : min(last, start + BLOCK)]
            near = vectors[rows] @ vectors[others].T >= threshold - 1e-6
            for one, other in np.argwhere(np.triu(near, 1) if start == first else near):
                lengths = sorted((durations_s[rows[one]], durations_s[others[other]]))
                if lengths[0] >= shortest_share * lengths[1]:
                    yield int(rows[one]), int(others[other])
        if counter:
            counter.update(len(rows))


def files_of(library: "Library") -> Files:
    """The files of a library, each with the unit mean of its windows' vectors."""
    columns = "files.id, path, duration_s, size_bytes, coalesce(hash, ''), row"
    found = library.catalogue.run(
        f"SELECT {columns} FROM rows JOIN files ON files.id = rows.file WHERE NOT dead ORDER BY files.id, row"
    )
    numbers = np.array([row[0] for row in found], np.int64)
    vectors = library.embeddings(np.array([row[5] for row in found], np.int64))
    _, first, at = np.unique(numbers, return_index=True, return_inverse=True)
    if len(first) < len(found):
        sums = np.zeros((len(first), vectors.shape[1]))
        np.add.at(sums, at, vectors)
        vectors = unit(sums).astype(np.float32)
    some = [found[row] for row in first]
    return Files(
        [Path(row[1]) for row in some],
        vectors,
        np.array([row[2] for row in some], np.float64),
        np.array([row[3] for row in some], np.int64),
        [row[4] for row in some],
    )


def _widest(vectors: np.ndarray) -> np.ndarray:
    """The direction in which a sample of the rows differs most, unit-norm float32 (D,)."""
    some = vectors[:: -(-len(vectors) // BLOCK)].astype(np.float64)
    some = some - some.mean(0)
    direction: np.ndarray = np.linalg.eigh(some.T @ some)[1][:, -1].astype(np.float32)
    return direction


def _root(parent: np.ndarray, at: int) -> int:
    """The row that stands for the group of a row."""
    while parent[at] != at:
        parent[at] = parent[parent[at]]
        at = int(parent[at])
    return at


def _group(files: Files, members: list[int]) -> list[Copy]:
    order = sorted(members, key=lambda at: (-files.sizes[at], str(files.paths[at])))
    first = order[0]
    return [
        Copy(
            files.paths[at],
            float(files.vectors[first] @ files.vectors[at]) if at != first else 1.0,
            files.hashes[at] == files.hashes[first],
            float(files.durations_s[at]),
            int(files.sizes[at]),
        )
        for at in order
    ]
