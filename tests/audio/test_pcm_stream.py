"""Streams of samples: what libsndfile reads of the same bytes, however these are cut."""

import io
import struct
import tracemalloc
from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np
import pytest
import soundfile

from tinyclap.audio.checks import AudioError
from tinyclap.audio.pcm_stream import FORMATS, MOST_BYTES, SampleFormat, blocks_of
from tinyclap.errors import TinyclapError

RATE = 16_000
SOUND = np.random.default_rng(0).uniform(-1, 1, (4_001, 2))


class InPieces(io.RawIOBase):
    """A pipe that gives so many bytes at a time, and cannot seek."""

    def __init__(self, content: bytes, piece: int) -> None:
        self.content, self.piece, self.asked = content, piece, 0

    def readable(self) -> bool:
        return True

    def read1(self, count: int) -> bytes:
        self.asked += 1
        assert count <= MOST_BYTES
        size = min(count, self.piece)
        taken, self.content = self.content[:size], self.content[size:]
        return taken


def wav(subtype: str, container: str = "WAV", sound: np.ndarray = SOUND) -> bytes:
    made = io.BytesIO()
    soundfile.write(made, sound, RATE, format=container, subtype=subtype)
    return made.getvalue()


def heard(content: bytes, piece: int = 1000, raw: SampleFormat | None = None) -> tuple[int, np.ndarray]:
    rate, blocks = blocks_of(cast(BinaryIO, InPieces(content, piece)), "stdin", raw)
    return rate, np.concatenate(list(blocks))


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_wav_is_what_libsndfile_reads(container: str, subtype: str) -> None:
    content = wav(subtype, container)
    rate, samples = heard(content)
    assert rate == RATE
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, soundfile.read(io.BytesIO(content), dtype="float32")[0])


@pytest.mark.parametrize("piece", [1, 3, 7, 4096, 10**6])
def test_pieces_may_end_within_a_frame_or_the_header(piece: int) -> None:
    content = wav("PCM_24")
    np.testing.assert_array_equal(heard(content, piece)[1], heard(content)[1])


def unfinished(content: bytes, size: int) -> bytes:
    place = content.index(b"data")
    return (
        content[:4] + struct.pack("<I", size) + content[8 : place + 4] + struct.pack("<I", size) + content[place + 8 :]
    )


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_header_that_nobody_finished(size: int) -> None:
    content = wav("PCM_16")
    np.testing.assert_array_equal(heard(unfinished(content, size))[1], heard(content)[1])


@pytest.mark.parametrize(
    "chunk", [b"LIST" + struct.pack("<I", 5) + b"INFO!\0", b"junk" + struct.pack("<I", 3000) + bytes(3000)]
)
def test_other_chunks_are_passed_over(chunk: bytes) -> None:
    content = wav("PCM_16")
    place = content.index(b"data")
    between = content[:12] + chunk + content[12:place] + chunk + content[place:] + chunk
    np.testing.assert_array_equal(heard(between)[1], heard(content)[1])


@pytest.mark.parametrize("size", [41, 60, 1001])
def test_a_format_of_any_size(size: int) -> None:
    content = wav("PCM_16")
    padded = content[20:36] + bytes(size - 16 + size % 2)
    longer = content[:16] + struct.pack("<I", size) + padded + content[content.index(b"data") :]
    np.testing.assert_array_equal(heard(longer)[1], heard(content)[1])


def test_a_format_of_four_gibibytes_is_not_held() -> None:
    class Zeros(InPieces):
        left = 2**27

        def read1(self, count: int) -> bytes:
            if self.content:
                return super().read1(count)
            count = min(count, self.left)
            self.left -= count
            return bytes(count)

    content = wav("PCM_16")
    stream = Zeros(content[:16] + b"\xff\xff\xff\xff" + content[20:36], MOST_BYTES)
    tracemalloc.start()
    try:
        with pytest.raises(AudioError, match="whose header ends before its samples"):
            blocks_of(cast(BinaryIO, stream), "stdin")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert stream.left == 0


