"""Checks of configured values and of objects read from JSON; each complaint names the place and what is allowed."""

import dataclasses
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tinyclap.errors import TinyclapError


class NotAllowedError(TinyclapError, ValueError):
    """Configured values that are not allowed; the message is about the first.

    Args:
        place: what they belong to.
        faults: field, its value and what is allowed, of each.
    """

    def __init__(self, place: str, faults: Sequence[tuple[str, object, str]]) -> None:
        self.faults = tuple(faults)
        name, value, allowed = self.faults[0]
        super().__init__(f"{place}: {name} = {value!r} is not allowed; it must be {allowed}")


def require(config: object, place: str, name: str, holds: bool, allowed: str) -> None:
    """Unless the condition holds, raise a NotAllowedError for the field of this name."""
    if not holds:
        raise NotAllowedError(place, [(name, getattr(config, name), allowed)])


def plain(value: Any) -> Any:
    """A single number of numpy's or torch's as Python's; anything else as it is."""
    single = getattr(value, "ndim", None) == 0 and hasattr(value, "item")
    return value.item() if single else value


def is_number(value: object) -> bool:
    """Whether a configured value is a finite number (True and False are none)."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max  # type: ignore[arg-type]


def is_count(value: object, at_least: int = 1) -> bool:
    """Whether a configured value is a whole number, `at_least` or above."""
    return type(value) is int and value >= at_least


LATER = {"later": True}
"""Metadata of a dataclass field that files of earlier versions lack; its default is what they meant."""


def arguments(values: object, kind: type, place: str) -> dict[str, Any]:
    """The keyword arguments of a dataclass as read from JSON.

    Raises:
        TinyclapError: unknown keys, or missing ones but for those of `LATER`.
    """
    fields = dataclasses.fields(kind)
    later = [entry.name for entry in fields if entry.metadata.get("later")]
    return exact_keys(values, [entry.name for entry in fields], place, later)


def exact_keys(values: object, known: Collection[str], place: str, optional: Collection[str] = ()) -> dict[str, Any]:
    """An object read from JSON, which must have exactly the known keys but for optional ones.

    Raises:
        TinyclapError: it is no object, or has unknown keys or lacks some.
    """
    if not isinstance(values, Mapping):
        raise TinyclapError(f"{place} is {values!r}, expected an object with the keys {', '.join(sorted(known))}")
    found = {"unknown": sorted(set(values) - set(known)), "missing": sorted(set(known) - set(optional) - set(values))}
    problems = [f"{what} {', '.join(names)}" for what, names in found.items() if names]
    if problems:
        raise TinyclapError(f"keys of {place}: {'; '.join(problems)}; another version of tinyclap wrote them")
    return dict(values)
