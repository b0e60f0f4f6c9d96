"""Several channels to one: their mean, the one that is asked for, or the louder of two that would cancel each other."""

import numpy as np

from tinyclap.errors import TinyclapError

MOST = 64  # channels of a stream
OPPOSITE = 0.05  # power of the mean over that of the channels, where they cancel; half of it for unrelated ones

WARNING = "its channels are opposite in polarity and would cancel; channel {} is taken"


def mixed(samples: np.ndarray, channel: int | None = None) -> np.ndarray:
    """The mean (T,) of channels (T, C), or one of them, counted from 1.

    Raises:
        TinyclapError: there is no such channel.
    """
    if channel is None:
        with np.errstate(invalid="ignore", over="ignore"):  # what is no number is reported by who reads it
            mean: np.ndarray = samples.mean(axis=1)
        return mean
    reason = missing(channel, samples.shape[1])
    if reason:
        raise TinyclapError(reason)
    return samples[:, channel - 1]


def missing(channel: int, channels: int) -> str | None:
    """Why there is no such channel, counted from 1, of so many; None if there is."""
    if 1 <= channel <= channels:
        return None
    return f"channel is {channel}; it has {channels} channel{'s' if channels > 1 else ''}, counted from 1"


def louder_of_opposite(samples: np.ndarray) -> int | None:
    """The loudest channel, from 1, of those (T, C) that would cancel one another; None where their mean is heard.

    A microphone wired the wrong way round makes one channel the other's negative.
    """
    if samples.shape[1] == 1 or not samples.size:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        exact = samples.astype(np.float64)
        power, mean = np.square(exact).mean(axis=0), float(np.square(exact.mean(axis=1)).mean())
    if not (np.isfinite(power).all() and power.mean() > 0 and mean < OPPOSITE * power.mean()):
        return None
    return int(power.argmax()) + 1
