"""Sound files that workers read: what one finds in a file, and what if a machine does not have it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tinyclap.audio.checks import AudioError
from tinyclap.audio.files import no_file
from tinyclap.common.crew.crew import Crew
from tinyclap.errors import TinyclapError


class Unusable(NamedTuple):
    """Why nothing came of a file; no reason where the worker's machine does not have it."""

    reason: str | None


def found_in(path: Path, work: Callable[[], Any]) -> Any:
    """In a worker: what `work` finds in a file, or why it is unusable."""
    try:
        return work() if path.is_file() else Unusable(None)
    except AudioError as error:
        return Unusable(error.reason)


def found_by(crew: Crew, item: Any, path: Path) -> Any:
    """What a worker finds in a file of which `item` tells.

    Raises:
        AudioError: the file is unusable.
        TinyclapError: it is here and not where the worker runs; also as `Crew` does.
    """
    found = crew(item)
    if not isinstance(found, Unusable):
        return found
    if found.reason is None and path.is_file():
        raise TinyclapError(
            f"{path} is here, and a worker does not have it: all nodes of a cluster read the sounds themselves; put "
            "them on a disk that they share under the same path"
        )
    raise AudioError(str(path), found.reason or no_file(path))
