"""Where files begin that were joined to one, byte behind byte: by `cat`, by a recorder, by a radio station's chains.

Decoders play the first of them, and say nothing of the others. MP3 is for `mp3`.
"""

import re
import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, Literal, NamedTuple

BLOCK_BYTES = 2**20  # searched at a time
LONGEST_MAGIC = 64
OGG_FIRST_PAGE = 2  # flag in a page's header (RFC 3533)
OGG_HEAD = 27  # bytes of it before its table
OGG_PAGE = re.compile(rb"OggS\0")
# By which a file of each kind begins, long enough to stand nowhere else: FLAC, ASF (wma), Sony's Wave64, TTA, FLV.
MAGICS = (
    re.compile(rb"fLaC[\x00\x80]\x00\x00\x22"),
    re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),
    re.compile(rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"),
    re.compile(rb"TTA[12]\x01\x00"),
    re.compile(rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09"),
)


class Part(NamedTuple):
    """A stretch of bytes that is a file of its own, behind `before`, what it lacks of a header."""

    start: int
    end: int
    before: bytes = b""


class Content:
    """The bytes of an open file, by place; never all of them in memory."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, 2)

    def at(self, place: int, count: int) -> bytes:
        """Fewer at the end."""
        self._stream.seek(place)
        return self._stream.read(count)

    def find(self, pattern: re.Pattern[bytes], place: int) -> int | None:
        """Where it first stands, from `place` on."""
        while place < self.size:
            found = pattern.search(self.at(place, BLOCK_BYTES))
            if found:
                return place + found.start()
            place += BLOCK_BYTES - LONGEST_MAGIC
        return None


def parts(content: Content) -> list[Part]:
    """The files of which this one consists, in their order: a single one most often, or of a kind that is not known."""
    starts = [0, *_further(content)]
    return [Part(start, end) for start, end in zip(starts, [*starts[1:], content.size], strict=True)]


def _further(content: Content) -> Iterator[int]:
    """Where the second and those behind it begin."""
    head = content.at(0, LONGEST_MAGIC)
    if head.startswith(b"OggS"):
        yield from _ogg(content)
        return
    for magic in MAGICS:
        if magic.match(head):
            place = content.find(magic, 1)
            while place is not None:
                yield place
                place = content.find(magic, place + 1)
    for begins, ends in SIZED:
        start: int | None = 0 if begins.match(head) else None
        while start is not None:
            behind = [place for place in ends(content, start) if start < place < content.size]
            start = next((place for place in behind if begins.match(content.at(place, LONGEST_MAGIC))), None)
            if start is not None:
                yield start


def _ogg(content: Content) -> Iterator[int]:
    """Streams that follow one another; those that are played together begin together."""
    place: int | None = 0
    was_first = True
    while place is not None:
        header = content.at(place, OGG_HEAD)
        if len(header) < OGG_HEAD or not OGG_PAGE.match(header):
            place = content.find(OGG_PAGE, place + 1)  # behind what is no Ogg
            continue
        is_first = bool(header[5] & OGG_FIRST_PAGE)
        if is_first and not was_first:
            yield place
        was_first = is_first
        sizes = content.at(place + OGG_HEAD, header[26])
        place += OGG_HEAD + len(sizes) + sum(sizes)
        if place >= content.size:
            return


def _iff_ends(order: Literal["little", "big"], content: Content, start: int) -> list[int]:
    """Of RIFF and FORM, which may be padded to an even length."""
    end = start + 8 + int.from_bytes(content.at(start + 4, 4), order)
    return [end, end + 1]


def _au_ends(content: Content, start: int) -> list[int]:
    begin, size = struct.unpack(">II", content.at(start + 4, 8))
    return [start + begin + size]


def _caf_ends(content: Content, start: int) -> list[int]:
    end = start + 8
    for _, begin, size in caf_chunks(content, start):
        if size < 0:
            return []
        end = begin + size
    return [end]


def caf_chunks(content: Content, start: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a CAF file: name, where its content begins, and its stated length; one below 0 is the last."""
    place, size = start + 8, 0
    while size >= 0 and len(head := content.at(place, 12)) == 12 and head[:4] != b"caff":
        (size,) = struct.unpack(">q", head[4:])
        yield head[:4], place + 12, size
        place += 12 + size


def _mp4_ends(content: Content, start: int) -> list[int]:
    place = start
    while len(head := content.at(place, 16)) >= 8 and (head[4:8] != b"ftyp" or place == start):
        size = int.from_bytes(head[:4], "big")
        size = int.from_bytes(head[8:16], "big") if size == 1 else size
        if size < 8:
            return []
        place += size
    return [place]


SIZED: tuple[tuple[re.Pattern[bytes], Callable[[Content, int], list[int]]], ...] = (
    (re.compile(rb"RIFF....WAVE", re.DOTALL), partial(_iff_ends, "little")),
    (re.compile(rb"FORM....AIF[FC]", re.DOTALL), partial(_iff_ends, "big")),
    (re.compile(rb"\.snd.{8}", re.DOTALL), _au_ends),
    (re.compile(rb"caff"), _caf_ends),
    (re.compile(rb"....ftyp", re.DOTALL), _mp4_ends),
)
"""How a file of each kind begins whose headers say where it ends, and the places where that may be."""
