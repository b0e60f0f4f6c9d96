"""Files that are one recording: copies in other formats, at other levels and rates, or cut a little.

Embeddings do not tell them: to a small student two takes of a word are the same, and a resampled copy is another sound
(benchmarks/library/duplicates). So the files are read again, and their fingerprints compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinyclap.audio.checks import AudioError
from tinyclap.common.checks import is_number
from tinyclap.common.groups import connected
from tinyclap.common.parallel import prepared_ahead
from tinyclap.common.progress import Progress, counted
from tinyclap.errors import GateError, TinyclapError, listed
from tinyclap.library.copies import fingerprint

if TYPE_CHECKING:
    from tinyclap.library.library import Library

THRESHOLD = 0.96  # chosen on 300 real files and their copies, by benchmarks/library/duplicates --skip 0
SHORTEST_SHARE = 0.85  # of a copy's length in that of the original: it may be cut, but a loop of it is another sound
ALIKE = 0.9  # cosine of two sketches from which on two files are compared closely
BLOCK = 1024  # files whose sketches are compared with as many at once
READ_AGAIN = 128  # files kept in memory while they are compared closely, up to 1 MB each

Links = dict[tuple[int, int], float]  # pairs of files, the lower place first, and how similar they are


@dataclass(frozen=True)
class Copy:
    """A file of a group.

    Attributes:
        path: of the file.
        similarity: to the first of the group (`fingerprint.similarity`); 1 of itself.
        identical: it holds the same bytes as the first.
        duration_s, size_bytes: of the file.
    """

    path: Path
    similarity: float
    identical: bool
    duration_s: float
    size_bytes: int


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        groups: of two or more files each, the largest group first; in each the largest file first.
        compared: files that could be read.
        left_out: files that could not be read any more, and why.
    """

    groups: list[list[Copy]]
    compared: int
    left_out: list[tuple[Path, str]]


def duplicates(
    library: "Library", threshold: float = THRESHOLD, workers: int = 1, *, progress: bool = True
) -> Duplicates:
    """Groups of files that are one recording; what links files connects them.

    Two files are linked if they hold the same bytes, or if their similarity is `threshold` or more and the shorter
    lasts SHORTEST_SHARE of the longer or more. Of long files the first two minutes are compared.

    Raises:
        TinyclapError: a threshold that is not above 0 and at most 1, or a library none of whose files can be read.
    """
    if not (is_number(threshold) and 0 < threshold <= 1):
        raise TinyclapError(f"threshold is {threshold}: it must be above 0 and at most 1")
    found = library.catalogue.run(
        "SELECT path, duration_s, size_bytes, hash FROM files WHERE NOT gone AND reason IS NULL ORDER BY id"
    )
    paths = [Path(row[0]) for row in found]
    kept, sketches, left_out = sketched(paths, workers, progress=progress)
    if paths and not kept:
        raise GateError(
            f"none of {len(paths)} files can be read: {listed([f'{path}: {why}' for path, why in left_out])}"
        )
    files, durations_s = [found[at] for at in kept], np.array([found[at][1] for at in kept])
    with Progress("compare", len(files), "file", visible=progress) as counter:
        links = dict(linked([paths[at] for at in kept], sketches, durations_s, threshold, counter))
    links |= same_bytes([row[3] for row in files])
    groups = [_group(files, members, links) for members in connected(len(files), links) if len(members) > 1]
    groups.sort(key=lambda group: (-len(group), str(group[0].path)))
    return Duplicates(groups, len(files), left_out)


def same_bytes(hashes: Sequence[str | None]) -> Links:
    """Links from the first file of each content to the others: the fingerprint of the shortest says nothing of them."""
    first: dict[str, int] = {}
    pairs = ((first.setdefault(content, at), at) for at, content in enumerate(hashes) if content is not None)
    return {pair: 1.0 for pair in pairs if pair[0] != pair[1]}


