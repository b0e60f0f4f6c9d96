"""What a file holds: known by its hash, else embedded; by this process or by workers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyclap.audio import files as audio
from tinyclap.audio.checks import AudioError
from tinyclap.audio.read_by_workers import found_by, found_in
from tinyclap.common.crew.team import Team
from tinyclap.common.crew.work import Make
from tinyclap.common.files import sha256_of
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.embed_sound import timed_embeddings

WAITING = 4  # files read ahead for each worker, so that a long one keeps none of the others waiting


@dataclass(frozen=True)
class How:
    """How a library's vectors are made.

    Attributes:
        bundle: that embeds.
        codes: one of `quantization.DTYPES`.
        windows: a row for every window of a file rather than for the whole of it.
        hop_s: from one window to the next; None for a window.
    """

    bundle: Bundle
    codes: str
    windows: bool
    hop_s: float | None


class Ask(NamedTuple):
    """A file, the hash of what its path held, and whether its rows are wanted whatever it holds."""

    path: Path
    known: str | None
    anew: bool = False


class Contents(NamedTuple):
    """A file's hash; and float32 rows (n, D), their times in seconds and what it is, unless rows are there already."""

    hash: str
    rows: np.ndarray | None = None
    times: tuple[tuple[float, float], ...] = ()
    info: audio.AudioInfo | None = None


@dataclass(frozen=True)
class Job:
    """What a worker needs.

    Attributes:
        how: vectors are made.
        missing: hashes of files that are not where they were, whose rows are there.
    """

    how: How
    missing: frozenset[str]

    def __call__(self, turn: int) -> Make:
        """In the worker: what reads a file."""
        return lambda ask: found_in(ask.path, lambda: self.read(ask))

    def read(self, ask: Ask) -> Contents:
        """What a file holds.

        Raises:
            AudioError: nothing usable.
        """
        try:
            content = sha256_of(ask.path)
            if not ask.anew and (content == ask.known or content in self.missing):
                return Contents(content)
            info, how = audio.info(ask.path), self.how
            if not how.windows:
                rows = how.bundle.embed(ask.path, hop_s=how.hop_s)
                return Contents(content, rows, ((0.0, info.duration_s),), info)
            found = list(timed_embeddings(how.bundle, ask.path, hop_s=how.hop_s))
        except OSError as error:
            raise AudioError(str(ask.path), f"cannot be read: {error.strerror}") from error
        times = tuple((start, min(end, max(info.duration_s, start))) for start, end, _ in found)
        return Contents(content, np.stack([row for _, _, row in found]), times, info)


@contextmanager
def reading(job: Job, team: Team) -> Iterator[tuple[Callable[[Ask], Contents], int]]:
    """What reads a file, and by how many threads it is to be called at the same time.

    Raises:
        TinyclapError: as `Team.crew` does.
    """
    if team.is_alone:
        yield job.read, team.threads_here
        return
    with team.crew(job, lambda ask: str(ask.path)) as crew:
        yield lambda ask: found_by(crew, ask, ask.path), WAITING * crew.size
