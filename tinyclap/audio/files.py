"""Audio files in, mono float32 waveforms out: read, resample, check and cut to length.

libsndfile decodes (wav, flac, ogg, mp3, opus, ...), with help for what it does not read to the end (`rewritten`);
channels are mixed down by their mean, soxr ("HQ") resamples.
A piece of a file and the same span of the whole file are the same samples (to 1e-6).
"""

import functools
import math
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from tinyclap.audio import channels as several
from tinyclap.audio.checks import AudioError, WrongSamplesError, wrong_rate, wrong_samples
from tinyclap.audio.media import in_words
from tinyclap.audio.rewritten import Forward, readable, spare_frames
from tinyclap.common.files import is_file
from tinyclap.errors import TinyclapError

CHUNK_FRAMES = 2**16  # decoded at a time
JUDGED_S = 10.0  # of a file, whether its channels cancel
MARGIN_S = 0.05  # decoded around a piece, longer than soxr's filter from 8 kHz upwards
# Decoded and dropped before a piece. After a seek libsndfile's mp3 is wrong for some frames (bit reservoir), and its
# Vorbis for the last Ogg page (<= 255 packets of 1024) is off by as much as the encoder trimmed from the end.
LEAD_IN_FRAMES = {"MP3": 2**14, "OGG": 2**18}
LONGEST_H = 24 * 7
UNKNOWN_BYTES = 2**31 - 2**16  # from here up, a wav's size field is a recorder's placeholder
OGG_PAGE_BYTES = 2**16  # the longest page, 65,307 bytes, rounded up
OGG_LAST_PAGE = 4  # flag in a page's header (RFC 3533)


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says."""

    duration_s: float
    sample_rate: int  # Hz
    channels: int
    encoding: str = ""  # of what is decoded, in libsndfile's words, e.g. "WAV/PCM_16"


def info(path: Path | str) -> AudioInfo:
    """Duration, sample rate, channels and encoding from the header. Raises AudioError as `read` does."""
    with _opened(path) as file:
        encoding = f"{file.format}/{file.subtype}"
        return AudioInfo(file.frames / file.samplerate, file.samplerate, file.channels, encoding)


def read(
    path: Path | str,
    sample_rate: int,
    start_s: float = 0.0,
    duration_s: float | None = None,
    channel: int | None = None,
) -> np.ndarray:
    """The file, or `duration_s` of it from `start_s` on: float32 (T,), mono, at `sample_rate` Hz.

    Shorter than `duration_s` where the file ends before. Of several channels it is the mean, the louder one of two that
    would cancel each other, or the one that `channel` names, counted from 1. Silence is left to `checks.fault`.

    Raises:
        AudioError: the file is missing, empty, truncated, no audio, ends before `start_s`, lacks the channel, or holds
            NaN, infinite or huge samples.
        TinyclapError: a sample rate or a span that is not positive.
    """
    _check_positive(sample_rate=sample_rate, duration_s=duration_s)
    if not (start_s >= 0 and math.isfinite(start_s)):
        raise TinyclapError(f"start_s is {start_s}: it must be 0 or more")
    with _opened(path) as file:
        wanted = round(start_s * sample_rate)
        if start_s >= file.frames / file.samplerate:
            raise AudioError(str(path), f"lasts {file.frames / file.samplerate:g} s, nothing at {start_s:g} s")
        # Input and output samples coincide every `period` input frames; starting there keeps the whole file's grid.
        period = file.samplerate // math.gcd(file.samplerate, sample_rate)
        first = max(0, int((start_s - MARGIN_S) * file.samplerate)) // period * period
        last, length = file.frames, None
        if duration_s is not None:
            length = max(1, round(duration_s * sample_rate))
            last = min(last, math.ceil((start_s + duration_s + MARGIN_S) * file.samplerate))
        reason = None if channel is None else several.missing(channel, file.channels)
        if reason:
            raise AudioError(str(path), reason)
        one = _one_channel(Path(path), file.channels) if channel is None else channel
        chunks = [several.mixed(chunk, one) for chunk in _decoded(file, first, last)]
        waveform = np.concatenate(chunks or [np.empty(0, np.float32)])
        wrong = wrong_samples(waveform, file.samplerate, first / file.samplerate)
        if wrong:
            raise WrongSamplesError(str(path), wrong)
        if file.samplerate != sample_rate:
            waveform = soxr.resample(waveform, file.samplerate, sample_rate, quality="HQ")
        offset = wanted - first * sample_rate // file.samplerate
    return waveform[offset:] if length is None else waveform[offset : offset + length]


def read_channels(path: Path | str) -> tuple[np.ndarray, int]:
    """The whole file as it is: float32 (T, channels), and its sample rate in Hz. Raises AudioError as `read` does."""
    with _opened(path) as file:
        return np.concatenate(list(_decoded(file, 0, file.frames))), file.samplerate


def read_frames(path: Path | str, first: int, last: int) -> Iterator[np.ndarray]:
    """Frames [first, last) of a file as they are, piece by piece: float32 (n, channels) at its own rate.

    No piece is longer than 2**16 frames, whatever is asked for. Raises AudioError as `read` does, at the first piece or
    where the damage lies.
    """
    with _opened(path) as file:
        yield from _decoded(file, first, min(last, file.frames))


def repeat_pad(waveform: np.ndarray, length: int) -> np.ndarray:
    """The waveform (T,) repeated as a whole, then cut to exactly `length` samples."""
    if waveform.size == 0 or length <= 0:
        raise TinyclapError(f"cannot repeat a waveform of {waveform.size} samples to a length of {length}")
    return np.tile(waveform, -(-length // len(waveform)))[:length]


def no_file(path: Path | str) -> str:
    """Why a path is no file that can be read."""
    if os.path.isdir(path):
        return "is a folder"
    if os.path.exists(path):
        return "is a pipe or a device; `tinyclap listen --file` and `classify` take one, or write it to a file"
    return "is a link to what is not there" if os.path.islink(path) else "no such file"


@contextmanager
def _opened(path: Path | str) -> Iterator[soundfile.SoundFile]:
    """The open file; libsndfile's errors while it is open become AudioError."""
    name = str(path)
    if not is_file(Path(path)):
        raise AudioError(name, no_file(path))
    if not Path(path).stat().st_size:
        raise AudioError(name, "empty")
    try:
        source = readable(Path(path))
        with Forward(str(source)) as file:
            reason = wrong_rate(file.samplerate) or _damage(file, source)
            if reason:
                raise AudioError(name, reason)
            yield file
    except UnicodeEncodeError as error:  # soundfile's, of a name with bytes of another encoding
        raise AudioError(name, "its name is not valid UTF-8; rename it") from error
    except soundfile.LibsndfileError as error:
        raise AudioError(name, f"cannot be decoded: {in_words(error.error_string)}") from error
    except (OSError, RuntimeError, ValueError, TypeError, MemoryError) as error:  # whatever else a decoder raises
        raise AudioError(name, f"cannot be decoded: {error or type(error).__name__}") from error


