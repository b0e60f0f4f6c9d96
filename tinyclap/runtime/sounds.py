"""What a user may hand over as sound: files, open files, bytes, and arrays of many kinds."""

import io
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np

from tinyclap.audio import channels as several
from tinyclap.audio.checks import AudioError
from tinyclap.audio.pcm_stream import HOW_TO_SEND
from tinyclap.audio.windows import mono, read_chunks
from tinyclap.common.checks import plain
from tinyclap.errors import TinyclapError

MOST_CHANNELS = 32  # an axis as short as this may be of channels
LEAST_SAMPLES = 64  # and one of samples is longer
PIECE_BYTES = 2**20
STDIN = "-"
STDIN_PATHS = (STDIN, "/dev/stdin")


class ArrayLike(Protocol):
    """A numpy array, a torch tensor, or anything else that numpy takes for an array."""

    def __array__(self, dtype: Any = ..., /) -> np.ndarray: ...


Sound = str | os.PathLike[str] | bytes | BinaryIO | ArrayLike | Mapping[str, Any]
"""A file of any length, rate and number of channels: its path, its content, or open for reading; samples in [-1, 1],
float (T,), (T, channels) or (channels, T); or what `datasets` has: a mapping with `array` and `sampling_rate`, one of a
`path` and `bytes` that are not decoded yet, or a decoder of torchcodec."""


def one_or_many(sounds: Sound | Iterable[Sound]) -> Iterable[Sound]:
    """Several sounds as they are, a single one as a list of one; an array (N, T) holds N sounds."""
    if isinstance(sounds, str | bytes | bytearray | os.PathLike | Mapping) or _is_file(sounds) or _is_decoder(sounds):
        return [cast(Sound, sounds)]
    if not hasattr(sounds, "__array__"):
        if not isinstance(sounds, Iterable):
            raise TinyclapError(f"sounds is {sounds!r}; expected a file, an array or several of them")
        return sounds
    array = np.asarray(_on_cpu(sounds))
    if array.dtype.kind in "OU":  # of paths, or of several arrays
        return cast(Iterable[Sound], array.reshape(-1).tolist())
    if array.ndim < 2:
        return [array]
    return [array] if array.ndim == 2 and _is_frames_by_channels(array.shape) else list(array)


def samples_of(sound: Sound, sample_rate: float | None, channel: int | None = None) -> tuple[np.ndarray, float] | None:
    """Mono samples (T,) of a sound that is an array, and their rate in Hz; None for a file.

    Of several channels they are the mean, the louder one of two that would cancel each other, or `channel`, from 1.

    Raises:
        TinyclapError: no rate, two of them, axes of which neither is clearly that of channels, or no such channel.
    """
    if isinstance(sound, Mapping) and _content(sound) is None:
        array = next((sound[key] for key in ("array", "raw") if sound.get(key) is not None), None)
        if array is None or "sampling_rate" not in sound:
            keys = ", ".join(map(str, sound))
            raise TinyclapError(f"a sound with the keys {keys}; expected array and sampling_rate, or path or bytes")
        own = plain(sound["sampling_rate"])
        if sample_rate is not None and plain(sample_rate) != own:
            raise TinyclapError(
                f"sample_rate is {sample_rate}, and the sound says sampling_rate = {own}; leave one out"
            )
        return samples_of(np.asarray(array, np.float64) if isinstance(array, list) else array, own, channel)
    if _is_decoder(sound):
        decoded = cast(Any, sound).get_all_samples()
        return samples_of({"array": decoded.data, "sampling_rate": decoded.sample_rate}, sample_rate, channel)
    if isinstance(sound, list | tuple):
        raise TinyclapError("a sound is a list of numbers; give a numpy array of floats in [-1, 1]")
    if not hasattr(sound, "__array__"):
        return None
    if sample_rate is None:
        raise TinyclapError("an array needs its sample rate: give sample_rate=..., in Hz")
    return _mono(np.asarray(_on_cpu(sound)), channel), sample_rate