def sketched(
    paths: Sequence[Path], workers: int, *, progress: bool
) -> tuple[list[int], np.ndarray, list[tuple[Path, str]]]:
    """Which files can be read, by their places in the list, their sketches (N, ways, D), and the others and why."""

    def one(path: Path) -> np.ndarray | str:
        try:
            return fingerprint.sketches(fingerprint.powers(path))
        except AudioError as error:
            return error.reason

    results = prepared_ahead(one, paths, workers)
    shown = counted(results, "read", len(paths), "file") if progress else results
    kept, left_out = list[int](), []
    sketches = np.empty((len(paths), *fingerprint.SKETCHES), np.float16)  # 6 KB a file, so they are not held twice
    for at, made in enumerate(shown):
        if isinstance(made, str):
            left_out.append((paths[at], made))
        else:
            sketches[len(kept)] = made
            kept.append(at)
    return kept, sketches[: len(kept)], left_out


def linked(
    paths: Sequence[Path],
    sketches: np.ndarray,
    durations_s: np.ndarray,
    threshold: float,
    counter: Progress | None = None,
) -> Iterator[tuple[tuple[int, int], float]]:
    """Pairs of files that are as like and as long as `duplicates` says, with their similarity."""

    @lru_cache(READ_AGAIN)
    def powers(at: int) -> np.ndarray:
        return fingerprint.powers(paths[at])

    for one, other in alike(sketches, durations_s, counter):
        try:
            similarity = fingerprint.similarity(powers(one), powers(other))
        except AudioError:  # removed since
            continue
        if similarity >= threshold:
            yield (min(one, other), max(one, other)), similarity


def alike(
    sketches: np.ndarray, durations_s: np.ndarray, counter: Progress | None = None, least: float = ALIKE
) -> Iterator[tuple[int, int]]:
    """Pairs of rows whose sketches (N, ways, D) are alike and whose lengths allow it.

    The whole of each is compared with the other in every way. Rows are taken in the order of their lengths, so that
    only those are compared that last long enough.
    """
    order = np.argsort(durations_s, kind="stable")
    ends = np.searchsorted(durations_s[order] * SHORTEST_SHARE, durations_s[order] * (1 + 1e-9), side="right")
    for first in range(0, len(order), BLOCK):
        rows = order[first : first + BLOCK]
        last = int(ends[first + len(rows) - 1])
        own = sketches[rows].astype(np.float32)
        for start in range(first, last, BLOCK):
            others = order[start : min(last, start + BLOCK)]
            theirs = sketches[others].astype(np.float32)
            nearest = own[:, 0] @ theirs[:, 0].T
            for way in range(1, sketches.shape[1]):
                np.maximum(nearest, own[:, way] @ theirs[:, 0].T, out=nearest)
                np.maximum(nearest, own[:, 0] @ theirs[:, way].T, out=nearest)
            near = nearest >= least
            for one, other in np.argwhere(np.triu(near, 1) if start == first else near):
                if durations_s[rows[one]] >= SHORTEST_SHARE * durations_s[others[other]]:
                    yield int(rows[one]), int(others[other])
        if counter:
            counter.update(len(rows))


def _group(files: Sequence[tuple], members: list[int], links: Links) -> list[Copy]:
    order = sorted(members, key=lambda at: (-files[at][2], files[at][0]))
    first = order[0]
    copies = []
    for at in order:
        path, duration_s, size_bytes, content = files[at]
        same = content is not None and content == files[first][3]
        similarity = 1.0 if same or at == first else _similarity(files, (min(at, first), max(at, first)), at, links)
        copies.append(Copy(Path(path), similarity, same, duration_s, size_bytes))
    return copies


def _similarity(files: Sequence[tuple], pair: tuple[int, int], at: int, links: Links) -> float:
    """Of a pair; where others alone link it, and it cannot be read any more, that of the closest link of one of it."""
    if pair in links:
        return links[pair]
    try:
        return fingerprint.similarity(*(fingerprint.powers(Path(files[row][0])) for row in pair))
    except AudioError:
        return max(similarity for link, similarity in links.items() if at in link)
