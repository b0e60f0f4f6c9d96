"""Coloured noise."""

import numpy as np


def unit_noise(size: int, slope: float, seed: int) -> np.ndarray:
    """Noise (size,) of unit power, float64, whose density falls as 1 / f ** slope: 0 for white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(size))
    noise = np.fft.irfft(spectrum * np.maximum(np.arange(len(spectrum)), 1.0) ** (-slope / 2.0), size)
    unit: np.ndarray = noise / np.sqrt(np.mean(noise**2))
    return unit
