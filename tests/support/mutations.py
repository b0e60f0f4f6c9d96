"""Seeded damage to files and to the values in them, and how much time and memory an answer to it may take.

`TINYCLAP_FUZZ=10` multiplies the seeds of every test that counts them by `seeds`. A seed always makes the same damage.
"""

import faulthandler
import json
import os
import re
import resource
import signal
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from tinyclap.errors import TinyclapError

HEADER_BYTES = 96
PATIENCE_S = 20  # of computing, for one input that takes milliseconds
SPARE_BYTES = 2**30  # beyond what the process has mapped already
STATM = Path("/proc/self/statm")
SIZES = (0, 1, 7, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
FLOATS = (float("nan"), float("inf"), -float("inf"), 1e18, -3e38, 1e-40, 9.0)
TEXTS = ("", "x", "0", "-1", "1e9", "~nobody/x.pt", "a\0b", "\ud800", "x" * 5000, "../../etc", "<b>|`\n# x", "é")
NUMBERS = (0, -1, 1, 3, 2**31, 2**33, 2**63, 10**25, 10**400, 0.5, -0.5, 1e-320, 1e18, 1e308, -1e308)
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    *TEXTS,
    *NUMBERS,
    float("nan"),
    float("inf"),
    [],
    {},
    [None],
    [[1]],
    {"a": 1},
    [0.1, 0.2],
)
DEPTHS = (40, 400, 3000)


class Stuck(BaseException):
    """An input that no answer came to in time; no `except` of the program takes it for something else."""


def seeds(count: int) -> "range":
    """So many seeds, times TINYCLAP_FUZZ."""
    return range(count * int(os.environ.get("TINYCLAP_FUZZ", "1")))


@contextmanager
def bounded() -> Iterator[None]:
    """A block that must end in time and within memory: what asks for more gets a MemoryError."""

    def stuck(_: int, frame: FrameType | None) -> None:
        raise Stuck(f"no answer after {PATIENCE_S} s of computing, in {frame}")

    limits = resource.getrlimit(resource.RLIMIT_AS)
    previous = signal.signal(signal.SIGPROF, stuck)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE_S)
    faulthandler.dump_traceback_later(15 * PATIENCE_S, exit=True)  # where a library waits or does not come back
    if STATM.exists():
        mapped = int(STATM.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + SPARE_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


@contextmanager
def refusable(*names: object) -> Iterator[None]:
    """A block that may end in a refusal, if it is bounded and its message names one of these."""
    with bounded(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what the program tells; numpy's and Python's are errors
        try:
            yield
        except TinyclapError as error:
            message = str(error)
            assert any(str(name) in message for name in names), f"{names[0]} is not named: {message}"
            if "onnxruntime" not in message:  # which says itself that a graph claims a tensor of such a size
                assert not re.search("llocat|MemoryError|Traceback|recursion depth", message), message
        except MemoryError as error:
            pytest.fail(f"asks for more memory than {SPARE_BYTES} bytes: {error}")


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """A file's content with one to three kinds of damage, most often in its first bytes."""
    for _ in range(rng.integers(1, 4)):
        content = _DAMAGE[rng.integers(len(_DAMAGE))](content, rng)
    return content


def odd(value: Any, rng: np.random.Generator) -> Any:
    """A tree of lists, dicts and plain values in which one to three places hold something else, or are gone."""
    for _ in range(rng.integers(1, 4)):
        value = _odd_at_one_place(value, rng)
    return value


def odd_value(rng: np.random.Generator) -> Any:
    """What no program would have written there."""
    if rng.random() < 0.05:
        return f"deep:{DEPTHS[rng.integers(len(DEPTHS))]}"
    return ODD[rng.integers(len(ODD))]


def as_json(value: Any) -> str:
    """JSON text of what `odd` made; also YAML."""
    return re.sub(r'"deep:(\d+)"', lambda found: "[" * int(found[1]) + "]" * int(found[1]), json.dumps(value))


def _odd_at_one_place(value: Any, rng: np.random.Generator) -> Any:
    places = list(_places(value))
    if not places:
        return odd_value(rng)
    path = places[rng.integers(len(places))]
    return _changed(value, path, rng)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every entry."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*path, key)
        yield from _places(value[key], (*path, key))


def _changed(value: Any, path: tuple[Any, ...], rng: np.random.Generator) -> Any:
    """A copy of the tree with the entry at the path replaced, removed, doubled or put under another name."""
    copy = dict(value) if isinstance(value, dict) else list(value)
    key = path[0]
    if len(path) > 1:
        copy[key] = _changed(copy[key], path[1:], rng)
        return copy
    how = rng.random()
    if how < 0.7:
        copy[key] = odd_value(rng)
    elif how < 0.85:
        del copy[key]
    elif isinstance(copy, dict):
        copy[f"key {rng.integers(9)}"] = copy.pop(key)
    else:
        copy.insert(key, copy[key])
    return copy


def _place(content: bytes, rng: np.random.Generator) -> int:
    last = min(len(content), HEADER_BYTES) if rng.random() < 0.6 else len(content)
    return int(rng.integers(max(1, last)))


def _span(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    start = _place(content, rng)
    return start, start + int(rng.integers(1, 2 + len(content) // 4))


def _put(content: bytes, place: int, what: bytes) -> bytes:
    return content[:place] + what + content[place + len(what) :]


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def _flip_bits(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.integers(1, 20) if content else 0):
        changed[_place(content, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _put_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    return _put(content, _place(content, rng), rng.bytes(int(rng.integers(1, 9))))


def _put_size(content: bytes, rng: np.random.Generator) -> bytes:
    order, size = ("<I", ">I")[rng.integers(2)], SIZES[rng.integers(len(SIZES))]
    return _put(content, _place(content, rng) // 2 * 2, struct.pack(order, size))


def _put_float(content: bytes, rng: np.random.Generator) -> bytes:
    kind = ("<f", ">f", "<d")[rng.integers(3)]
    place = int(rng.integers(len(content) // 4 + 1)) * 4
    with np.errstate(over="ignore"):
        return _put(content, place, np.array(FLOATS[rng.integers(len(FLOATS))], kind).tobytes())


def _insert(content: bytes, rng: np.random.Generator) -> bytes:
    place, count = _place(content, rng), int(rng.integers(1, 5000))
    return content[:place] + (bytes(count) if rng.random() < 0.5 else rng.bytes(count)) + content[place:]


def _remove(content: bytes, rng: np.random.Generator) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + content[end:]


def _splice(content: bytes, rng: np.random.Generator) -> bytes:
    (start, end), place = _span(content, rng), _place(content, rng)
    return content[:place] + content[start:end] + content[place:]


_DAMAGE = (_cut, _flip_bits, _put_bytes, _put_size, _put_size, _put_float, _insert, _remove, _splice)
