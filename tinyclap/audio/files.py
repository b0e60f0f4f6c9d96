"""Audio files in, mono float32 waveforms out: read, resample, check and cut to length.

libsndfile decodes (wav, flac, ogg, mp3, opus, ...), channels are mixed down by their mean, soxr ("HQ") resamples.
A piece of a file and the same span of the whole file are the same samples (to 1e-6).
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from tinyclap.errors import TinyclapError

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".opus", ".aiff", ".aif", ".au", ".caf", ".w64")
SHORTEST_MS = 10
SILENT_PEAK = 3e-5  # just below one step of 16-bit audio, 2**-15
CHUNK_FRAMES = 2**16  # decoded at a time
MARGIN_S = 0.05  # decoded around a piece, longer than soxr's filter from 8 kHz upwards
# Decoded and dropped before a piece. After a seek libsndfile's mp3 is wrong for some frames (bit reservoir), and its
# Vorbis for the last Ogg page (<= 255 packets of 1024) is off by as much as the encoder trimmed from the end.
LEAD_IN_FRAMES = {"MP3": 2**14, "OGG": 2**18}
UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's length of a stream whose header names none
UNKNOWN_BYTES = 2**31 - 2**16  # from here up, a wav's size field is a recorder's placeholder
OGG_PAGE_BYTES = 2**16  # the longest page, 65,307 bytes, rounded up
OGG_LAST_PAGE = 4  # flag in a page's header (RFC 3533)


class AudioError(TinyclapError):
    """A file that cannot be used; `name` says which, `reason` why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)  # both, so that it can be pickled by a worker process
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says."""

    duration_s: float
    sample_rate: int  # Hz
    channels: int


def info(path: Path | str) -> AudioInfo:
    """Duration, sample rate and channels from the header. Raises AudioError as `read` does."""
    with _opened(path) as file:
        return AudioInfo(file.frames / file.samplerate, file.samplerate, file.channels)


def read(path: Path | str, sample_rate: int, start_s: float = 0.0, duration_s: float | None = None) -> np.ndarray:
    """The file, or `duration_s` of it from `start_s` on: float32 (T,), mono, at `sample_rate` Hz.

    Shorter than `duration_s` where the file ends before. Samples are as stored: NaN, silence and the like are left to
    `fault`. Raises AudioError when the file is missing, empty, truncated, no audio or ends before `start_s`, and
    TinyclapError for a sample rate or a span that is not positive.
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
        waveform = np.concatenate([_mono(chunk) for chunk in _decoded(file, first, last)])
        if file.samplerate != sample_rate:
            waveform = soxr.resample(waveform, file.samplerate, sample_rate, quality="HQ")
        offset = wanted - first * sample_rate // file.samplerate
    return waveform[offset:] if length is None else waveform[offset : offset + length]


def read_channels(path: Path | str) -> tuple[np.ndarray, int]:
    """The whole file as it is: float32 (T, channels), and its sample rate in Hz. Raises AudioError as `read` does."""
    with _opened(path) as file:
        return np.concatenate(list(_decoded(file, 0, file.frames))), file.samplerate


def fault(waveform: np.ndarray, sample_rate: int) -> str | None:
    """Why a waveform (T,) carries no sound: empty, shorter than 10 ms, NaN or infinite samples, silent; else None.

    A constant offset counts as silent, since the peak is taken about the mean.
    """
    reason = unusable(waveform, sample_rate)
    if reason:
        return reason
    peak = np.abs(waveform - waveform.mean(dtype=np.float64)).max()
    return "silent" if peak < SILENT_PEAK else None


def unusable(waveform: np.ndarray, sample_rate: int) -> str | None:
    """Why nothing can be computed from a waveform (T,): as `fault`, except that silence is a sound like any other."""
    if waveform.size == 0:
        return "empty"
    if waveform.size * 1000 < SHORTEST_MS * sample_rate:
        return f"shorter than {SHORTEST_MS} ms"
    return None if np.isfinite(waveform).all() else "NaN or infinite samples"


def repeat_pad(waveform: np.ndarray, length: int) -> np.ndarray:
    """The waveform (T,) repeated as a whole, then cut to exactly `length` samples."""
    if waveform.size == 0 or length <= 0:
        raise TinyclapError(f"cannot repeat a waveform of {waveform.size} samples to a length of {length}")
    return np.tile(waveform, -(-length // len(waveform)))[:length]


class _Forward(soundfile.SoundFile):
    """A file without soundfile's seek after every read, which upsets mp3 decoding."""

    def seekable(self) -> bool:
        return False


@contextmanager
def _opened(path: Path | str) -> Iterator[soundfile.SoundFile]:
    """The open file; libsndfile's errors while it is open become AudioError."""
    name = str(path)
    if not Path(path).is_file():
        raise AudioError(name, "is a folder" if Path(path).is_dir() else "no such file")
    if not Path(path).stat().st_size:
        raise AudioError(name, "empty")
    try:
        with _Forward(name) as file:
            reason = _damage(file)
            if reason:
                raise AudioError(name, reason)
            yield file
    except UnicodeEncodeError as error:  # soundfile's, of a name with bytes of another encoding
        raise AudioError(name, "its name is not valid UTF-8; rename it") from error
    except soundfile.LibsndfileError as error:
        message = error.error_string.removeprefix("Error : ")
        # libsndfile says so of an mp3 without any frame, though the file lies there.
        reason = "libsndfile finds no audio in it" if message.startswith("File does not exist") else message
        raise AudioError(name, f"cannot be decoded: {reason}") from error


def _damage(file: soundfile.SoundFile) -> str | None:
    """What is wrong with an opened file: libsndfile shortens truncated wav and Ogg files without an error."""
    if file.frames == 0:
        return "empty"
    if file.frames == UNKNOWN_FRAMES:
        return "its header does not say how long it is; re-encode it, e.g. with ffmpeg"
    sizes = re.search(r"^\s*(?:data|SSND|Data Size|riff) *: (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if sizes and int(sizes[2]) < int(sizes[1]) < UNKNOWN_BYTES:
        return f"truncated: holds {sizes[2]} of {sizes[1]} bytes"
    if file.format == "OGG":
        with Path(file.name).open("rb") as raw:
            raw.seek(max(0, Path(file.name).stat().st_size - OGG_PAGE_BYTES))
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
            raise AudioError(str(file.name), f"truncated or damaged: {found} of {file.frames} frames can be decoded")
        yield chunk[max(0, first - start) :]


def _mono(chunk: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):  # infinite samples are reported by `fault`
        return chunk.mean(axis=1)


def _check_positive(**settings: float | None) -> None:
    for name, value in settings.items():
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise TinyclapError(f"{name} is {value}: it must be above 0")
