"""Validation errors in a user's words: what was given, what is allowed, and the key that was probably meant.

What is allowed is read from the JSON schema of the recipe models, so that it cannot differ from what is checked.
"""

import difflib
import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from tinyclap.common.checks import NotAllowedError
from tinyclap.strict_yaml.source import KeyPath

Schema = dict[str, Any]

_KINDS = {"boolean": "true or false", "null": "null", "string": "text", "object": "a section with keys of its own"}
_BOUNDS = (("exclusiveMinimum", ">"), ("minimum", ">="), ("exclusiveMaximum", "<"), ("maximum", "<="))


def explain(error: ValidationError, values: Any, schema: Schema) -> Iterator[tuple[KeyPath, str]]:
    """The path and the wording of every error in `values`, given the JSON schema they were validated against."""
    for details in error.errors(include_url=False):
        path = _path(details["loc"], values, schema, absent=details["type"] == "missing")
        given, context = details["input"], details.get("ctx", {})
        here = _schema_at(schema, values, path)
        match details["type"]:
            case "conflicts":
                for key, message in context["found"]:
                    yield (*path, *_key_path(key)), message
            case "value_error" if isinstance(context["error"], NotAllowedError):
                for name, value, rule in context["error"].faults:
                    yield (*path, name), _wrong(given.get(name, value), rule, [])
            case "too_short" if len(given) >= context["min_length"]:
                pass  # pydantic does not count entries that are wrong themselves; those are reported
            case "extra_forbidden" | "unexpected_keyword_argument":
                yield path, _unknown_key(str(path[-1]), _schema_at(schema, values, path[:-1]))
            case "missing":
                yield path, f"missing, allowed: {allowed(here, schema)}"
            case "union_tag_not_found":
                yield (*path, _tag_key(here)), f"missing, allowed: {_choices(_tags(here))}"
            case "union_tag_invalid":
                yield (*path, _tag_key(here)), _wrong(context["tag"], _choices(_tags(here)), _tags(here))
            case "rule":
                yield path, _wrong(given, context["allowed"], [])
            case _:
                yield path, _wrong(given, allowed(here, schema), here.get("enum", []))


def _wrong(given: Any, allowed: str, choices: list[Any]) -> str:
    text = json.dumps(given, ensure_ascii=False, default=str)
    short = text if len(text) <= 60 else text[:57] + "..."
    return f"got {short}, allowed: {allowed}" + _meant(given, choices)


def _unknown_key(key: str, section: Schema) -> str:
    known = sorted(section.get("properties", {}), key=lambda name: name not in ("task", "kind"))
    return f"unknown key{_meant(key, known)}, allowed here: {', '.join(known)}"


def _meant(given: Any, known: list[Any]) -> str:
    close = difflib.get_close_matches(str(given), [str(name) for name in known], n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _path(location: tuple[str | int, ...], values: Any, schema: Schema, absent: bool) -> KeyPath:
    """The error's path in the recipe: pydantic's location without the names of the union members it passed.

    Such a name may be a key too: `kind: labels` has `labels`. Of a section it comes before its keys.
    """
    path: list[str | int] = []
    here, is_passed = schema, False
    for part in location:
        if not is_passed and part in _tags_among(here, schema):
            is_passed = True
        elif _holds(values, part):
            here, values, is_passed = _inside(_narrow(here, schema, values), part), values[part], False
            path.append(part)
    return (*path, location[-1]) if absent else tuple(path)


def _key_path(key: str) -> Iterator[str | int]:
    yield from (int(part) if part.isdecimal() else part for part in key.split(".") if part)


def _schema_at(schema: Schema, values: Any, path: KeyPath) -> Schema:
    """The part of the JSON schema that describes the value at `path`."""
    here = _narrow(schema, schema, values)
    for part in path:
        values = values[part] if _holds(values, part) else None
        here = _narrow(_inside(here, part), schema, values)
    return here


def _inside(here: Schema, part: str | int) -> Schema:
    """The schema of a section's key or of a list's entry."""
    if isinstance(part, int):
        prefix = here.get("prefixItems", [])
        inner: Schema = prefix[part] if part < len(prefix) else here.get("items", {})
        return inner
    found: Schema = here.get("properties", {}).get(part, {})
    return found


def _holds(values: Any, part: str | int) -> bool:
    if isinstance(values, dict):
        return part in values
    return isinstance(values, list) and isinstance(part, int) and part < len(values)


def _narrow(here: Schema, root: Schema, value: Any) -> Schema:
    """Follow references, and of several alternatives the one that `value` was meant to be."""
    while True:
        if "$ref" in here:
            here = root["$defs"][here["$ref"].rsplit("/", 1)[1]]
            continue
        chosen = _alternative(here, root, value)
        if chosen is None:
            return here
        here = chosen


def _alternative(here: Schema, root: Schema, value: Any) -> Schema | None:
    if "discriminator" in here:
        tag = value.get(_tag_key(here)) if isinstance(value, dict) else None
        reference = here["discriminator"]["mapping"].get(tag) if isinstance(tag, str) else None
        return {"$ref": reference} if reference else None
    if not isinstance(value, list | dict):
        return None
    wanted = "array" if isinstance(value, list) else "object"
    fitting = [member for member in _members(here) if member is not here and _kind(member, root) == wanted]
    return fitting[0] if fitting else None


def _members(here: Schema) -> list[Schema]:
    """The alternatives of a union, those of unions within it included."""
    inner = here.get("anyOf", here.get("oneOf"))
    if inner is None or "discriminator" in here:
        return [here]
    return [leaf for member in inner for leaf in _members(member)]


def _kind(member: Schema, root: Schema) -> str:
    return "object" if "discriminator" in member else str(_narrow(member, root, None).get("type"))


def _tag_key(here: Schema) -> str:
    return str(here["discriminator"]["propertyName"])


def _tags(here: Schema) -> list[str]:
    return list(here.get("discriminator", {}).get("mapping", {}))


def _tags_among(here: Schema, root: Schema) -> set[str]:
    """The tags of a section that is one of several, or may be one of several."""
    members = _members(here)
    if len(members) > 1:
        return set().union(*(_tags_among(member, root) for member in members))
    return set(_tags(root["$defs"][here["$ref"].rsplit("/", 1)[1]] if "$ref" in here else here))


def _choices(values: list[Any]) -> str:
    *rest, last = [json.dumps(value, ensure_ascii=False) for value in values]
    return f"{', '.join(rest)} or {last}" if rest else last


def allowed(here: Schema, root: Schema) -> str:
    """A schema in words: "a whole number >= 1", '"mean" or "mels"', "a list of text or null"."""
    if "$ref" in here:
        here = _narrow(here, root, None)
    if "enum" in here or "const" in here:
        return _choices(here.get("enum", [here.get("const")]))
    if "discriminator" in here:
        return f"a section with {_tag_key(here)}: {_choices(_tags(here))}"
    members = _members(here)
    if len(members) > 1:
        return " or ".join(allowed(member, root) for member in members)
    kind = here.get("type", "")
    if kind in ("integer", "number"):
        bounds = " and ".join(f"{sign} {here[name]}" for name, sign in _BOUNDS if name in here)
        return f"{'a whole number' if kind == 'integer' else 'a number'} {bounds}".rstrip()
    if kind == "array":
        items = here.get("prefixItems", [here.get("items", {})])
        count = f"{len(items)} values" if "prefixItems" in here else "one or more" if here.get("minItems") else "values"
        return f"a list of {count}, each {allowed(items[0], root)}"
    return _KINDS.get(kind, "another value")
