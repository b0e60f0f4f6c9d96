"""Numbers as C."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

TYPES = {"float32": "float", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t"}
PER_LINE = {"float32": 8, "int8": 24, "int16": 16, "int32": 10}


def array(name: str, values: np.ndarray, kind: str | None = None) -> str:
    """A constant array of all numbers of `values`, of its own type or another one's name."""
    flat, dtype = values.reshape(-1), str(values.dtype)
    numbers = [_float(value) for value in flat.tolist()] if dtype == "float32" else [str(x) for x in flat.tolist()]
    step = PER_LINE[dtype]
    lines = [", ".join(numbers[at : at + step]) for at in range(0, len(numbers), step)]
    body = ",\n    ".join(lines)
    return f"static const {kind or TYPES[dtype]} {name}[{len(numbers)}] = {{\n    {body}}};\n"


def _float(value: float) -> str:
    """A float32 with all its digits."""
    text = f"{value:.9g}"
    return f"{text}f" if any(mark in text for mark in ".e") else f"{text}.0f"


def real(value: float) -> str:
    """One number of type float."""
    return _float(float(np.float32(value)))


def double(value: float) -> str:
    """One number of type double."""
    text = repr(float(value))
    return text if any(mark in text for mark in ".e") else f"{text}.0"


def struct(kind: str, name: str, fields: Mapping[str, Any]) -> str:
    """A constant of a structure type; the fields' values are C already."""
    return f"static const {kind} {name} = {initialiser(fields)};\n"


def initialiser(fields: Mapping[str, Any]) -> str:
    """The value of a structure."""
    return "{" + ", ".join(f".{name} = {value}" for name, value in fields.items()) + "}"


def structs(kind: str, name: str, values: Sequence[str]) -> str:
    """A constant array of a structure type, of initialisers."""
    listed = ",\n    ".join(values)
    return f"static const {kind} {name}[{len(values)}] = {{\n    {listed}}};\n"


def strings(name: str, texts: Iterable[str]) -> str:
    """A constant array of texts, in UTF-8."""
    listed = ",\n    ".join(quoted(text) for text in texts)
    return f"static const char *const {name}[] = {{\n    {listed}}};\n"


def quoted(text: str) -> str:
    """A text as a C string: what is not plain ASCII is written in octal, which ends after three digits."""
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    plain = "".join(
        sign if " " <= sign <= "~" else "".join(f"\\{byte:03o}" for byte in sign.encode()) for sign in plain
    )
    return '"' + plain.replace("?", "\\?") + '"'  # no trigraphs


def defines(values: Mapping[str, Any]) -> str:
    """Macros."""
    return "".join(f"#define {name} {value}\n" for name, value in values.items())
