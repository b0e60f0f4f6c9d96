"""Recipe text to plain values, each with the place it was written at: YAML lines and `key.sub=value` overrides.

Scalars follow YAML 1.2's core schema, because YAML 1.1 reads `precision: no` as false and `lr: 3e-4` as text.
Nothing but mappings, lists, text, numbers, true/false and null exists here; tags, anchors and aliases are errors.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_OVERRIDE_LINE = sys.maxsize  # overrides are reported after the file's own lines


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own protocol

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            problem = "anchors (&) and aliases (*) are not allowed in recipes; put such text in quotes"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Quotes whatever `_Loader` would not read back as text."""


_NO_TEXT = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_FLOAT = r"[-+]?(?:\.\d+|\d+\.\d*)(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9]\d{0,17})", list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), _first)
    _Dumper.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), _first)


@dataclass(frozen=True, order=True)
class Place:
    """Where a value was written; sorts by line."""

    line: int
    name: str = field(compare=False)

    def __str__(self) -> str:
        return self.name


@dataclass
class Source:
    """A recipe's plain values, the place of each, and what is wrong with the text itself."""

    name: str
    values: Any = None
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[tuple[Place, str]] = field(default_factory=list)

    def place(self, path: KeyPath) -> Place:
        """Where the value at `path` was written, or the nearest section around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(1, f"{self.name}:1"))


def read_yaml(text: str, name: str) -> Source:
    """Parse a recipe. Errors that leave nothing to go on (bad YAML) are its only problem, with line and column."""
    source = Source(name)
    try:
        node = _compose(text)
        if node is not None:
            source.values = _plain(node, (), source)
    except (yaml.YAMLError, RecursionError) as error:
        source.problems = [_syntax_problem(error, name, text)]
        source.values = None
    return source


def override(source: Source, text: str) -> None:
    """Apply one `key.sub=value`: the value is YAML, a number names a list's entry, absent sections are created."""
    place = Place(_OVERRIDE_LINE, f"override '{text}'")
    key, equals, value_text = text.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        source.problems.append((place, "not an override; write key.sub=value, for example training.epochs=20"))
        return
    written = Source(str(place))
    try:
        node = _compose(value_text)
        value = None if node is None else _plain(node, (), written)
    except (yaml.YAMLError, RecursionError) as error:
        source.problems.append(
            (place, f"{_syntax_problem(error, '', value_text)[1]}; put the value in quotes if it is text")
        )
        return
    source.problems += [(place, message) for _, message in written.problems]
    _store(source, path, value, place)


def dump_yaml(values: Any) -> str:
    """YAML text that `read_yaml` (and any YAML 1.1 reader) turns back into the same plain values."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _plain(node: yaml.Node, path: KeyPath, source: Source) -> Any:
    """The node's value; notes the place of every entry and every duplicate key on the way."""
    source.places.setdefault(path, _place(node, source))
    if node.tag not in {_TAG + kind for kind in ("map", "seq", "str", "null", "bool", "int", "float")}:
        raise yaml.MarkedYAMLError(problem=f"tag {node.tag} is not allowed in recipes", problem_mark=node.start_mark)
    if isinstance(node, yaml.MappingNode):
        return dict(_entries(node, path, source))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, index), source) for index, item in enumerate(node.value)]
    try:
        value = yaml.constructor.SafeConstructor().construct_object(node)
    except (ValueError, IndexError, KeyError) as error:  # an explicit tag on text that is no such thing: !!int x
        kind = node.tag.removeprefix(_TAG)
        problem = f"{node.value!r} is no {kind}; leave out the tag !!{kind}, or put text into quotes"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error
    return _text(value, _place(node, source), dotted(path), source) if isinstance(value, str) else value


def _text(text: str, place: Place, what: str, source: Source) -> str:
    """The text without what no text holds, such as NUL or half of a surrogate pair; that is noted."""
    if _NO_TEXT.search(text):
        source.problems.append((place, f"{what}: got a control character or half of a character, allowed: text"))
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)


def _entries(node: yaml.MappingNode, path: KeyPath, source: Source) -> Iterator[tuple[str, Any]]:
    first_lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        place = _place(key_node, source)
        if not isinstance(key_node, yaml.ScalarNode):
            source.problems.append((place, f"{dotted(path) or 'the recipe'}: a key must be plain text"))
            continue
        key = _text(key_node.value, place, dotted(path) or "the recipe", source)
        if key in first_lines:
            source.problems.append((place, f"{dotted((*path, key))}: given twice, first on line {first_lines[key]}"))
            continue
        first_lines[key] = place.line
        source.places[(*path, key)] = place
        yield key, _plain(value_node, (*path, key), source)


def _store(source: Source, path: list[str], value: Any, place: Place) -> None:
    """Put `value` at `path`, creating absent sections, or note why it cannot be put there."""
    at: Any = source.values
    done: KeyPath = ()
    for part in path[:-1]:
        key, problem = _key(at, part, done)
        if problem:
            source.problems.append((place, problem))
            return
        done = (*done, key)
        if isinstance(at, dict) and at.get(part) is None:
            at[part] = {}
            source.places[done] = place
        at = at[key]
    key, problem = _key(at, path[-1], done)
    if problem:
        source.problems.append((place, problem))
        return
    at[key] = value
    done = (*done, key)
    source.places = {known: where for known, where in source.places.items() if known[: len(done)] != done}
    source.places[done] = place


def _key(at: Any, part: str, done: KeyPath) -> tuple[str | int, str | None]:
    """The key that `part` means in `at`, and what is wrong with it."""
    if isinstance(at, dict):
        return part, None
    if not isinstance(at, list):
        return part, f"{dotted(done) or 'the recipe'} is a single value and has no '{part}'"
    if part.isdecimal() and int(part) < len(at):
        return int(part), None
    return part, f"{dotted(done)} is a list of {len(at)} with entries counted from 0, and has no '{part}'"


def dotted(path: KeyPath) -> str:
    """("data", "train", 0) as "data.train.0"; on one line, whatever the keys are."""
    return ".".join(part if (part := str(key)).isprintable() else json.dumps(part) for key in path)


def _place(node: yaml.Node, source: Source) -> Place:
    line = node.start_mark.line + 1
    return Place(line, f"{source.name}:{line}")


def _syntax_problem(error: Exception, name: str, text: str) -> tuple[Place, str]:
    if isinstance(error, RecursionError):
        return Place(1, f"{name}:1"), "nested too deeply"
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Place(line, f"{name}:{line}"), f"not YAML: {text[error.position]!r} is no character of a text"
    mark = getattr(error, "problem_mark", None)
    parts = [getattr(error, "context", None), getattr(error, "problem", None)]
    problem = ": ".join(part for part in parts if part) or str(error)
    if "'\\t'" in problem:
        problem = "a tab; indent with spaces"
    if mark is None:
        return Place(1, f"{name}:1"), f"not YAML: {problem}"
    return Place(mark.line + 1, f"{name}:{mark.line + 1}:{mark.column + 1}"), f"not YAML: {problem}"
