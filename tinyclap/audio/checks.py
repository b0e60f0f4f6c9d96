"""Whether an array of samples is sound that something can be computed from."""

import numpy as np

from tinyclap.errors import TinyclapError

SHORTEST_MS = 10
SILENT_PEAK = 3e-5  # just below one step of 16-bit audio, 2**-15
LOUDEST = 8.0  # a peak above it is no sample in [-1, 1], however badly scaled: integers, most often
INTEGERS = 64.0  # a median above it of the samples that are not silent: the whole sound is integers
SCALES = (  # of integers that were written as floats: the largest, and how they become sound
    (2.0**15, "divide int16 by 32768"),
    (2.0**23, "divide 24-bit integers by 8388608"),
    (2.0**31, "divide int32 by 2147483648"),
)
REMEDIES = {  # for arrays of integers
    "int16": ": divide by 32768",
    "int32": ": divide by 2147483648",
    "uint8": ": subtract 128, divide by 128",
}
RATES_HZ = (1_000, 1_000_000)


class AudioError(TinyclapError):
    """A file that cannot be used; `name` says which, `reason` why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)  # both, so that it can be pickled by a worker process
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class WrongSamplesError(AudioError):
    """A stretch of a file with samples that are no numbers or far outside [-1, 1]; others of it may be usable."""


def fault(waveform: np.ndarray, sample_rate: float) -> str | None:
    """Why a waveform (T,) carries no sound: as `unusable` says, or silent; else None.

    A constant offset counts as silent, since the peak is taken about the mean.
    """
    reason = unusable(waveform, sample_rate)
    if reason:
        return reason
    peak = np.abs(waveform - waveform.mean(dtype=np.float64)).max()
    return "silent" if peak < SILENT_PEAK else None


def unusable(waveform: np.ndarray, sample_rate: float) -> str | None:
    """Why nothing can be computed from a waveform (T,): empty, shorter than 10 ms, or `wrong_samples`; else None."""
    if waveform.size == 0:
        return "empty"
    if waveform.size * 1000 < SHORTEST_MS * sample_rate:
        return f"shorter than {SHORTEST_MS} ms"
    return wrong_samples(waveform, sample_rate)


def wrong_samples(samples: np.ndarray, sample_rate: float | None = None, start_s: float = 0.0) -> str | None:
    """Which of the samples (T,) or (T, channels), and where, is no number, or far outside [-1, 1]; None if none is.

    Args:
        samples: of floats.
        sample_rate: their rate, Hz; None where places are told in samples.
        start_s: where they begin, seconds.
    """
    largest = np.abs(samples).max(initial=0.0)
    if largest <= LOUDEST:  # not so for NaN
        return None
    loudness = np.abs(samples)
    if samples.ndim == 2:
        loudness = loudness.max(axis=1, initial=0.0, where=np.isfinite(samples))
    finite = np.isfinite(samples.reshape(len(samples), -1)).all(axis=1)
    if not finite.all():
        place = int(np.argmin(finite))
        return f"NaN or infinite samples, the first at {_place(place, sample_rate, start_s)}"
    place = int(np.argmax(loudness > LOUDEST))
    if np.median(loudness[loudness > 0]) > INTEGERS and (remedy := _remedy(samples, largest)):
        return f"a peak of {largest:g}, where floats in [-1, 1] are expected: {remedy}"
    return (
        f"a peak of {largest:g}, where floats in [-1, 1] are expected; the first sample beyond is "
        f"{loudness[place]:g} at {_place(place, sample_rate, start_s)}"
    )


def _remedy(samples: np.ndarray, largest: float) -> str | None:
    """How integers become sound, by their range; None beyond all of them."""
    if largest < 256 and samples.min() >= 0:
        return "subtract 128 from uint8, then divide by 128"
    return next((remedy for limit, remedy in SCALES if largest <= limit), None)


def _place(sample: int, sample_rate: float | None, start_s: float) -> str:
    return f"sample {sample}" if sample_rate is None else f"{start_s + sample / sample_rate:.2f} s"


def wrong_rate(sample_rate: float) -> str | None:
    """Why a sample rate in Hz is none of sound; None if it may be one."""
    low, high = RATES_HZ
    if low <= sample_rate <= high:
        return None
    return f"a sample rate of {sample_rate:g} Hz, where {low:,} to {high:,} Hz are expected"
