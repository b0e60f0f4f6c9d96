"""Files that libsndfile does not read to their end, or not at all, rewritten so that it does.

- Files that were joined to one (`joined`): libsndfile plays the first of them.
- MP3 that does not say how long it is (`mp3`): libsndfile guesses, and stops there.
- Headers that were never finished (`unfinished`): they say 0 bytes, or fewer than there are.
- Streams whose header does not say how long they are.
- Formats that it does not know, or a kind of a known one that it cannot decode, see `media`.

They are written once in a process, in a temporary folder; the newest few are kept.
"""

import functools
import mmap
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.util import Finalize
from pathlib import Path

import numpy as np
import soundfile
import soxr

from tinyclap.audio import joined, mp3, unfinished
from tinyclap.audio.av_process import TARGET
from tinyclap.audio.checks import AudioError
from tinyclap.audio.formats import RAW_SUFFIXES
from tinyclap.audio.joined import Content, Part
from tinyclap.audio.media import media_or
from tinyclap.common.files import LFS_POINTER, NOT_FETCHED

UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's length of a stream whose header names none
SPARE_FRAMES = 2 * 1152  # of MP3, which a stream that begins inside a frame lacks at its end
KEPT = 8
MOST_KNOWN = 1000
CHUNK_FRAMES = 2**16
HEADED = (b"RIFF", b"RIFX", b"RF64", b"OggS", b"fLaC", b"FORM", b".snd", b"caff", b"ID3\x03", b"ID3\x04")
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


def _forget() -> None:
    """In a fork: files of another process, and a lock that a thread of it may hold."""
    global _lock, _folder
    _lock, _folder = threading.Lock(), None
    _known.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


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


def spare_frames(file: soundfile.SoundFile) -> int:
    """By how many frames fewer than its header says may be decoded of a file that is whole."""
    return SPARE_FRAMES if file.format == "MP3" or file.subtype.startswith("MPEG_LAYER") else 0


def _place() -> Path:
    global _folder
    if _folder is None:
        _folder = Path(tempfile.mkdtemp(prefix="tinyclap-"))
        # At the end of workers of multiprocessing too, and never of a fork.
        Finalize(None, shutil.rmtree, (_folder,), {"ignore_errors": True}, exitpriority=-1)
    descriptor, name = tempfile.mkstemp(suffix=".wav", dir=_folder)
    os.close(descriptor)
    return Path(name)


def _rewriting(path: Path) -> Rewrite | None:
    """How a file has to be written anew; None if it has not."""
    with path.open("rb") as stream:
        content = Content(stream)
        head = content.at(0, len(LFS_POINTER))
        if head == LFS_POINTER:
            raise AudioError(str(path), NOT_FETCHED)
        parts, patches = joined.parts(content), unfinished.patches(content)
    if len(parts) > 1:
        return functools.partial(_join, parts)
    if patches:
        return functools.partial(_finish, patches)
    rewrite = _of_mp3(path, begins=True)
    if rewrite is not None:
        return rewrite
    if path.suffix.lower() == ".raw" and head.startswith(HEADED):  # soundfile goes by this suffix
        return _as_it_is
    try:
        with soundfile.SoundFile(str(path)) as file:
            frames, format = file.frames, file.format
    except TypeError as error:  # soundfile's, of a suffix that says that there is no header
        raise AudioError(str(path), HEADERLESS) from error
    except UnicodeEncodeError:
        return None  # said where it is opened
    except soundfile.LibsndfileError as error:
        if path.suffix.lower() in RAW_SUFFIXES:
            raise AudioError(str(path), HEADERLESS) from error
        return media_or(error.error_string)
    if format == "MP3":
        return _of_mp3(path, begins=False)
    return _copy if frames == UNKNOWN_FRAMES else None