@pytest.mark.parametrize("encoding", FORMATS)
def test_bare_samples(encoding: str) -> None:
    steps = {"u8": "u1", "s16": "i2", "s32": "i4", "f32": "f4", "f64": "f8"}
    kind, order = encoding.removesuffix("le").removesuffix("be"), ">" if encoding.endswith("be") else "<"
    if kind == "s24":
        values = np.round(SOUND[:, 0] * 2**23).clip(-(2**23), 2**23 - 1).astype(f"{order}i4")
        kept = slice(0, 3) if order == "<" else slice(1, 4)
        content, expected = values.view(np.uint8).reshape(-1, 4)[:, kept].tobytes(), values / 2**23
    elif kind.startswith("f"):
        expected = SOUND[:, 0].astype(f"{order}{steps[kind]}")
        content = expected.tobytes()
    else:
        bits, middle = int(kind[1:]), 128 if kind == "u8" else 0
        whole = np.round(SOUND[:, 0] * 2 ** (bits - 1)).clip(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        content, expected = (whole + middle).astype(f"{order}{steps[kind]}").tobytes(), whole / 2 ** (bits - 1)
    rate, samples = heard(content, 5, SampleFormat(48_000, encoding))
    assert rate == 48_000
    np.testing.assert_allclose(samples[:, 0], expected.astype(np.float32), atol=1e-9)


def test_channels_of_bare_samples_and_half_a_frame_at_the_end() -> None:
    content = (SOUND * 32767).astype("<i2").tobytes() + b"\x01\x02\x03"
    _, samples = heard(content, 11, SampleFormat(RATE, "s16le", 2))
    np.testing.assert_array_equal(samples, (SOUND * 32767).astype("<i2").astype(np.float32) / 32768)


def test_blocks_come_before_the_stream_ends() -> None:
    def endless() -> Iterator[bytes]:
        yield unfinished(wav("PCM_16"), 0xFFFFFFFF)
        while True:
            yield bytes(1000)

    class Endless(InPieces):
        def read1(self, count: int) -> bytes:
            while len(self.content) < count:
                self.content += next(source)
            return super().read1(count)

    source = endless()
    _, blocks = blocks_of(cast(BinaryIO, Endless(b"", 1000)), "stdin")
    sizes = [len(next(blocks)) for _ in range(100)]
    assert sizes[1:] == [250] * 99


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "stdin: ends before any sound"),
        (b"RI", "stdin: is no WAV stream; send a WAV stream, e.g. `ffmpeg"),
        (b"OggS" + bytes(100), "--raw-rate and --raw-format"),
        (b"ID3" + bytes(100), "is no WAV stream"),
        (wav("PCM_16")[:30], "with a damaged header"),
        (wav("PCM_16")[:40], "whose header ends before its samples"),
        (wav("PCM_16")[:44], "ends before any sound"),
        (wav("PCM_16")[:46], "ends before any sound"),
        (wav("ULAW"), r"of another kind \(tag 7, 8 bits\); add `-c:a pcm_s16le`"),
        (wav("PCM_16").replace(struct.pack("<I", RATE), struct.pack("<I", 1), 1), "a sample rate of 1 Hz"),
        (wav("PCM_16")[:12] + b"data" + bytes(100), "whose header ends before its samples"),
        (wav("PCM_16")[:22] + b"\0\0" + wav("PCM_16")[24:], "0 channels"),
        (wav("PCM_16")[:32] + b"\x07\0" + wav("PCM_16")[34:], "damaged header: 7 bytes for 2 samples"),
    ],
)
def test_what_is_no_stream_of_sound(content: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        heard(content)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((3, "s16le", 1), "a sample rate of 3 Hz"),
        ((RATE, "mp3", 1), "samples of 'mp3' are not known; allowed: u8, s16le"),
        ((RATE, "s16le", 0), "0 channels; allowed: 1 to 64"),
    ],
)
def test_formats_that_are_none(settings: tuple[int, str, int], message: str) -> None:
    with pytest.raises(TinyclapError, match=message):
        SampleFormat(*settings)
