"""The bytes of a sound for a browser's player: the file itself where any browser plays it, else WAV made as it goes.

A WAV of 16 bits is laid out by arithmetic alone, so that any span of its bytes is decoded by itself: seeking far into
hours of AIFF decodes what is played, and memory is that of a piece.
"""

import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyclap.audio.checks import AudioError
from tinyclap.audio.files import info, read_frames

AS_THEY_ARE = {
    "WAV/PCM_16": "audio/wav",
    "WAV/PCM_U8": "audio/wav",
    "MP3/MPEG_LAYER_III": "audio/mpeg",
    "OGG/VORBIS": "audio/ogg",
    "OGG/OPUS": "audio/ogg",
}
"""Media types of what browsers play and seek in, by libsndfile's encoding; a file that `rewritten` mends is none.

Chromium cannot seek in some short FLAC files without a seek table, so FLAC is decoded here.
"""

WAV = "audio/wav"
PIECE_BYTES = 2**16
HEADER_BYTES = 44
MOST_WAV_BYTES = 2**32 - 1  # its sizes are of 32 bits: 12 h of mono at 48 kHz
DECODING = 2  # pieces decoded at the same time, however many players wait

_turn = threading.BoundedSemaphore(DECODING)


@dataclass(frozen=True)
class Playable:
    """The sound of a file as bytes.

    Attributes:
        path: the file.
        media_type: of the bytes.
        size: of all bytes.
        tag: another one when the file has changed.
        decoded: whether the bytes are not the file's own.
    """

    path: Path
    media_type: str
    size: int
    tag: str
    decoded: bool
    sample_rate: int = 0
    channels: int = 0

    def pieces(self, first: int, last: int) -> Iterator[bytes]:
        """Bytes [first, last), piece by piece. Raises AudioError where they cannot be had."""
        return self._decoded(first, last) if self.decoded else self._copied(first, last)

    def _copied(self, first: int, last: int) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(first)
            while first < last:
                piece = file.read(min(PIECE_BYTES, last - first))
                if not piece:
                    raise AudioError(str(self.path), "became shorter while it was played")
                first += len(piece)
                yield piece

    def _decoded(self, first: int, last: int) -> Iterator[bytes]:
        frame_bytes, n_channels = 2 * self.channels, self.channels
        if first < HEADER_BYTES:
            yield _wav_header(self.size, self.sample_rate, n_channels)[first:last]
        begin, end = max(0, first - HEADER_BYTES), last - HEADER_BYTES
        if begin >= end:
            return
        frames = read_frames(self.path, begin // frame_bytes, -(-end // frame_bytes))
        skip, left = begin % frame_bytes, end - begin
        while left > 0:
            with _turn:
                chunk = next(frames, None)
            if chunk is None:  # libsndfile lacks a frame or two of some mp3: silence, so that the length holds
                yield bytes(left)
                return
            content = _as_16_bit(chunk, n_channels)  # empty where it is a lead-in
            piece = content[skip : skip + left]
            skip, left = max(0, skip - len(content)), left - len(piece)
            yield piece


def playable(path: Path, *, as_wav: bool = False) -> Playable:
    """What a browser gets to play of a file; with `as_wav` it is decoded in any case.

    Raises:
        AudioError: the file is missing, or no sound.
    """
    header = info(path)
    status = path.stat()
    tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}{"-wav" if as_wav else ""}"'
    media_type = AS_THEY_ARE.get(header.encoding)
    if media_type is not None and not as_wav:
        return Playable(path, media_type, status.st_size, tag, decoded=False)
    channels = header.channels if header.channels <= 2 else 1
    n_frames = min(round(header.duration_s * header.sample_rate), (MOST_WAV_BYTES - HEADER_BYTES) // (2 * channels))
    size = HEADER_BYTES + 2 * channels * n_frames
    return Playable(path, WAV, size, tag, True, header.sample_rate, channels)


def _wav_header(size: int, sample_rate: int, channels: int) -> bytes:
    """Of `size` bytes in all, 16 bits a sample."""
    form = struct.pack("<HHIIHH", 1, channels, sample_rate, sample_rate * 2 * channels, 2 * channels, 16)
    return struct.pack("<4sI4s4sI16s4sI", b"RIFF", size - 8, b"WAVE", b"fmt ", 16, form, b"data", size - HEADER_BYTES)


def _as_16_bit(chunk: np.ndarray, channels: int) -> bytes:
    """Samples (n, its channels) in [-1, 1] as little-endian 16 bits; more than two channels become their mean."""
    if chunk.shape[1] != channels:
        chunk = chunk.mean(axis=1, keepdims=True)
    scaled = np.nan_to_num(np.rint(chunk * 32768.0), nan=0.0, posinf=32767.0, neginf=-32768.0)
    return np.clip(scaled, -32768, 32767).astype("<i2").tobytes()
