"""Which shards a pattern means: `data-{0000..0999}.tar`, as bash and the webdataset package expand it."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tinyclap.errors import TinyclapError, listed

MOST_SHARDS = 1_000_000
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand(patterns: Sequence[str]) -> list[str]:
    """Every address that the patterns mean, in their order.

    `{0000..0999}` counts, with as many digits as its ends have; `{a,b}` lists; both may stand several times, and within
    one another. Raises TinyclapError for a brace without its other half, more than a million shards, and a shard that
    is meant twice.
    """
    addresses: list[str] = []
    for pattern in patterns:
        addresses += _expanded(pattern, pattern)
        _refuse_many(len(addresses), pattern)
    twice = [address for address, count in Counter(addresses).items() if count > 1]
    if twice:
        raise TinyclapError(f"urls: {len(twice)} shards are named twice: {listed(twice)}; name each once")
    return addresses


def is_remote(address: str) -> bool:
    """Whether an address lies elsewhere than on the disk."""
    return "://" in address


def short_names(addresses: Sequence[str]) -> list[str]:
    """What tells the shards apart: their addresses without the folders that all of them lie in."""
    folders = [address.split("/")[:-1] for address in addresses]
    shared = next(
        (n for n, names in enumerate(zip(*folders, strict=False)) if len({*names}) > 1), min(map(len, folders))
    )
    return ["/".join(address.split("/")[shared:]) for address in addresses]


def set_name(patterns: Sequence[str]) -> str:
    """A name for a set of shards: the beginning that is common to the names of its files, else that of its folder."""
    first = patterns[0].rstrip("/").split("/")
    name = re.split(r"[{.]", first[-1])[0].rstrip("-_.")
    return name or (re.sub(r"\{.*", "", first[-2]) if len(first) > 1 else "") or "shards"


def absolute(address: str) -> str:
    """The address, independent of the working folder."""
    return address if is_remote(address) else str(Path(address).expanduser().absolute())


def _expanded(text: str, pattern: str) -> list[str]:
    """What a part of a pattern means; what stands first varies slowest."""
    begin = text.find("{")
    end = _closing(text, begin) if begin >= 0 else None
    if "}" in text[: begin if begin >= 0 else None] or (begin >= 0 and end is None):
        raise TinyclapError(f"urls: {pattern!r} has a brace without its other half; write e.g. {{0000..0999}}")
    if end is None:
        return [text]
    choices = [choice for part in _choices(text[begin + 1 : end], pattern) for choice in _expanded(part, pattern)]
    rests = _expanded(text[end + 1 :], pattern)
    _refuse_many(len(choices) * len(rests), pattern)
    return [text[:begin] + choice + rest for choice in choices for rest in rests]


def _closing(text: str, begin: int) -> int | None:
    """Where the brace that opens at `begin` closes."""
    depth = 0
    for place in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return None


def _split(inside: str) -> list[str]:
    """The entries of a list; a comma within further braces is theirs."""
    entries, depth = [""], 0
    for sign in inside:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            entries.append("")
        else:
            entries[-1] += sign
    return entries


def _choices(inside: str, pattern: str) -> list[str]:
    counted = _RANGE.fullmatch(inside)
    if counted is None:
        entries = _split(inside)
        if len(entries) == 1:
            raise TinyclapError(
                f"urls: {{{inside}}} in {pattern!r} is no range and no list; write {{0000..0999}} or {{a,b}}"
            )
        return entries
    first, last = int(counted[1]), int(counted[2])
    step = 1 if first <= last else -1
    _refuse_many(abs(last - first) + 1, pattern)
    padded = any(end.startswith("0") and len(end) > 1 for end in counted.groups())
    width = max(map(len, counted.groups())) if padded else 0
    return [f"{number:0{width}d}" for number in range(first, last + step, step)]


def _refuse_many(count: int, pattern: str) -> None:
    if count > MOST_SHARDS:
        raise TinyclapError(f"urls: {pattern!r} means more than {MOST_SHARDS:,} shards; write fewer and larger ones")
