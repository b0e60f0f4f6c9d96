"""Sizes, counts and times as people write them: "2 MB", "512 KiB", "50M", "20 ms"."""

import re

from tinyclap.errors import TinyclapError

BYTES = {
    **{"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9},
    **{"KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
}
COUNTS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9}
MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def parse_bytes(text: str) -> int:
    """Bytes: "2 MB" is 2,000,000, "512 KiB" 524,288. TinyclapError for anything else."""
    return round(_parse(text, BYTES, "a size such as 512 KiB or 2 MB"))


def parse_count(text: str) -> int:
    """A count: "50M" is 50,000,000. TinyclapError for anything else."""
    return round(_parse(text, COUNTS, "a count such as 50M or 80k"))


def parse_ms(text: str) -> float:
    """Milliseconds: "20 ms", "0.5 s", "300 us". TinyclapError for anything else."""
    return _parse(text, MILLISECONDS, "a time such as 20 ms or 0.5 s")


def _parse(text: str, units: dict[str, float] | dict[str, int], expected: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([A-Za-z]*)\s*", text)
    if not found or found[2] not in units:
        raise TinyclapError(f"{text!r} is not {expected}")
    return float(found[1]) * units[found[2]]
