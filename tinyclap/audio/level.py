"""How loud a sound is."""

import math

import numpy as np

LOWEST_DBFS = -180.0  # below the last bit of any sample format: zeros
FAINTEST = 1e-6  # -120 dB of full scale, for sounds that are silent throughout
SILENCE_BELOW_DBFS = -70.0  # the quietest of 1,600 clips of ESC-50 has -71.5, and a siren at -78 is not recognised


def level_dbfs(samples: np.ndarray) -> float:
    """Root mean square of samples (T,) about their mean, in dB of full scale, at least LOWEST_DBFS.

    0 dB is a square wave between -1 and 1; a sine of that peak has -3 dB. A constant offset is no sound.
    """
    return in_dbfs(rms(samples))


def weight(window: np.ndarray) -> float:
    """What a window (n,) weighs in the mean of a sound's embeddings: its root mean square as above, plus FAINTEST.

    Sound followed by silence gets the embedding of the sound alone.
    """
    return rms(window) + FAINTEST


def in_dbfs(level: float) -> float:
    """A root mean square in dB of full scale, at least LOWEST_DBFS."""
    return max(LOWEST_DBFS, 20 * math.log10(level)) if level > 0 else LOWEST_DBFS


def rms(samples: np.ndarray) -> float:
    """Root mean square of samples (T,) about their mean."""
    return float(np.std(samples, dtype=np.float64)) if len(samples) else 0.0
