"""Where live sound comes from: the microphone, standard input, a pipe with a name, a file."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tinyclap.audio.microphone import microphone
from tinyclap.audio.pcm_stream import SampleFormat, blocks_of
from tinyclap.audio.windows import at_rate, read_chunks
from tinyclap.runtime.sounds import STDIN_PATHS, is_stream, opened


def sound_of(
    file: Path | None,
    sample_rate: int,
    window: int,
    *,
    raw: SampleFormat | None = None,
    device: str | None = None,
    channel: int | None = None,
) -> tuple[int, Iterator[np.ndarray]]:
    """The rate of a sound in Hz, and its blocks, float32 (n,) of one channel.

    Args:
        file: of any kind; "-" for standard input; None for the microphone. What comes through a pipe must be WAV, and
            is used as it comes.
        sample_rate: at which a file is read, Hz, and the microphone if it can.
        window: samples at that rate, a piece of a file has more.
        raw: how the samples stand in a file or pipe without a header.
        device: the microphone's number or a part of its name; None for the system's own choice.
        channel: to take, counted from 1; None for the mean, or the louder of two that would cancel each other.

    Raises:
        AudioError: it cannot be used.
        TinyclapError: nothing comes on standard input, or as `audio.microphone` says.
    """
    if file is None:
        rate, blocks = microphone(sample_rate, device)
        return rate, at_rate(blocks, rate, rate, channel)
    if not is_stream(file) and raw is None:
        return sample_rate, read_chunks(file, sample_rate, window, channel)
    name = "standard input" if str(file) in STDIN_PATHS else str(file)
    with ExitStack() as stack:
        rate, blocks = blocks_of(stack.enter_context(opened(file)), name, raw)
        return rate, _closed_behind(stack.pop_all(), at_rate(blocks, rate, rate, channel))


def _closed_behind(stack: ExitStack, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    with stack:
        yield from blocks
