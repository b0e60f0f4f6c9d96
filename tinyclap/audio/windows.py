"""Which stretches of a sound the encoder gets: of an array or a file of any length, of a live stream.

A sound longer than a window is cut into windows, one after the other or every `hop` samples, the last one aligned to
the end; a shorter one is repeated as a whole and cut. Every window is float32 (window,) at the encoder's rate; `window`
and `hop` are in samples. In the mean of their embeddings each weighs as `level.weight` says: silence, nothing.
"""

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soxr

from tinyclap.audio import channels, checks, files
from tinyclap.audio.files import repeat_pad
from tinyclap.common.checks import is_number, plain
from tinyclap.errors import TinyclapError

STRETCH_S = 60.0  # read at a time of a long file, which bounds the memory
SPARE = 500  # a rest of less than this part of a window, 10 ms of 5 s, is no window of its own


def timed(stretches: Iterable[np.ndarray], window: int, hop: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """The windows of a sound of any length, with their time, in bounded memory.

    Args:
        stretches: consecutive pieces (n,) of a sound that is not empty, of any lengths.
        window, hop: samples.

    Yields:
        First sample, the one behind the last, and float32 (window,).
    """
    kept = np.empty(0, np.float32)
    begin = due = end = 0  # of what is kept; of the next window; of the last one
    for stretch in stretches:
        kept = np.concatenate([kept, stretch]) if len(kept) else stretch
        so_far = begin + len(kept)
        while due + window <= so_far:
            end = due + window
            yield due, end, kept[due - begin :][:window]
            due += hop
        needless = max(0, min(due, so_far - window) - begin)
        kept, begin = kept[needless:], begin + needless
    so_far = begin + len(kept)
    if end == 0 or so_far - end > window // SPARE:
        start = max(0, so_far - window)
        yield start, so_far, fit(kept[start - begin :], window)


def read_chunks(path: Path | str, sample_rate: int, window: int, channel: int | None = None) -> Iterator[np.ndarray]:
    """A file of any length in consecutive stretches (n,) of whole windows; the last holds a whole one and the rest.

    Together they are the samples of the whole file (to 2e-6).

    Raises:
        AudioError: the file cannot be decoded, is shorter than 10 ms, holds NaN or infinite samples, or lacks the
            channel (see `channels.mixed`).
    """
    length = max(1, int(STRETCH_S * sample_rate) // window) * window
    left = files.info(path).duration_s * sample_rate
    start = 0

    def read(duration: int | None) -> np.ndarray:
        duration_s = None if duration is None else duration / sample_rate
        waveform = files.read(path, sample_rate, start / sample_rate, duration_s, channel=channel)
        return _usable(waveform, sample_rate, str(path))

    while left > length + window:
        yield read(length)
        start, left = start + length, left - length
    yield read(None)


def mono(samples: np.ndarray, rate: float, sample_rate: int) -> np.ndarray:
    """An array (T,) of samples in [-1, 1] as float32 at another sample rate.

    Raises:
        TinyclapError: integers, another shape, less than 10 ms, NaN, infinite or huge samples, or no sample rate.
    """
    rate = _checked(rate)
    if np.ndim(samples) != 1:
        raise TinyclapError(f"an array of shape {np.shape(samples)}; expected mono samples, shape (samples,)")
    waveform = _usable(_floats(samples, rate, "an array"), rate, f"an array of shape {samples.shape} at {rate:.10g} Hz")
    return waveform if rate == sample_rate else soxr.resample(waveform, rate, sample_rate, quality="HQ")


def of_stream(blocks: Iterable[np.ndarray], window: int, hop: int) -> Iterator[tuple[int, np.ndarray]]:
    """For every `hop` samples of a stream of blocks (n,): the samples so far and the last window.

    When the stream ends, once more for what is left of a hop.
    """
    recent = np.empty(0, np.float32)
    position, due = 0, hop
    for block in blocks:
        rest = block
        while len(rest):
            taken, rest = rest[: due - position], rest[due - position :]
            recent = np.concatenate([recent, taken])[-window:]
            position += len(taken)
            if position == due:
                yield position, fit(recent, window)
                due += hop
    if position - (due - hop) > hop // SPARE or 0 < position < hop:
        yield position, fit(recent, window)


def at_rate(
    blocks: Iterable[np.ndarray], block_rate: float, sample_rate: int, channel: int | None = None
) -> Iterator[np.ndarray]:
    """A stream of blocks, (n,) or (n, channels) in [-1, 1], as mono float32 blocks at another sample rate.

    Channels are averaged, or `channel`, from 1, is taken; from the first block on in which they would cancel each
    other, the louder one of that is.

    Raises:
        TinyclapError: no sample rate, no such channel, or a block of integers, of another shape, or with NaN, infinite
            or huge samples.
    """
    block_rate = _checked(block_rate)
    resampler = soxr.ResampleStream(block_rate, sample_rate, 1, dtype="float32", quality="HQ")
    count, position = None, 0
    for block in blocks:
        if np.shape(block)[:1] == (0,):
            continue
        frames = _frames(block, block_rate, count, position / block_rate)
        position += len(frames)
        reason = None if channel is None else channels.missing(channel, frames.shape[1])
        if reason:
            raise TinyclapError(f"stream: {reason}")
        count = frames.shape[1]
        if channel is None:
            channel = channels.louder_of_opposite(frames)
            if channel is not None:
                warnings.warn(f"stream: {channels.WARNING.format(channel)}", stacklevel=2)
        samples = channels.mixed(frames, channel)
        yield samples if block_rate == sample_rate else resampler.resample_chunk(samples)
    if block_rate != sample_rate:
        yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def _frames(block: np.ndarray, rate: float, count: int | None, start_s: float) -> np.ndarray:
    """A block of a stream as (n, channels), of as many channels as those before it."""
    if np.ndim(block) not in (1, 2) or np.size(block) == 0:
        shape = np.shape(block)
        raise TinyclapError(f"stream: a block of shape {shape}; expected samples in [-1, 1], (n,) or (n, channels)")
    floats = _floats(block, rate, "stream: a block", start_s)
    if floats.ndim == 2 and len(floats) == 1 and floats.shape[1] != count:  # a row is of samples, not of channels
        floats = floats.reshape(-1)
    frames = floats.reshape(len(floats), -1)
    if frames.shape[1] > channels.MOST or count not in (None, frames.shape[1]):
        before = f"as many as before, {count}" if count else f"at most {channels.MOST}"
        raise TinyclapError(f"stream: a block of shape {block.shape} has {frames.shape[1]} channels; allowed: {before}")
    return frames


def _checked(rate: float) -> float:
    """A sample rate, if it may be one of sound."""
    number = plain(rate)
    if not is_number(number) or checks.wrong_rate(number):
        low, high = checks.RATES_HZ
        raise TinyclapError(f"sample_rate is {rate!r}: it must be a number, {low:,} to {high:,} Hz")
    return float(number)


def _floats(samples: np.ndarray, rate: float, what: str, start_s: float = 0.0) -> np.ndarray:
    """Samples as float32, if they can be samples in [-1, 1]; they begin at `start_s` of their sound."""
    kind = samples.dtype if isinstance(samples, np.ndarray) else type(samples).__name__
    if not isinstance(samples, np.ndarray) or not np.issubdtype(samples.dtype, np.floating):
        remedy = checks.REMEDIES.get(str(kind), ", a numpy array")
        raise TinyclapError(f"{what} of {kind}; expected floats in [-1, 1]{remedy}")
    with np.errstate(over="ignore", invalid="ignore"):
        floats = samples.astype(np.float32, copy=False)
    wrong = checks.wrong_samples(floats, rate, start_s)
    if wrong:
        raise TinyclapError(f"{what} with {wrong}")
    return floats


def _usable(waveform: np.ndarray, sample_rate: float, name: str) -> np.ndarray:
    """The waveform, if something can be computed from it."""
    reason = checks.unusable(waveform, sample_rate)
    if reason:
        raise checks.AudioError(name, reason)
    return waveform


def fit(waveform: np.ndarray, length: int) -> np.ndarray:
    """The waveform (T,) cut or repeat-padded to exactly `length` samples."""
    return repeat_pad(waveform[:length], length)


def window_starts(length: int, window: int) -> list[int]:
    """Where the windows of a sound begin, in samples: one after the other, the last aligned to the end.

    A rest of less than a five-hundredth of a window adds none.

    None holds padding, but for the only one of a sound shorter than a window.
    """
    starts = list(range(0, max(1, length - window + 1), window))
    return starts if length - (starts[-1] + window) <= window // SPARE else [*starts, length - window]
