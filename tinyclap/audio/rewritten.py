"""Files that libsndfile does not read to their end, or not at all, rewritten so that it does.

- Ogg and Opus of several streams one after the other (RFC 3533: chained), as radio recordings are: libsndfile plays
  the first. MP3 files that were joined: it stops where the first one's header says.
- WAV whose recorder lost power: the header says 0 bytes, or fewer than there are.
- Streams whose header does not say how long they are.
- Formats that it does not know, see `media`.

They are written once in a process, as WAV in a temporary folder; the newest few are kept.
"""

import atexit
import functools
import io
import mmap
import os
import shutil
import struct
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from tinyclap.audio.checks import AudioError
from tinyclap.audio.formats import RAW_SUFFIXES
from tinyclap.audio.media import TARGET, decode_media
from tinyclap.common.files import LFS_POINTER, NOT_FETCHED

UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's length of a stream whose header names none
KEPT = 8
LEAST_BYTES = 1000  # of samples that a header forgot
TAGS = (b"ID3", b"TAG")
MOST_KNOWN = 1000
CHUNK_FRAMES = 2**16
OGG_FIRST_PAGE = 2  # flag in a page's header (RFC 3533)
ID3V1_BYTES = 128
HEADERLESS = (
    "has no header; `tinyclap listen --file FILE --raw-rate HZ` takes it as it is; else convert it, e.g. "
    "`ffmpeg -f s16le -ar RATE -ac 1 -i FILE sound.wav`, or give its samples as an "
    "array with their sample rate"
)

Rewrite = Callable[[Path, Path], None]
"""Writes the sound of a file into another one."""

_lock = threading.Lock()
_known: dict[tuple[str, int, int], Path | None] = {}
_folder: Path | None = None


class Forward(soundfile.SoundFile):
    """A file without soundfile's seek after every read, which upsets mp3 and streams of unknown length."""

    def seekable(self) -> bool:
        return False


def readable(path: Path) -> Path:
    """The file itself if libsndfile reads all of it, else one with the same sound that it does.

    Raises:
        AudioError: nothing here can decode it.
    """
    status = path.stat()
    key = str(path.resolve()), status.st_size, status.st_mtime_ns
    with _lock:
        if key not in _known:
            rewrite = _rewriting(path)
            made = None
            if rewrite is not None:
                made = _place()
                try:
                    rewrite(path, made)
                except BaseException:
                    made.unlink(missing_ok=True)
                    raise
            _known[key] = made
            while sum(place is not None for place in _known.values()) > KEPT:
                oldest = next(name for name, place in _known.items() if place is not None)
                _known.pop(oldest).unlink(missing_ok=True)  # type: ignore[union-attr]
            for name in [name for name, place in _known.items() if place is None][:-MOST_KNOWN]:
                del _known[name]
        return _known[key] or path


def _place() -> Path:
    global _folder
    if _folder is None:
        _folder = Path(tempfile.mkdtemp(prefix="tinyclap-"))
        atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    descriptor, name = tempfile.mkstemp(suffix=".wav", dir=_folder)
    os.close(descriptor)
    return Path(name)


def _rewriting(path: Path) -> Rewrite | None:
    """How a file has to be written anew; None if it has not."""
    with path.open("rb") as stream:
        head = stream.read(len(LFS_POINTER))
    if head == LFS_POINTER:
        raise AudioError(str(path), NOT_FETCHED)
    if head[:4] == b"OggS":
        return _joining(_ogg_links(path))
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE" and _unfinished_wav(path):
        return _finish_wav
    joining = _joining(_mp3_parts(path)) if head[:3] == b"ID3" or _is_frame(head, 0) else None
    if joining is not None:
        return joining
    try:
        with soundfile.SoundFile(str(path)) as file:
            return _copy if file.frames == UNKNOWN_FRAMES else None
    except TypeError as error:  # soundfile's, of a suffix that says that there is no header
        raise AudioError(str(path), HEADERLESS) from error
    except UnicodeEncodeError:
        return None  # said where it is opened
    except soundfile.LibsndfileError as error:
        if path.suffix.lower() in RAW_SUFFIXES:
            raise AudioError(str(path), HEADERLESS) from error
        return decode_media if "recogni" in error.error_string or "nimplemented" in error.error_string else None


# ---- Ogg


def _ogg_links(path: Path) -> list[int]:
    """Where the streams that follow one another begin, in bytes."""
    starts: list[int] = []
    with path.open("rb") as stream:
        place, was_first = 0, False
        while len(header := stream.read(27)) == 27 and header[:4] == b"OggS":
            is_first = bool(header[5] & OGG_FIRST_PAGE)
            if is_first and not was_first:  # streams that are played together begin together
                starts.append(place)
            was_first = is_first
            sizes = stream.read(header[26])
            place += 27 + len(sizes) + sum(sizes)
            stream.seek(place)
    return starts


# ---- MP3


