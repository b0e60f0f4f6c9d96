"""Numbers of the INT8 network: scales, zero points, Q31 multipliers, as TensorFlow Lite Micro and CMSIS-NN have them.

A real number r is stored as an integer q with r = scale * (q - zero). Rescaling by a real factor is a multiplication by
`multiplier` / 2^31 and by 2^`shift`, both rounded (Jacob et al., arXiv 1712.05877, section 2.2; gemmlowp's
SaturatingRoundingDoublingHighMul and RoundingDivideByPOT).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LOWEST, HIGHEST = -128, 127
SMALLEST_RANGE = 1e-6
HARD_SWISH_ZERO = -3.0  # below it hard-swish is 0, so nothing below it need be told apart


@dataclass(frozen=True)
class Affine:
    """How the numbers of a map are stored in int8."""

    scale: float
    zero: int

    def stored(self, values: np.ndarray) -> np.ndarray:
        """Real numbers as int8."""
        return np.clip(np.round(values / self.scale) + self.zero, LOWEST, HIGHEST).astype(np.int8)

    def real(self, stored: np.ndarray) -> np.ndarray:
        """The real numbers that int8 stand for, float64."""
        return self.scale * (stored.astype(np.float64) - self.zero)


GATES = Affine(1 / 256, LOWEST)
"""Of a sigmoid's output, as in TensorFlow Lite."""


def rounded(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (out, ...) as int8, symmetric by output channel, and the channels' scales, float64 (out,)."""
    largest = np.abs(weights.reshape(len(weights), -1)).max(axis=1).astype(np.float64)
    scales = np.where(largest > 0, largest, 1.0) / HIGHEST
    shaped = scales.reshape(-1, *(1,) * (weights.ndim - 1))
    return np.clip(np.round(weights / shaped), -HIGHEST, HIGHEST).astype(np.int8), scales


def affine(low: float, high: float) -> Affine:
    """For numbers from `low` to `high`, and 0."""
    low, high = min(low, 0.0), max(high, 0.0, low + SMALLEST_RANGE)
    scale = max(high - low, SMALLEST_RANGE) / (HIGHEST - LOWEST)
    return Affine(scale, int(np.clip(round(LOWEST - low / scale), LOWEST, HIGHEST)))


def multiplier(factor: float) -> tuple[int, int]:
    """A positive real factor as a multiplier in [2^30, 2^31) and a shift: factor = multiplier / 2^31 * 2^shift."""
    if factor <= 0:
        return 0, 0
    mantissa, shift = math.frexp(factor)
    rounded = round(mantissa * 2**31)
    if rounded == 2**31:
        rounded, shift = rounded // 2, shift + 1
    return (0, 0) if shift < -31 else (rounded, shift)


def table(function: Callable[[np.ndarray], np.ndarray], read: Affine, written: Affine) -> np.ndarray:
    """int8 (256,): what a function makes of every int8 from -128 on."""
    return written.stored(function(read.real(np.arange(LOWEST, HIGHEST + 1))))


def hard_swish(x: np.ndarray) -> np.ndarray:
    """x * relu6(x + 3) / 6."""
    return x * np.clip(x + 3, 0, 6) / 6


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))
