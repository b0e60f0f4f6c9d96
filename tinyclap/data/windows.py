"""What is known of decoded windows: numbers in memory, names on the disk, so that millions need little of it."""

import os
import weakref
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from tinyclap.common.files import parse_json


@dataclass(frozen=True, slots=True)
class Window:
    """One decoded stretch of a clip. Level and duration are those of the file itself, whatever the decoding rate."""

    name: str
    clip: int
    duration_s: float
    rms: float
    peak: float
    offset: int
    length: int
    scale: float


NUMBERS = {field.name: "q" if field.type is int else "d" for field in fields(Window) if field.name != "name"}


class Windows:
    """Windows by number, 64 bytes each.

    Args:
        path: a line of JSON for each.

    Attributes:
        clips: which clip of the data set each is of.
        durations_s: of each, seconds.
        n_samples: of all.

    Raises:
        OSError, ValueError, KeyError, TypeError: the file is not there or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._numbers = {name: array(kind) for name, kind in NUMBERS.items()}
        self._ends = array("q")
        end = 0
        with path.open("rb") as lines:
            for line in lines:
                window = Window(**parse_json(line))
                for name, column in self._numbers.items():
                    column.append(getattr(window, name))
                self._ends.append(end := end + len(line))
        self.clips, self.durations_s = self._numbers["clip"], self._numbers["duration_s"]
        self.n_samples = sum(self._numbers["length"])
        self._path, self._file = path, path.open("rb", buffering=0)
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Window:
        at = range(len(self))[index]
        begin = self._ends[at - 1] if at else 0
        name: str = parse_json(os.pread(self._file.fileno(), self._ends[at] - begin, begin))["name"]
        return Window(name, **{key: column[at] for key, column in self._numbers.items()})

    def __iter__(self) -> Iterator[Window]:
        with self._path.open("rb") as lines:
            for line in lines:
                yield Window(**parse_json(line))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Windows) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
