"""Which stretches of a sound the encoder hears: of an array, of a file of any length, of a live stream. No torch.

A sound longer than a window is cut into consecutive windows, the last one aligned to the end; a shorter one is repeated
as a whole and cut. Every window is float32 (window,) at the encoder's rate; `window` and `hop` are in samples.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soxr

from tinyclap import audio
from tinyclap.errors import TinyclapError

STRETCH_S = 60.0  # read at a time of a long file, which bounds the memory


def of_array(waveform: np.ndarray, window: int) -> Iterator[np.ndarray]:
    """The windows of a waveform (T,) that is not empty."""
    for start in audio.window_starts(len(waveform), window):
        yield audio.fit(waveform[start:], window)


def of_file(path: Path | str, sample_rate: int, window: int) -> Iterator[np.ndarray]:
    """The windows of an audio file of any length, in bounded memory: those of the whole file (to 2e-6).

    Raises:
        AudioError: the file cannot be decoded, is shorter than 10 ms, or holds NaN or infinite samples.
    """
    for stretch in stretches(path, sample_rate, window):
        yield from of_array(stretch, window)


def stretches(path: Path | str, sample_rate: int, window: int) -> Iterator[np.ndarray]:
    """A file of any length in stretches of whole windows, except that the last holds a whole window and the rest.

    Raises:
        AudioError: as `of_file`.
    """
    length = max(1, int(STRETCH_S * sample_rate) // window) * window
    left = audio.info(path).duration_s * sample_rate
    start = 0
    while left > length + window:
        yield _usable(audio.read(path, sample_rate, start / sample_rate, length / sample_rate), sample_rate, str(path))
        start, left = start + length, left - length
    yield _usable(audio.read(path, sample_rate, start / sample_rate), sample_rate, str(path))


def mono(samples: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """An array (T,) of samples in [-1, 1] as float32 at another sample rate.

    Raises:
        TinyclapError: integers, another shape, less than 10 ms, NaN or infinite samples.
    """
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
        raise TinyclapError(
            f"an array of {samples.dtype} of shape {samples.shape}; expected mono floats in [-1, 1], shape (samples,)"
        )
    waveform = _usable(samples, rate, f"an array of shape {samples.shape} at {rate} Hz").astype(np.float32, copy=False)
    return waveform if rate == sample_rate else soxr.resample(waveform, rate, sample_rate, quality="HQ")


def of_stream(blocks: Iterable[np.ndarray], window: int, hop: int) -> Iterator[tuple[int, np.ndarray]]:
    """For every `hop` samples of a stream of blocks (n,): the samples heard so far and the last window."""
    recent = np.empty(0, np.float32)
    heard, due = 0, hop
    for block in blocks:
        rest = block
        while len(rest):
            taken, rest = rest[: due - heard], rest[due - heard :]
            recent = np.concatenate([recent, taken])[-window:]
            heard += len(taken)
            if heard == due:
                yield heard, audio.fit(recent, window)
                due += hop


def at_rate(blocks: Iterable[np.ndarray], block_rate: int, sample_rate: int) -> Iterator[np.ndarray]:
    """A stream of blocks, (n,) or (n, channels) in [-1, 1], as mono float32 blocks at another sample rate.

    Raises:
        TinyclapError: a block of another shape, or with NaN or infinite samples.
    """
    resampler = soxr.ResampleStream(block_rate, sample_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        samples = block.mean(axis=1) if block.ndim == 2 and block.shape[1] else block
        if samples.ndim != 1 or not np.isfinite(samples).all():
            what = "NaN or infinite samples" if samples.ndim == 1 else f"shape {block.shape}"
            raise TinyclapError(f"stream: a block with {what}; expected finite samples (n,) or (n, channels)")
        samples = samples.astype(np.float32, copy=False)
        yield samples if block_rate == sample_rate else resampler.resample_chunk(samples)


def _usable(waveform: np.ndarray, sample_rate: int, name: str) -> np.ndarray:
    """The waveform, if something can be computed from it."""
    reason = audio.unusable(waveform, sample_rate)
    if reason:
        raise audio.AudioError(name, reason)
    return waveform
