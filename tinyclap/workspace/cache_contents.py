"""What lies in the cache: entries of each kind, their sizes and when they were last used.

Only what tinyclap puts there is looked at, by its name; whatever else lies in the folder is not counted or removed.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyclap.common.files import cache_root
from tinyclap.runtime.published_weights import (
    AUDIOSET_ONTOLOGY,
    ORT_WEB,
    PUBLISHED,
    WORDNET,
)
from tinyclap.runtime.ready_made import READY_MADE, place

BUNDLES, WEIGHTS = "bundles", "weights"
KINDS: Mapping[str, str] = {
    "embeddings": "teachers' embeddings of views, clips and texts; banks of captions",
    "audio": "decoded sound",
    "shards": "where each sound lies in a shard, and what is said of it",
    "logmels": "students' log-mel spectrograms of views",
    WEIGHTS: "downloads: published weights, tokenizers, word lists and what pages of sound run on",
    BUNDLES: "ready-made bundles",
}
# A hash of what the content depends on; with a dot, of one that was never finished (see `common.files`).
_COMPUTED = re.compile(r"[0-9a-f]{32}|\.[0-9a-f]{32}-.+")


@dataclass(frozen=True)
class Entry:
    """One thing in the cache.

    Attributes:
        kind: one of KINDS.
        path: its file or folder.
        size_bytes: of its files.
        last_used: seconds since the epoch.
    """

    kind: str
    path: Path
    size_bytes: int
    last_used: float


def entries(kinds: Sequence[str] = tuple(KINDS)) -> list[Entry]:
    """What there is of these kinds."""
    return [_entry(kind, path) for kind in kinds for path in _paths(kind)]


def _paths(kind: str) -> Iterator[Path]:
    if kind == BUNDLES:
        candidates = [place(name) for name in READY_MADE]
    elif kind == WEIGHTS:
        files = [*(tagger.weights for tagger in PUBLISHED.values()), AUDIOSET_ONTOLOGY, ORT_WEB, WORDNET]
        candidates = [path for file in files for path in (file.place, file.part, file.unpacked)]
    else:
        folder = cache_root() / kind
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        candidates = [path for path in found if _COMPUTED.fullmatch(path.name) and path.is_dir()]
    yield from (path for path in candidates if path.exists() and not path.is_symlink())


def _entry(kind: str, path: Path) -> Entry:
    statuses = list(map(_status, [path, *path.rglob("*")]))
    files = [status for status in statuses if status and stat.S_ISREG(status.st_mode)]
    # The folder is touched where it is used; a file's own times tell of what is only read, where the disk keeps them.
    folder = statuses[0]
    used = [folder.st_mtime if folder else 0.0, *(time for file in files for time in (file.st_mtime, file.st_atime))]
    return Entry(kind, path, sum(file.st_size for file in files), max(used))


def _status(path: Path) -> os.stat_result | None:
    """None for what another process has just removed."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