def _mp3_parts(path: Path) -> list[int]:
    """Where the files that were joined begin, in bytes, as the headers (Xing, Info) of each say how long it is."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _joined_at(content)


def _joined_at(content: mmap.mmap) -> list[int]:
    starts, place = [0], _after_id3(content, 0)
    while (length := _xing_bytes(content, place)) is not None:
        place += length
        if content[place : place + 3] == b"TAG":
            place += ID3V1_BYTES
        audio = _after_id3(content, place)
        if not _is_frame(content, audio):
            break
        starts.append(place)
        place = audio
    return starts


def _after_id3(content: mmap.mmap, place: int) -> int:
    if content[place : place + 3] != b"ID3" or len(content) < place + 10:
        return place
    size = 0
    for byte in content[place + 6 : place + 10]:
        size = size << 7 | byte & 127
    return place + 10 + size


def _is_frame(content: bytes | mmap.mmap, place: int) -> bool:
    return len(content) > place + 4 and content[place] == 0xFF and content[place + 1] & 0xE0 == 0xE0


def _xing_bytes(content: mmap.mmap, place: int) -> int | None:
    """Bytes of the stream that begins with a Xing or Info frame here; None without one, or if it does not say."""
    if not _is_frame(content, place):
        return None
    for offset in (36, 21, 13):  # MPEG 1 stereo, mono or MPEG 2 stereo, MPEG 2 mono
        tag = content[place + offset : place + offset + 16]
        if tag[:4] in (b"Xing", b"Info"):
            flags = int.from_bytes(tag[4:8], "big")
            if not flags & 2:
                return None
            at = 12 if flags & 1 else 8
            return int.from_bytes(tag[at : at + 4], "big") or None
    return None


# ---- WAV


def _chunks(stream: io.BufferedIOBase, size: int) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a RIFF file: name, where its content begins, and the length that it states."""
    place = 12
    while place + 8 <= size:
        stream.seek(place)
        name, length = struct.unpack("<4sI", stream.read(8))
        yield name, place + 8, length
        place += 8 + length + length % 2


def _unfinished_wav(path: Path) -> bool:
    """Whether more samples follow than the header says: none, or what follows them is no chunk."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        chunks = _chunks(stream, size)
        for name, start, length in chunks:
            if name == b"data":
                stream.seek(4)
                stated = int.from_bytes(stream.read(4), "little") + 8
                # A finished file's header counts all of it, whatever stands behind the samples.
                return (
                    size - start > max(length, LEAST_BYTES) and stated < size and not _is_chunk(stream, start + length)
                )
    return False


def _is_chunk(stream: io.BufferedIOBase, place: int) -> bool:
    """Whether a chunk or a tag begins here or, padded, a byte further, or nothing but zeros follows."""
    stream.seek(place)
    rest = stream.read(CHUNK_FRAMES)
    names = [name for name in (rest[:4], rest[1:5]) if len(name) == 4]
    return not any(rest) or any(all(32 <= byte < 127 for byte in name) or name[:3] in TAGS for name in names)


def _finish_wav(path: Path, target: Path) -> None:
    """With the sizes that the file has."""
    size = path.stat().st_size
    with path.open("rb") as stream, target.open("wb") as written:
        start = next(start for name, start, _ in _chunks(stream, size) if name == b"data")
        stream.seek(0)
        header = bytearray(stream.read(start))
        header[4:8] = min(size - 8, 0xFFFFFFFF).to_bytes(4, "little")
        header[start - 4 : start] = min(size - start, 0xFFFFFFFF).to_bytes(4, "little")
        written.write(header)
        shutil.copyfileobj(stream, written)
    warnings.warn(f"{path}: its header was never finished; all that follows it is taken for samples", stacklevel=2)


# ---- writing


def _joining(starts: list[int]) -> Rewrite | None:
    """How parts that begin at these bytes become one; None for a single one."""
    return functools.partial(_join, starts) if len(starts) > 1 else None


def _copy(path: Path, target: Path) -> None:
    with Forward(str(path)) as file:
        _write(_blocks(file), file.samplerate, file.channels, target)


def _join(starts: list[int], path: Path, target: Path) -> None:
    """The sounds of parts, each a file of its own, one after the other: at the rate and channels of the first."""
    content = path.read_bytes()
    parts = [content[first:last] for first, last in zip(starts, [*starts[1:], len(content)], strict=True)]

    def sounds() -> Iterator[np.ndarray]:
        for number, part in enumerate(parts, start=1):
            try:
                with Forward(io.BytesIO(part)) as file:
                    yield from _fitted(file, rate, channels)
            except soundfile.LibsndfileError as error:
                reason = f"part {number} of {len(parts)} cannot be decoded: {error.error_string}"
                raise AudioError(str(path), reason) from error

    try:
        with soundfile.SoundFile(io.BytesIO(parts[0])) as first:
            rate, channels = first.samplerate, first.channels
    except soundfile.LibsndfileError as error:
        raise AudioError(str(path), f"cannot be decoded: {error.error_string}") from error
    _write(sounds(), rate, channels, target)


def _fitted(file: soundfile.SoundFile, rate: int, channels: int) -> Iterator[np.ndarray]:
    """All of a file at another rate and in another number of channels, float32 (n, channels)."""
    resampler = soxr.ResampleStream(file.samplerate, rate, channels, dtype="float32", quality="HQ")
    for block in _blocks(file):
        if block.shape[1] != channels:
            block = np.repeat(block.mean(axis=1, keepdims=True), channels, axis=1)
        yield block if file.samplerate == rate else resampler.resample_chunk(block)
    if file.samplerate != rate:
        yield resampler.resample_chunk(np.empty((0, channels), np.float32), last=True)


def _blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """All that can be decoded, float32 (n, channels)."""
    while len(block := file.read(CHUNK_FRAMES, dtype="float32", always_2d=True)):
        yield block


def _write(blocks: Iterator[np.ndarray], rate: int, channels: int, target: Path) -> None:
    with soundfile.SoundFile(str(target), "w", rate, channels, **TARGET) as written:
        for block in blocks:
            written.write(block)