def _of_mp3(path: Path, *, begins: bool) -> Rewrite | None:
    """How an MP3 that was joined, or does not say how long it is, is written anew; else None.

    With `begins` only one whose frames stand at the beginning: of others libsndfile says that they are MP3.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if begins and not mp3.begins(content):
            return None
        parts, damaged = mp3.parts(content)
    if damaged:
        warnings.warn(f"{path}: {damaged} bytes of it are damaged; the rest is heard", stacklevel=2)
    if len(parts) > 1:
        return functools.partial(_join, parts)
    return functools.partial(_cut, parts[0]) if parts[0].before else None


def _as_it_is(path: Path, target: Path) -> None:
    shutil.copyfile(path, target)


def _finish(patches: unfinished.Patches, path: Path, target: Path) -> None:
    """The file with these bytes of its header in place of those that it has."""
    shutil.copyfile(path, target)
    with target.open("r+b") as written:
        for place, content in patches:
            written.seek(place)
            written.write(content)
    warnings.warn(f"{path}: its header was never finished; all that follows it is taken for samples", stacklevel=2)


def _cut(part: Part, path: Path, target: Path) -> None:
    """A part of a file as a file of its own."""
    with path.open("rb") as stream, target.open("wb") as written:
        written.write(part.before)
        stream.seek(part.start)
        left = part.end - part.start
        while left > 0 and (piece := stream.read(min(left, joined.BLOCK_BYTES))):
            written.write(piece)
            left -= len(piece)


def _copy(path: Path, target: Path) -> None:
    with Forward(str(path)) as file, _written(file, target) as written:
        for block in _blocks(file):
            written.write(block)


def _join(parts: list[Part], path: Path, target: Path) -> None:
    """The sounds of parts, each a file of its own, one after the other: at the rate and channels of the first."""
    written: soundfile.SoundFile | None = None
    try:
        for number, part in enumerate(parts, start=1):
            try:
                with _alone(part, path) as alone, Forward(str(alone)) as file:
                    written = written or _written(file, target)
                    for block in _fitted(file, written.samplerate, written.channels):
                        written.write(block)
            except (soundfile.LibsndfileError, AudioError) as error:
                reason = error.reason if isinstance(error, AudioError) else error.error_string
                raise AudioError(
                    str(path), f"part {number} of {len(parts)} cannot be decoded: {reason.removeprefix('Error : ')}"
                ) from error
    finally:
        if written is not None:
            written.close()


@contextmanager
def _alone(part: Part, path: Path) -> Iterator[Path]:
    """A part as a file that libsndfile reads, gone afterwards."""
    places = [_place()]
    try:
        _cut(part, path, places[0])
        rewrite = _rewriting(places[0])
        if rewrite is not None:
            places.append(_place())
            rewrite(places[0], places[1])
        yield places[-1]
    finally:
        for place in places:
            with suppress(FileNotFoundError):
                place.unlink()


def _written(like: soundfile.SoundFile, target: Path) -> soundfile.SoundFile:
    return soundfile.SoundFile(str(target), "w", like.samplerate, like.channels, **TARGET)


def _fitted(file: soundfile.SoundFile, rate: int, channels: int) -> Iterator[np.ndarray]:
    """All of a file at another rate and in another number of channels, float32 (n, channels)."""
    resampler = soxr.ResampleStream(file.samplerate, rate, channels, dtype="float32", quality="HQ")
    found = 0
    for block in _blocks(file):
        found += len(block)
        if block.shape[1] != channels:
            block = np.repeat(block.mean(axis=1, keepdims=True), channels, axis=1)
        yield block if file.samplerate == rate else resampler.resample_chunk(block)
    if file.samplerate != rate:
        yield resampler.resample_chunk(np.empty((0, channels), np.float32), last=True)
    if UNKNOWN_FRAMES > file.frames > found + spare_frames(file):
        raise AudioError(str(file.name), f"truncated or damaged: {found} of {file.frames} frames can be decoded")


def _blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """All that can be decoded, float32 (n, channels); nothing is asked for beyond the end, where FLAC's decoder fails.

    A header that names no length has UNKNOWN_FRAMES.
    """
    left = file.frames
    while left > 0 and len(block := file.read(min(left, CHUNK_FRAMES), dtype="float32", always_2d=True)):
        left -= len(block)
        yield block
