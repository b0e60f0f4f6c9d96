"""Sounds for the runtime, and how close to torch it has to come."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000


PARITY = 1e-4


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Noise that changes from second to second."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(rng.uniform(0.001, 0.3, int(seconds) + 1), rate)[: round(seconds * rate)]
    return (levels * rng.normal(size=levels.size)).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE, **encoding: str) -> Path:
    soundfile.write(path, samples, rate, **encoding)
    return path
