"""One process writes a library at a time; readers need no lock."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tinyclap.common.files import only_one
from tinyclap.errors import TinyclapError

LOCK = "lock"
LEFT = (LOCK, "catalogue.sqlite", "catalogue.sqlite-journal")  # by a process that was killed while it made a library
ASKED_EVERY_S = 0.3


@contextmanager
def alone(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """A library that no other process writes meanwhile; a kill frees it.

    Args:
        folder: of the library.
        wait: until the other one is done, after a line on stderr.

    Raises:
        TinyclapError: without `wait`, another process is writing.
    """
    refusal = f"another process is writing library {folder}; wait for it to end"
    with ExitStack() as stack:
        said = False
        while True:
            try:
                stack.enter_context(only_one(folder / LOCK, refusal))
                break
            except TinyclapError:
                if not wait:
                    raise
            if not said:
                print(
                    f"another process is writing library {folder}; waiting for it to end", file=sys.stderr, flush=True
                )
                said = True
            time.sleep(ASKED_EVERY_S)
        yield
