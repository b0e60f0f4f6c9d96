"""What of a sound survives other formats, levels and sample rates: its power in a few bands over time.

Two recordings of one thing differ in it, copies of one recording hardly: so it tells copies from what merely sounds
alike, which embeddings do not (the idea of Haitsma and Kalker, ISMIR 2002: band energies over time, with a search over
their offset).
"""

from functools import cache
from pathlib import Path

import numpy as np

from tinyclap.audio.files import read
from tinyclap.embeddings.similarity import unit

RATE, WINDOW, HOP = 8000, 256, 64  # Hz, and samples: 32 ms every 8 ms
LOWEST_HZ, BANDS_PER_OCTAVE, N_BANDS = 100.0, 4, 16  # up to 1.6 kHz, which files of 4 kHz still hold
LONGEST_S = 120.0  # of a longer file the beginning
FLOOR = 1e-4  # of the loudest: 40 dB below it lies what encoders change as they like
MOST_FRAMES = 256  # that are compared at a time; more are averaged in pairs, threes, ...
SHIFT = 0.12  # of the frames: how much one sound may begin earlier than the other
SLICES = 24  # of a sketch
# Shares that are cut off in front and behind.
TRIMMED = ((0, 0), (0.05, 0), (0, 0.05), (0.1, 0), (0.075, 0.025), (0.05, 0.05), (0.025, 0.075), (0, 0.1))
SKETCHES = (len(TRIMMED), SLICES * N_BANDS)  # the shape of a file's


def powers(path: Path) -> np.ndarray:
    """Power in N_BANDS bands, relative to the loudest moment, float32 (frames, N_BANDS); AudioError as `read`."""
    waveform = read(path, RATE, duration_s=LONGEST_S)
    padded = np.pad(waveform, (0, max(0, WINDOW - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1)) ** 2
    found = spectra @ _bands()
    return (found / max(float(found.sum(1).max()), 1e-20)).astype(np.float32)


def sketches(power: np.ndarray) -> np.ndarray:
    """A sound in few numbers, whole and trimmed in the ways of TRIMMED: unit-norm float16, SKETCHES.

    The whole of a copy that was cut is like one of the trimmed originals.
    """
    length = len(power)
    spans = [(round(front * length), length - round(back * length)) for front, back in TRIMMED]
    return np.stack([_sketch(power[first : max(last, first + 1)]) for first, last in spans]).astype(np.float16)


def _sketch(power: np.ndarray) -> np.ndarray:
    """Log powers in SLICES equal parts, less their mean, at unit norm."""
    edges = np.linspace(0, len(power), SLICES + 1)
    firsts = np.minimum(edges[:-1].astype(int), len(power) - 1)
    lasts = np.maximum(np.ceil(edges[1:]).astype(int), firsts + 1)
    logs = _logs(np.stack([power[first:last].mean(0) for first, last in zip(firsts, lasts, strict=True)])).ravel()
    logs -= logs.mean()
    return unit(logs)


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two sounds' log powers, as `powers` gives, where they fit best: -1 to 1."""
    times = -(-max(len(one), len(other)) // MOST_FRAMES)
    one, other = (_logs(_pooled(power, times)) for power in (one, other))
    most = max(1, round(SHIFT * max(len(one), len(other))))
    return max(_correlation(one, other, shift) for shift in range(-most, most + 1))


def _correlation(one: np.ndarray, other: np.ndarray, shift: int) -> float:
    """Of what overlaps if `one` begins `shift` frames before the other."""
    one, other = one[max(0, shift) :], other[max(0, -shift) :]
    both = min(len(one), len(other))
    if both < 2:
        return -1.0
    one, other = one[:both], other[:both]
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one * one).sum() * (other * other).sum()))
    return float((one * other).sum()) / scale if scale > 1e-9 else 0.0


def _pooled(power: np.ndarray, times: int) -> np.ndarray:
    """The mean of every `times` frames."""
    whole = len(power) // times * times
    return power if times == 1 or not whole else power[:whole].reshape(-1, times, power.shape[1]).mean(1)


def _logs(power: np.ndarray) -> np.ndarray:
    loudest = float(power.max()) if power.size else 0.0
    logs: np.ndarray = np.log(power / max(loudest, 1e-20) + FLOOR)
    return logs


@cache
def _bands() -> np.ndarray:
    """Which bins each band sums, (WINDOW // 2 + 1, N_BANDS): those in it, and the nearest to its middle."""
    hz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    weights = np.zeros((len(hz), N_BANDS))
    for band in range(N_BANDS):
        bottom, middle, top = LOWEST_HZ * 2 ** ((band + np.array([0, 0.5, 1])) / BANDS_PER_OCTAVE)
        weights[(hz >= bottom) & (hz < top), band] = 1
        weights[np.abs(hz - middle).argmin(), band] = 1
    return weights