@contextmanager
def as_file(sound: Sound) -> Iterator[Path]:
    """The path of a sound that is a file; an open file or its content is written to a temporary one.

    Raises:
        TinyclapError: it is none of these.
        AudioError: an open file without content.
    """
    if isinstance(sound, Mapping):
        sound = _content(sound) or sound
    if isinstance(sound, str | os.PathLike):
        yield Path(sound)
        return
    if not (_is_file(sound) or isinstance(sound, bytes | bytearray)):
        raise TinyclapError(f"a sound is {type(sound).__name__}; expected a path, an array, bytes or an open file")
    if isinstance(sound, io.TextIOBase):
        raise TinyclapError("a sound is a file opened as text; open it with mode 'rb'")
    name = str(getattr(sound, "name", "bytes"))
    with tempfile.TemporaryDirectory(prefix="tinyclap-") as folder:
        path = Path(folder) / (Path(name).name if _is_file(sound) and Path(name).suffix else "bytes")
        with path.open("wb") as written:
            for piece in _pieces(sound):
                written.write(piece)
        if not path.stat().st_size:
            raise AudioError(name, "empty; was it read before?" if _is_file(sound) else "empty")
        yield path


def _pieces(sound: Any) -> Iterator[bytes]:
    """The content of an open file as it comes, or of bytes at once."""
    if not _is_file(sound):
        yield sound
        return
    while piece := sound.read(PIECE_BYTES):
        if isinstance(piece, str):
            raise TinyclapError("a sound is a file opened as text; open it with mode 'rb'")
        yield piece


def stretches(
    sound: Sound, sample_rate: float | None, own_rate: int, window: int, channel: int | None = None
) -> Iterator[np.ndarray]:
    """Consecutive pieces (n,) of a sound at `own_rate` Hz, of a window or more unless the sound is shorter.

    Raises:
        TinyclapError, AudioError: as `samples_of` and `as_file`, and of what cannot be used.
    """
    array = samples_of(sound, sample_rate, channel)
    if array is not None:
        yield mono(*array, own_rate)
        return
    with as_file(sound) as path:
        yield from read_chunks(path, own_rate, window, channel)


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


def _is_file(sound: object) -> bool:
    return callable(getattr(sound, "read", None))


def _on_cpu(sound: Any) -> Any:
    """A torch tensor in memory, without gradients, of a kind that numpy has; anything else as it is."""
    if not hasattr(sound, "detach"):
        return sound
    tensor = sound.detach().cpu()
    return tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor


def _content(sound: Mapping[str, Any]) -> str | bytes | None:
    """The bytes or the path of a sound that is not decoded yet; None where it has an array, or neither."""
    if sound.get("array") is not None:
        return None
    content: str | bytes | None = sound.get("bytes") or sound.get("path")
    return content


def _is_decoder(sound: object) -> bool:
    """Whether it is torchcodec's, which `datasets` hands over."""
    return callable(getattr(sound, "get_all_samples", None))


def _is_frames_by_channels(shape: tuple[int, ...]) -> bool:
    """Whether (T, channels) is meant rather than so many sounds: each of these would have a few samples only."""
    return 1 <= shape[1] <= MOST_CHANNELS and shape[0] > max(LEAST_SAMPLES, shape[1])


def _mono(samples: np.ndarray, channel: int | None) -> np.ndarray:
    """Samples (T,), (T, channels) or (channels, T) as mono (T,)."""
    if samples.ndim == 2 and min(samples.shape) == 1:
        samples = samples.reshape(-1)
    reason = several.missing(channel, 1) if samples.ndim == 1 and channel is not None else None
    if reason:
        raise TinyclapError(f"a sound of shape {samples.shape}: {reason}")
    if samples.ndim != 2 or not np.issubdtype(samples.dtype, np.floating):
        return samples  # what is wrong with it is said where it is used
    short, long = sorted(samples.shape)
    if short > MOST_CHANNELS or long < LEAST_SAMPLES:
        raise TinyclapError(
            f"a sound of shape {samples.shape}: neither axis is clearly that of channels; give mono samples (T,)"
        )
    frames = samples if samples.shape[1] == short else samples.T
    return several.mixed(frames, several.louder_of_opposite(frames) if channel is None else channel)
