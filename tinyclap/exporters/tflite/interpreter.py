"""A .tflite file run by TensorFlow Lite Micro's own interpreter, on this machine."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

import numpy as np

from tinyclap.exporters.c.fixed_point import Affine
from tinyclap.exporters.tflite.graph import tflite_micro


class MicroInterpreter:
    """Runs a file.

    Args:
        content: of the file.
        room: bytes of the arena that it gets, of which it may need fewer.
        stored: how decibels become integers.
        dtype: of these, "int8" or "int16".

    Raises:
        RuntimeError: the arena is too small.
    """

    def __init__(self, content: bytes, room: int, stored: Affine, dtype: str) -> None:
        runtime = tflite_micro("python.tflite_micro.runtime")
        self._interpreter = runtime.Interpreter.from_bytes(content, arena_size=room)
        self._stored, self._bounds = stored, np.iinfo(dtype)

    def embed_logmel(self, logmel: np.ndarray) -> np.ndarray:
        """Decibels (frames, n_mels) to a unit embedding, float32 (embed_dim,)."""
        steps = np.round(logmel / self._stored.scale) + self._stored.zero
        image = np.clip(steps, self._bounds.min, self._bounds.max).astype(self._bounds.dtype)
        self._interpreter.set_input(image[None, :, :, None], 0)
        self._interpreter.invoke()
        embedding: np.ndarray = self._interpreter.get_output(0)[0].copy()
        return embedding

    def arena_bytes(self) -> tuple[int, int]:
        """The arena that its recording allocator counted: for maps, and for all else, whose pointers take 8 bytes."""
        with _standard_error() as written:
            self._interpreter.print_allocations()
        counted = dict(re.findall(r"Arena allocation (\w+) (\d+) bytes", written[0]))
        return int(counted["head"]), int(counted["tail"])


@contextlib.contextmanager
def _standard_error() -> Iterator[list[str]]:
    """What C++ writes to standard error, which has no other way out."""
    found: list[str] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield found
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        found.append(file.read().decode())
