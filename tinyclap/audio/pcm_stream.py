"""Sound that comes byte by byte: WAV or bare samples from a pipe, in bounded memory, as it comes."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from tinyclap.audio import channels
from tinyclap.audio.checks import AudioError, wrong_rate
from tinyclap.audio.files import UNKNOWN_BYTES
from tinyclap.errors import TinyclapError

MOST_BYTES = 2**16  # read at a time
FORMATS = (
    "u8",
    *(
        f"{kind}{bits}{end}"
        for kind, bits in (("s", 16), ("s", 24), ("s", 32), ("f", 32), ("f", 64))
        for end in ("le", "be")
    ),
)
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE  # tags of a WAV's samples
FORM_BYTES = 40  # of a WAV's `fmt ` chunk, at most
HOW_TO_SEND = "send a WAV stream, e.g. `ffmpeg -i SOURCE -f wav - | tinyclap listen --file -`"


@dataclass(frozen=True)
class SampleFormat:
    """How samples stand in a stream.

    Attributes:
        sample_rate: Hz.
        encoding: one of FORMATS, called as in ffmpeg: s16le is signed, 16 bits, little-endian.
        channels: interleaved.

    Raises:
        TinyclapError: what is none, with what is allowed.
    """

    sample_rate: int
    encoding: str = "s16le"
    channels: int = 1

    def __post_init__(self) -> None:
        wrong = wrong_rate(self.sample_rate)
        if wrong:
            raise TinyclapError(wrong)
        if self.encoding not in FORMATS:
            raise TinyclapError(f"samples of {self.encoding!r} are not known; allowed: {', '.join(FORMATS)}")
        if not 1 <= self.channels <= channels.MOST:
            raise TinyclapError(f"{self.channels} channels; allowed: 1 to {channels.MOST}")

    @property
    def frame_bytes(self) -> int:
        """Of a sample of every channel."""
        return self.channels * self._bits // 8

    @property
    def _bits(self) -> int:
        return int("".join(filter(str.isdigit, self.encoding)))

    def decoded(self, content: bytes) -> np.ndarray:
        """Whole frames as float32 (n, channels) in [-1, 1]; floats as they are."""
        order = ">" if self.encoding.endswith("be") else "<"
        if self._bits == 24:
            padded = np.zeros((len(content) // 3, 4), np.uint8)  # the lowest byte is zero
            padded[:, slice(0, 3) if order == ">" else slice(1, 4)] = np.frombuffer(content, np.uint8).reshape(-1, 3)
            samples = padded.view(f"{order}i4")[:, 0] / 2.0**31
        elif self.encoding == "u8":
            samples = (np.frombuffer(content, np.uint8) - 128.0) / 128
        elif self.encoding.startswith("f"):
            samples = np.frombuffer(content, f"{order}f{self._bits // 8}")
        else:
            samples = np.frombuffer(content, f"{order}i{self._bits // 8}") / 2.0 ** (self._bits - 1)
        with np.errstate(over="ignore", invalid="ignore"):  # refused where it is used
            return samples.astype(np.float32).reshape(-1, self.channels)


def blocks_of(stream: BinaryIO, name: str, raw: SampleFormat | None = None) -> tuple[int, Iterator[np.ndarray]]:
    """The sample rate of a stream in Hz, and its blocks of float32 (n, channels) as they come, until it ends.

    A WAV's length is not believed where its header is that of a stream, which nobody went back to finish.

    Args:
        stream: open for reading bytes; it need not be seekable.
        name: for messages.
        raw: how the samples stand in a stream without a header; None for a WAV.

    Raises:
        AudioError: it is no WAV of plain samples, or ends before any sound.
    """
    source = _Source(stream)
    if raw is not None:
        form, length = raw, None
    else:
        form, length = _read_header(source, name)
    return form.sample_rate, _blocks(source, form, length, name)


class _Source:
    """Bytes as they come, however they are cut."""

    def __init__(self, stream: BinaryIO) -> None:
        self._some: Callable[[int], bytes] = getattr(stream, "read1", stream.read)

    def some(self, most: int) -> bytes:
        """At least one byte, at most as many; none at the end."""
        return self._some(min(most, MOST_BYTES))

    def exactly(self, count: int) -> bytes:
        """As many bytes, fewer at the end alone."""
        content = b""
        while len(content) < count and (piece := self.some(count - len(content))):
            content += piece
        return content

    def skip(self, count: int) -> None:
        while count > 0 and (piece := self.some(count)):
            count -= len(piece)


def _blocks(source: _Source, form: SampleFormat, length: int | None, name: str) -> Iterator[np.ndarray]:
    rest, left, any_sound = b"", length, False
    while left is None or left > 0:
        piece = source.some(MOST_BYTES if left is None else left)
        if not piece:
            break
        left = None if left is None else left - len(piece)
        content = rest + piece
        whole = len(content) // form.frame_bytes * form.frame_bytes
        rest = content[whole:]
        if whole:
            any_sound = True
            yield form.decoded(content[:whole])
    if not any_sound:
        raise AudioError(name, "ends before any sound")


def _read_header(source: _Source, name: str) -> tuple[SampleFormat, int | None]:
    """The form of a WAV's samples and their number of bytes; None where it is not known."""
    start = source.exactly(12)
    if not start:
        raise AudioError(name, "ends before any sound")
    if start[:4] not in (b"RIFF", b"RF64") or start[8:] != b"WAVE":
        raise AudioError(name, f"is no WAV stream; {HOW_TO_SEND}, or say with --raw-rate and --raw-format what it is")
    form, size_64 = None, 0
    while len(head := source.exactly(8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        if kind == b"data":
            if form is None:
                break
            size = size_64 if size >= UNKNOWN_BYTES else size
            return form, size if size > 0 else None
        if kind == b"fmt ":
            form = _form(source.exactly(min(size, FORM_BYTES)), name)
            source.skip(max(0, size - FORM_BYTES) + size % 2)
        elif kind == b"ds64" and size >= 24:
            size_64 = struct.unpack("<8xQ8x", source.exactly(24))[0]
            source.skip(size - 24 + size % 2)
        else:
            source.skip(size + size % 2)
    raise AudioError(name, "is a WAV stream whose header ends before its samples")


def _form(content: bytes, name: str) -> SampleFormat:
    if len(content) < 16:
        raise AudioError(name, "is a WAV stream with a damaged header")
    tag, channels, rate, _, frame_bytes, bits = struct.unpack("<HHIIHH", content[:16])
    if tag == EXTENSIBLE and len(content) >= 26:
        tag = struct.unpack("<H", content[24:26])[0]
    encoding = {PCM: "u8" if bits == 8 else f"s{bits}le", FLOAT: f"f{bits}le"}.get(tag, "")
    if encoding not in FORMATS:
        raise AudioError(
            name, f"is a WAV stream of another kind (tag {tag}, {bits} bits); add `-c:a pcm_s16le` to ffmpeg's command"
        )
    try:
        form = SampleFormat(rate, encoding, channels)
    except TinyclapError as error:
        raise AudioError(name, str(error)) from error
    if form.frame_bytes != frame_bytes:
        raise AudioError(name, f"is a WAV stream with a damaged header: {frame_bytes} bytes for {channels} samples")
    return form
