"""C that `tinyclap export --c` wrote, compiled and run in this process: to compare it with torch, or to time it."""

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyclap.errors import MachineError

HEADER = "src/tinyclap.h"
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c99", "-O2", "-fPIC", "-shared")
FAST = ("-std=c99", "-O3", "-march=native", "-fPIC", "-shared")
_FLOATS = ctypes.POINTER(ctypes.c_float)


def compiler() -> str | None:
    """A C compiler of this machine; None without one."""
    return next((found for name in COMPILERS if (found := shutil.which(name))), None)


class CompiledC:
    """A folder's code as a library in this process: a window's samples to its embedding."""

    def __init__(self, source: Path, library: Path, window: int, embed_dim: int, flags: Sequence[str] = FLAGS) -> None:
        found = compiler()
        if found is None:
            raise MachineError(f"no C compiler here (looked for {', '.join(COMPILERS)})")
        command = [found, *flags, str(source), "-o", str(library), "-lm"]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise MachineError(f"{found} does not compile {source}: {made.stderr.strip()[:500]}")
        self._library = ctypes.CDLL(str(library))
        self._window, self._embed_dim = window, embed_dim

    def embed(self, waveform: np.ndarray) -> np.ndarray:
        """float32 (window,) to (embed_dim,)."""
        assert waveform.shape == (self._window,)
        return self._called("tinyclap_embed", waveform, self._embed_dim)

    def embed_logmel(self, logmel: np.ndarray) -> np.ndarray:
        """Decibels (frames, n_mels) to (embed_dim,)."""
        return self._called("tinyclap_embed_logmel", logmel, self._embed_dim)

    def logmel(self, waveform: np.ndarray, frames: int, n_mels: int) -> np.ndarray:
        """float32 (window,) to decibels (frames, n_mels)."""
        return self._called("tinyclap_logmel", waveform, frames * n_mels).reshape(frames, n_mels)

    def stream(self, samples: np.ndarray, blocks: Sequence[int]) -> list[tuple[int, np.ndarray | None]]:
        """Events of a stream float32 (T,) that comes in blocks: the samples so far, and an embedding or None."""
        self._library.tinyclap_start()
        events: list[tuple[int, np.ndarray | None]] = []
        samples, at, turn = np.ascontiguousarray(samples, np.float32), 0, 0
        while at < len(samples):
            size = min(blocks[turn % len(blocks)], len(samples) - at)
            turn += 1
            first, left = ctypes.cast(samples[at:].ctypes.data, _FLOATS), ctypes.c_size_t(size)
            while left.value:
                out = np.zeros(self._embed_dim, np.float32)
                event = self._library.tinyclap_push_float(ctypes.byref(first), ctypes.byref(left), _pointer(out))
                if event:
                    events.append((at + size - left.value, out if event == 1 else None))
            at += size
        return events

    def _called(self, name: str, given: np.ndarray, size: int) -> np.ndarray:
        given, out = np.ascontiguousarray(given, np.float32), np.zeros(size, np.float32)
        getattr(self._library, name)(_pointer(given), _pointer(out))
        return out


def _pointer(values: np.ndarray) -> ctypes._Pointer:
    return values.ctypes.data_as(_FLOATS)