def _damage(file: soundfile.SoundFile, path: Path) -> str | None:
    """What is wrong with an opened file: libsndfile shortens truncated wav and Ogg files without an error."""
    if file.frames == 0:
        return "empty"
    if file.frames > LONGEST_H * 3600 * file.samplerate:
        return (
            f"its header says that it lasts {file.frames / file.samplerate / 3600:.0f} h; cut it, {LONGEST_H} h at most"
        )
    sizes = re.search(r"^\s*(?:data|SSND|Data Size|riff) *: (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if sizes and int(sizes[2]) < int(sizes[1]) < UNKNOWN_BYTES:
        return f"truncated: holds {sizes[2]} of {sizes[1]} bytes"
    if file.format == "OGG":
        with path.open("rb") as raw:
            raw.seek(max(0, path.stat().st_size - OGG_PAGE_BYTES))
            tail = raw.read()
        page = tail.rfind(b"OggS")
        if 0 <= page < len(tail) - 5 and not tail[page + 5] & OGG_LAST_PAGE:
            return "truncated: the last Ogg page is missing"
    return None


def _decoded(file: soundfile.SoundFile, first: int, last: int) -> Iterator[np.ndarray]:
    """Frames [first, last) as float32 chunks (n, channels), so that no header can ask for more memory than a chunk.

    libsndfile skips what it cannot decode of Ogg and mp3; it shows as frames that are missing in the end.
    """
    seek_to = max(0, first - LEAD_IN_FRAMES.get(file.format, 0))
    if seek_to:
        file.seek(seek_to)
    for start in range(seek_to, last, CHUNK_FRAMES):
        wanted = min(CHUNK_FRAMES, last - start)
        chunk = file.read(wanted, dtype="float32", always_2d=True)
        if len(chunk) < wanted:
            found = start + len(chunk)
            if last == file.frames and file.frames - found <= spare_frames(file):
                yield chunk[max(0, first - start) :]
                return
            raise AudioError(str(file.name), f"truncated or damaged: {found} of {file.frames} frames can be decoded")
        yield chunk[max(0, first - start) :]


def _one_channel(path: Path, channels: int) -> int | None:
    """The channel that stands for a file whose channels would cancel one another, by its beginning; else None."""
    if channels == 1:
        return None
    status = path.stat()
    return _loudest_of_opposite(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1000)
def _loudest_of_opposite(path: Path, *_: int) -> int | None:
    with _opened(path) as file:
        last = min(file.frames, round(JUDGED_S * file.samplerate))
        beginning = np.concatenate(list(_decoded(file, 0, last)) or [np.zeros((1, 2), np.float32)])
    louder = several.louder_of_opposite(beginning)
    if louder is not None:
        warnings.warn(f"{path}: {several.WARNING.format(louder)}", stacklevel=2)
    return louder


def _check_positive(**settings: float | None) -> None:
    for name, value in settings.items():
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise TinyclapError(f"{name} is {value}: it must be above 0")
