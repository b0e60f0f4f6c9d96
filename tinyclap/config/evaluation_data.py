"""The data that `tinyclap evaluate` is pointed at, written and checked as a recipe's data section is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tinyclap.config.data import AnyData
from tinyclap.errors import TinyclapError
from tinyclap.strict_yaml import messages, source
from tinyclap.strict_yaml.sections import Seconds, Section, Share
from tinyclap.strict_yaml.source import Place, Source

PLACES = {
    "manifest": "path",
    "shards": "urls",
    "hf_dataset": "source",
}  # what --root gives, by kind; of all others a root


class Limits(Section):
    """What an evaluation may set anew of a recipe's `data`."""

    max_bad_share: Share | None = None
    max_clip_s: Seconds | None = None


@dataclass(frozen=True)
class OtherData:
    """What the command line asks for.

    Attributes:
        spec: a data section; None for the recipe's own test data.
        limits: keys of a recipe's `data` and their values.
    """

    spec: Any = None
    limits: dict[str, float] = field(default_factory=dict)


def other_data(
    kind: str | None = None, root: str | None = None, folds: str | None = None, settings: Sequence[str] = ()
) -> OtherData:
    """The data section that --data, --root, --folds and --set KEY=VALUE describe, and the limits among the settings.

    Raises:
        TinyclapError: with everything that is wrong at once.
    """
    written = Source("--data", {})
    for key, value in {"kind": kind, PLACES.get(str(kind), "root"): root}.items():
        if value is not None:
            written.values[key] = value
            written.places[key,] = Place(0, f"{'--data' if key == 'kind' else '--root'} {value}")
    if folds is not None:
        _set(written, f"folds=[{folds}]", f"--folds {folds}")
    for setting in settings:
        _set(written, setting, f"--set {setting}")
    limits = {key: written.values.pop(key) for key in Limits.model_fields if key in written.values}
    if kind is None and (written.values or written.problems):
        raise TinyclapError(
            "--root, --folds and --set belong to other data; say of which kind with --data KIND (without it, --set "
            f"takes {' and '.join(Limits.model_fields)})"
        )
    written.places[()] = Place(0, f"--data {kind}")
    checked = _checked(TypeAdapter(Limits), limits, written)
    spec = _checked(TypeAdapter(AnyData), written.values, written) if kind is not None else None
    if written.problems:
        raise TinyclapError("\n".join(f"{place}: {message}" for place, message in written.problems))
    return OtherData(spec, checked.model_dump(exclude_none=True))


def _set(written: Source, setting: str, typed: str) -> None:
    """Apply one KEY=VALUE; what is wrong with it is said of `typed`, what the user typed."""
    if "=" not in setting:
        written.problems.append((Place(0, typed), "expected KEY=VALUE, for example --set esc10=true"))
        return
    known = len(written.problems)
    source.override(written, setting)
    place = Place(0, typed)
    written.problems[known:] = [(place, message) for _, message in written.problems[known:]]
    key = setting.partition("=")[0].strip()
    if (key,) in written.places:
        written.places[key,] = place


def _checked(adapter: TypeAdapter[Any], values: dict[str, Any], written: Source) -> Any:
    """The validated values; what is wrong with them goes to the problems."""
    try:
        return adapter.validate_json(json.dumps(values))
    except ValidationError as error:
        for path, message in messages.explain(error, values, adapter.json_schema()):
            key = source.dotted(path)
            needed = f"; give it with {_option(key)}" if message.startswith("missing") else ""
            written.problems.append((written.place(path), f"{key}: {message}{needed}"))
    return None


def _option(key: str) -> str:
    """How the command line gives a key of a data section."""
    return {"root": "--root FOLDER", "path": "--root FILE", "urls": "--root URLS", "source": "--root SOURCE"}.get(
        key, f"--set {key}=..."
    )
