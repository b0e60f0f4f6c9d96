"""Where every buffer lies in the one arena: those that are never alive at the same time share their bytes.

Sizes are laid out greedily, the largest first, each at the lowest place where it overlaps none that lives while it does
(the plan of TensorFlow Lite Micro, and of Pisarchyk and Lee, arXiv 2001.03288, "greedy by size").
"""

from collections.abc import Iterable
from dataclasses import dataclass

ALIGNMENT = 16
FOREVER = (-1, 10**9)


@dataclass(frozen=True)
class Buffer:
    """Bytes under a name that are in use from one step to another, both included."""

    name: str
    size_bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """Where each buffer begins, by its name, and how many bytes there are."""

    places: dict[str, int]
    size_bytes: int


def planned(buffers: Iterable[Buffer]) -> Plan:
    """A place for every buffer."""
    placed: list[tuple[int, int, Buffer]] = []
    for buffer in sorted(buffers, key=lambda one: (-one.size_bytes, one.first, one.name)):
        size = -(-buffer.size_bytes // ALIGNMENT) * ALIGNMENT
        start = 0
        for begin, end, other in placed:
            if other.first <= buffer.last and buffer.first <= other.last:
                if begin - start >= size:
                    break
                start = max(start, end)
        placed.append((start, start + size, buffer))
        placed.sort(key=lambda entry: entry[0])
    return Plan(
        {buffer.name: start for start, _, buffer in placed},
        max((end for _, end, _ in placed), default=0),
    )
