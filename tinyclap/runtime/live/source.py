"""Where live sound comes from, but for the microphone: standard input, a pipe with a name, a file."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tinyclap.audio.pcm_stream import HOW_TO_SEND, SampleFormat, blocks_of
from tinyclap.audio.windows import at_rate, read_chunks
from tinyclap.errors import TinyclapError

STDIN = "-"
STDIN_PATHS = (STDIN, "/dev/stdin")


def sound_of(
    file: Path, sample_rate: int, window: int, raw: SampleFormat | None = None, channel: int | None = None
) -> tuple[int, Iterator[np.ndarray]]:
    """The rate of a sound in Hz, and its blocks, float32 (n,) of one channel.

    Args:
        file: of any kind; "-" for standard input. What comes through a pipe must be WAV, and is used as it comes.
        sample_rate: at which a file is read, Hz.
        window: samples at that rate, a piece of a file has more.
        raw: how the samples stand in a file or pipe without a header.
        channel: to take, counted from 1; None for the mean, or the louder of two that would cancel each other.

    Raises:
        AudioError: it cannot be used.
        TinyclapError: nothing comes on standard input.
    """
    if not is_stream(file) and raw is None:
        return sample_rate, read_chunks(file, sample_rate, window, channel=channel)
    name = "standard input" if str(file) in STDIN_PATHS else str(file)
    with ExitStack() as stack:
        rate, blocks = blocks_of(stack.enter_context(opened(file)), name, raw)
        return rate, _closed_behind(stack.pop_all(), at_rate(blocks, rate, rate, channel))


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """A file of any kind, or standard input, for reading bytes.

    Raises:
        TinyclapError: nothing comes on standard input.
    """
    if str(file) not in STDIN_PATHS:
        with file.open("rb") as stream:
            yield stream
        return
    if sys.stdin.isatty():
        raise TinyclapError(f"nothing comes on standard input; {HOW_TO_SEND}")
    yield sys.stdin.buffer


def is_stream(file: Path) -> bool:
    """Whether a sound comes as through a pipe: it cannot be read twice, and may have no end."""
    return str(file) == STDIN or (file.exists() and not file.is_file() and not file.is_dir())


def _closed_behind(stack: ExitStack, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    with stack:
        yield from blocks
