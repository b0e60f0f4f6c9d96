"""How far long work is, on stderr: a bar in a terminal, and a plain line now and then in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Self, TypeVar

from tqdm import tqdm

from tinyclap.common.numbers import duration, file_size, whole

PLAIN_EVERY_S = 10.0
T = TypeVar("T")


class Progress:
    """Counts the units of one kind of work; a context manager.

    Args:
        what: the work, e.g. "distil".
        total: units of it; None where nobody knows.
        unit: of one, e.g. "clip"; "B" for bytes.
        done: units that were finished before.
        visible: False where another process tells of the same work.
    """

    def __init__(self, what: str, total: int | None, unit: str, *, done: int = 0, visible: bool = True) -> None:
        self._what, self._total, self._unit, self._done, self._visible = what, total, unit, done, visible
        self._began = self._printed_at = time.monotonic()
        self._figures = ""
        self._printed: tuple[int, str] | None = None  # what the last plain line told
        self._bar = None
        if visible and sys.stderr is not None and sys.stderr.isatty():
            self._bar = tqdm(desc=what, total=total, initial=done, unit=unit, unit_scale=unit == "B")

    def update(self, count: int = 1, figures: str = "") -> None:
        """`count` more units are done; `figures` tell how it goes, e.g. "loss 0.12"."""
        self._done += count
        self._figures = figures or self._figures
        if self._bar is not None:
            self._bar.update(count)
            if figures:
                self._bar.set_postfix_str(figures)
        elif self._visible and time.monotonic() - self._printed_at >= PLAIN_EVERY_S:
            self._print()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        elif self._bar is not None:
            self._bar.close()

    def close(self) -> None:
        """The work is over."""
        if self._bar is not None:
            self._bar.close()
        elif self._printed not in (None, (self._done, self._figures)):  # what was told of is told to be over, once
            self._print()

    def _print(self) -> None:
        self._printed_at, self._printed = time.monotonic(), (self._done, self._figures)
        write, unit = (file_size, "") if self._unit == "B" else (whole, f" {self._unit}s")
        counted = write(self._done) if self._total is None else f"{write(self._done)} of {write(self._total)}"
        parts = [
            f"{counted}{unit}",
            duration(self._printed_at - self._began),
            *([self._figures] if self._figures else []),
        ]
        print(f"{self._what}: {', '.join(parts)}", file=sys.stderr, flush=True)


def counted(items: Iterable[T], what: str, total: int | None, unit: str) -> Iterator[T]:
    """The items, each counted when the next one is asked for."""
    with Progress(what, total, unit) as counter:
        for item in items:
            yield item
            counter.update()


def silent(_: str) -> None:
    """Told what happens, says nothing."""
