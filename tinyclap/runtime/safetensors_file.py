"""The tensors in a safetensors file, read without torch (github.com/huggingface/safetensors, section Format)."""

from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.files import parse_json, refuse_pointer
from tinyclap.errors import TinyclapError

HEADER_SIZE = 8  # bytes that say how long the header is
DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
}


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file, by name.

    Raises:
        TinyclapError: no such file, another format, or a type of numbers that is not read here.
    """
    if not path.is_file():
        raise TinyclapError(f"there is no file {path}")
    refuse_pointer(path)
    content = path.read_bytes()
    begin = HEADER_SIZE + int.from_bytes(content[:HEADER_SIZE], "little")
    try:
        header = parse_json(content[HEADER_SIZE:begin])
        header.pop("__metadata__", None)
        return {name: _tensor(content, begin, entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TinyclapError(f"{path} is no safetensors file of plain tensors ({error})") from error


def _tensor(content: bytes, begin: int, entry: dict[str, Any]) -> np.ndarray:
    first, last = entry["data_offsets"]
    return np.frombuffer(content[begin + first : begin + last], DTYPES[entry["dtype"]]).reshape(entry["shape"])
