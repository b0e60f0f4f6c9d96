"""YAML files of a fixed schema: all faults at once, each with file, line, what was given and what is allowed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from tinyclap.common.files import refuse_pointer
from tinyclap.errors import TinyclapError
from tinyclap.strict_yaml import messages, source

Model = TypeVar("Model")


class ProblemsError(TinyclapError):
    """A file that cannot be used; `problems` holds one line for each fault in it, `what` says what file it is."""

    def __init__(self, problems: Sequence[str], what: str = "recipe") -> None:
        self.problems = tuple(problems)
        heading = [f"{len(problems)} {what} errors"] if len(problems) > 1 else []
        super().__init__("\n".join([*heading, *problems]))


def load_strict(path: Path, adapter: TypeAdapter[Model], what: str) -> Model:
    """Read and check a file that takes no overrides; raises ProblemsError. `what` it is, for messages."""
    return check(read(path, f"the {what} is empty"), adapter, what)


def read(path: Path, if_empty: str) -> source.Source:
    """Read a file, with overrides still to come; ProblemsError where it is unreadable or, saying so, empty."""
    written = source.read_yaml(read_text(path), str(path))
    if written.values is None and not written.problems:
        raise ProblemsError([f"{path}: {if_empty}"])
    return written


def check(written: source.Source, adapter: TypeAdapter[Model], what: str, example: str = "") -> Model:
    """The model that was written; ProblemsError with every fault of text and values."""
    problems = list(written.problems)
    if written.values is not None and not isinstance(written.values, dict):
        hint = f", for example {example}" if example else ""
        problems.append((written.place(()), f"a {what} is a mapping of keys to values{hint}"))
    elif written.values is not None:
        try:
            # JSON mode is strict about types and still takes lists for tuples and mappings for dataclasses.
            model = adapter.validate_json(json.dumps(written.values))
        except ValidationError as error:
            found = messages.explain(error, written.values, adapter.json_schema())
            problems += [(written.place(path), f"{source.dotted(path)}: {message}") for path, message in found]
    if problems:
        problems.sort(key=lambda problem: problem[0])
        raise ProblemsError([f"{place}: {message}" for place, message in problems], what)
    return model


def read_text(path: Path) -> str:
    """A text file; ProblemsError where it cannot be read."""
    try:
        refuse_pointer(path)
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProblemsError([f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8"]) from error
    except OSError as error:
        raise ProblemsError([f"{path}: cannot be read: {error.strerror}"]) from error
