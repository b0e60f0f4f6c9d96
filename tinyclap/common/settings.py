"""Settings: frozen dataclasses whose annotations say what each field may hold, checked whenever one is made.

An annotation is a type, a Literal, a tuple or a union of them, with bounds of `annotated_types`: `Annotated[float,
Gt(0), Le(10)]`. Recipes are checked against the same annotations, so that a setting is declared once.
"""

import dataclasses
import functools
import json
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MinLen

from tinyclap.common.checks import NotAllowedError, is_number
from tinyclap.common.files import PATH_RULE, can_name_file

Text = Annotated[str, MinLen(1)]
"""Text that is not empty."""


@dataclasses.dataclass(frozen=True)
class NamesFile:
    """A bound: text that can be a path."""


PathText = Annotated[str, MinLen(1), NamesFile()]
"""A path, or a name that is none."""

Conflicts = Iterator[tuple[str, str]]
"""Fields whose values are fine alone but not together: (name, what is allowed)."""

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", NoneType: "null"}


class Settings:
    """Base of frozen dataclasses that hold settings.

    Raises:
        NotAllowedError: naming the first bad field, its value and what is allowed.
    """

    place: ClassVar[str] = "settings"
    """What the fields belong to, for messages."""

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, hint in _hints(kind).items():
            value = getattr(self, name)
            if isinstance(value, list):  # YAML and JSON bring lists
                value = tuple(value)
                object.__setattr__(self, name, value)
            if not fits(hint, value):
                raise NotAllowedError(self.place, [(name, value, allowed(hint))])
        conflicts = [(name, getattr(self, name), rule) for name, rule in self.conflicts()]
        if conflicts:
            raise NotAllowedError(self.place, conflicts)

    def conflicts(self) -> Conflicts:
        """What is wrong although every field is right by itself."""
        return iter(())


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def fits(hint: Any, value: Any) -> bool:
    """Whether a value is what an annotation says."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return fits(parts[0], value) and all(_holds(bound, value) for bound in parts[1:])
    if origin in (Union, UnionType):
        return any(fits(part, value) for part in parts)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in parts)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        inner = [parts[0]] * len(value) if parts[-1] is Ellipsis else parts
        return len(value) == len(inner) and all(map(fits, inner, value))
    if hint is float:
        return is_number(value)
    if hint in _KINDS:
        return type(value) is hint
    return isinstance(value, hint)


def _holds(bound: Any, value: Any) -> bool:
    match bound:
        case Gt():
            return bool(value > bound.gt)
        case Ge():
            return bool(value >= bound.ge)
        case Lt():
            return bool(value < bound.lt)
        case Le():
            return bool(value <= bound.le)
        case MinLen():
            return len(value) >= bound.min_length
        case NamesFile():
            return can_name_file(value)
    raise TypeError(f"{bound!r}: no bound that settings know")


def allowed(hint: Any) -> str:
    """An annotation in words: "a whole number >= 1", '"mean" or "mels"'."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        signs = {Gt: "> {gt}", Ge: ">= {ge}", Lt: "< {lt}", Le: "<= {le}", MinLen: "of {min_length} or more"}
        signs[NamesFile] = f"that can be {PATH_RULE}"
        bounds = [signs[type(bound)].format(**dataclasses.asdict(bound)) for bound in parts[1:]]
        return f"{allowed(parts[0])} {' and '.join(bounds)}"
    if origin in (Union, UnionType):
        return " or ".join(map(allowed, parts))
    if origin is Literal:
        *rest, last = [json.dumps(choice) for choice in parts]
        return f"{', '.join(rest)} or {last}" if rest else last
    if origin is tuple:
        count = "values" if parts[-1] is Ellipsis else f"{len(parts)} values"
        return f"a list of {count}, each {allowed(parts[0])}"
    return _KINDS.get(hint, getattr(hint, "__name__", str(hint)))
