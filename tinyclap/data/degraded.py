"""Decoded clips as a device would hear them."""

import dataclasses

import numpy as np
import soxr

from tinyclap.data.decoded import Decoded
from tinyclap.data.degradation import Degradation, degrade


class DegradedClips:
    """Every clip of a decoded data set degraded in one way, noise and rooms different from clip to clip.

    Args:
        decoded: the clips as they are.
        how: what is done to them.
        sample_rate: of the result, Hz; at most that of `decoded` where teacher and student shall hear one sound.
    """

    def __init__(self, decoded: Decoded, how: Degradation, sample_rate: int) -> None:
        self.decoded, self.how, self.sample_rate = decoded, how, sample_rate
        self.windows, self.bad, self.n_clips = decoded.windows, decoded.bad, decoded.n_clips
        self.fingerprint = f"{decoded.fingerprint} {how.fingerprint} {sample_rate}"

    def __len__(self) -> int:
        return len(self.decoded)

    def waveform(self, index: int) -> np.ndarray:
        """A degraded stretch, float32 (T,)."""
        rate = self.decoded.sample_rate
        how = dataclasses.replace(self.how, seed=(self.how.seed + index) % 2**32)
        degraded = degrade(self.decoded.waveform(index), rate, how)
        return degraded if rate == self.sample_rate else soxr.resample(degraded, rate, self.sample_rate, quality="HQ")
