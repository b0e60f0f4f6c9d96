"""What a sample of a shard says of its sound: `N.json` or `N.txt` beside it, as LAION, X-ARES and OpenCLIP write them.

| key                       |                                                             |
| text, caption, captions   | text, or a list of texts                                    |
| tag, tags                 | text, or a list of texts                                    |
| label                     | class name; several are tags                                |
| fold, split, source       | as in a manifest                                            |
| clip                      | the clip's own name; without it, the shard's and the member's |

All are optional, empty means unknown, further keys are ignored.
"""

from dataclasses import dataclass
from typing import Any

from tinyclap.common.files import parse_json

CAPTIONS = ("text", "caption", "captions")
TAGS = ("tag", "tags")


class FaultyError(ValueError):
    """What is said cannot be understood."""


@dataclass(frozen=True, slots=True)
class Described:
    """What is said of one sound."""

    name: str | None = None
    label: str | None = None
    captions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    fold: int | None = None
    split: str | None = None
    source: str | None = None


def described(json_text: bytes | None, text: bytes | None) -> Described:
    """What the JSON and the text beside a sound say of it; either may be absent. Raises FaultyError."""
    value: Any = {}
    if json_text is not None:
        try:
            value = parse_json(json_text)
        except ValueError as error:  # UnicodeDecodeError is one
            raise FaultyError(f"no JSON: {error}") from error
        if not isinstance(value, dict):
            raise FaultyError(f'an object such as {{"text": ...}} is expected, got {type(value).__name__}')
    captions = [one for key in CAPTIONS for one in _texts(value, key)]
    if text is not None:
        try:
            captions.append(" ".join(text.decode("utf-8-sig").split()))
        except UnicodeDecodeError as error:
            raise FaultyError(f"no UTF-8 text: {error.reason}") from error
    labels, tags = _texts(value, "label"), [one for key in TAGS for one in _texts(value, key)]
    fold = value.get("fold")
    return Described(
        name=_word(value.get("clip")),
        label=labels[0] if len(labels) == 1 else None,
        captions=tuple(dict.fromkeys(filter(None, captions))),
        tags=tuple(dict.fromkeys([*(labels if len(labels) > 1 else []), *tags])),
        fold=fold if isinstance(fold, int) and not isinstance(fold, bool) and fold >= 0 else None,
        split=_word(value.get("split")),
        source=_word(value.get("source")),
    )


def _texts(value: dict[str, Any], key: str) -> list[str]:
    """The texts under a key, without empty ones; a number is a fine label."""
    given = value.get(key)
    texts = given if isinstance(given, list) else [given]
    kinds = (str, int, float) if key == "label" else (str,)
    if not all(text is None or (isinstance(text, kinds) and not isinstance(text, bool)) for text in texts):
        raise FaultyError(f"{key} must be text or a list of texts, got {str(given)[:60]}")
    return [word for text in texts if text is not None and (word := str(text).strip())]


def _word(value: object) -> str | None:
    """A text that others may use for something else, as far as it is one."""
    return (value.strip() or None) if isinstance(value, str) else None
