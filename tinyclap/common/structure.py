"""What JSON holds against what it should hold: what does not fit is left out and named, and the rest is kept.

A structure is written in annotations: a `TypedDict`, whose keys may all be absent, `list[...]`, `dict[str, ...]`, and
for single values what `settings` knows. Null fits everywhere, and keys that a structure does not name hold anything.
"""

import json
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from tinyclap.common.checks import is_number
from tinyclap.common.settings import allowed, fits

_LEFT_OUT = object()


def fitting(value: Any, structure: Any, place: str = "") -> tuple[Any, list[str]]:
    """The part of a value that fits a structure, and a line for each part that does not.

    Of a list of objects the others are kept; a list of numbers or texts fits as a whole or not at all, since its places
    mean something. Text that is not UTF-8 is written with escapes.

    Args:
        value: read from JSON.
        structure: an annotation.
        place: how the value is called in those lines.

    Returns:
        What is kept (None where nothing is), and the lines.
    """
    faults: list[str] = []
    kept = _kept(value, structure, place, faults)
    return None if kept is _LEFT_OUT else kept, faults


def _kept(value: Any, structure: Any, place: str, faults: list[str]) -> Any:
    if value is None or structure is Any:
        return _readable(value)
    if is_typeddict(structure):
        return _kept_object(value, get_type_hints(structure, include_extras=True), Any, place, faults)
    origin, parts = get_origin(structure), get_args(structure)
    if origin is dict:
        return _kept_object(value, {}, parts[1], place, faults)
    if origin is list:
        return _kept_list(value, parts[0], place, faults)
    if fits(structure, tuple(value) if origin is tuple and isinstance(value, list) else value):
        return _readable(value)
    return _leave_out(value, allowed(structure), place, faults)


def _kept_object(value: Any, known: dict[str, Any], other: Any, place: str, faults: list[str]) -> Any:
    if not isinstance(value, dict):
        return _leave_out(value, "an object", place, faults)
    kept = {}
    for key, inner in value.items():
        found = _kept(inner, known.get(key, other), f"{place}.{key}" if place else key, faults)
        if found is not _LEFT_OUT:
            kept[_readable(key)] = found
    return kept


def _kept_list(value: Any, item: Any, place: str, faults: list[str]) -> Any:
    if not isinstance(value, list):
        return _leave_out(value, "a list", place, faults)
    of_objects = is_typeddict(item)
    if not of_objects and all(type(inner) is int for inner in value) and all(fits(item, inner) for inner in {*value}):
        return value  # counts by the hundred thousand, few of which differ
    kept = [_kept(inner, item, f"{place}.{row}" if place else str(row), faults) for row, inner in enumerate(value)]
    if of_objects:
        return [inner for inner in kept if isinstance(inner, dict)]
    if None in kept:
        return _leave_out(value, "a list without null", place, faults)
    return _LEFT_OUT if _LEFT_OUT in kept else kept


def _leave_out(value: Any, wanted: str, place: str, faults: list[str]) -> Any:
    given = json.dumps(value)
    short = given if len(given) <= 40 else f"{given[:37]}..."
    faults.append(f"{place or 'it'} is {short}, expected {wanted}")
    return _LEFT_OUT


def _readable(value: Any) -> Any:
    """The value with all text in it such that it can be written as UTF-8, and null for numbers that are not finite."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [_readable(inner) for inner in value]
    if isinstance(value, dict):
        return {_readable(key): _readable(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not is_number(value) else value
