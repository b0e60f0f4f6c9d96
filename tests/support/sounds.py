"""Sounds for the runtime, and how close to torch it has to come."""

from pathlib import Path

import numpy as np
import soundfile

from tinyclap.data.view_spec import ViewSpec

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


OFF = {"duration_s": 2.0, "crop": False, "roll": False, "gain_db": 0.0, "mix": 0.0}


EVERYTHING = ViewSpec(
    per_clip=4,
    duration_s=2.0,
    mix=0.5,
    speed=0.15,
    noise_snr_db=5.0,
    time_mask_s=0.5,
    band_mask_octaves=2.0,
)


DURATIONS_S = (3.0, 2.0, 1.3, 0.37)


def clip(seconds: float, top_hz: float, rate: int = 44_100, seed: int = 0) -> np.ndarray:
    """Pink noise up to `top_hz`, peak 0.5."""
    length = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    hz = np.fft.rfftfreq(length, 1 / rate)
    waveform = np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, 20.0)) * (hz < top_hz), length)
    return (0.5 * waveform / np.abs(waveform).max()).astype(np.float32)


def level(waveform: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))
