"""The frames of MP3 (and of layers I and II): how long a file is that does not say so, and where joined ones begin.

A Xing or Info frame in front says how many frames follow; without one decoders guess by the bit rate, which is wrong
where it varies and for what was cut from a stream.
"""

import functools
import itertools
import mmap
from collections.abc import Iterator
from typing import NamedTuple

from tinyclap.audio.joined import Part

LEAST_RUN = 3  # frames in a row by which sound is known from what only looks like a frame
LEAST_PART = 10  # frames without a Xing frame that are a part of their own, a quarter of a second
LONGEST_FRAME = 1441  # bytes
ID3V1_BYTES = 128
TAGS = (b"ID3", b"TAG", b"APE", b"LYR")
MONO = 3
LAYER_3 = 3
MPEG_1, MPEG_2_5 = 3, 0  # as the header has it; 2 is MPEG 2
RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
KBITS = {  # ISO 11172-3 and 13818-3: whether MPEG 1, layer
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
HEADER_KBITS = {True: 9, False: 8}  # of a frame long enough for what Xing says: 128 or 64 kbit/s


class _Frame(NamedTuple):
    length: int  # bytes
    kind: tuple[int, int, int, bool]  # version, layer, rate, whether mono


class _Run(NamedTuple):
    """Frames of one kind without a gap, those behind a Xing frame counted."""

    start: int
    end: int
    frames: int
    says_how_long: bool
    told_end: int  # by its Xing frame; 0 for none
    layer: int


def begins(content: mmap.mmap) -> bool:
    """Whether frames stand at the beginning, or behind tags."""
    return _frame(content, _after_tags(content, 0)) is not None


def parts(content: mmap.mmap) -> tuple[list[Part], int]:
    """The files of which this one consists, each with the Xing frame that it lacks: the whole if none is found.

    Also how many bytes between their frames are damaged.
    """
    runs: list[_Run] = []
    for run in _runs(content):
        goes_on = bool(runs) and runs[-1].end == run.start  # a frame or two that a Xing frame did not count
        if not (goes_on and not run.says_how_long and run.frames < LEAST_PART):
            runs.append(run)
    damaged = 0
    for row, (run, after) in enumerate(itertools.pairwise(runs)):
        if not after.says_how_long and content[run.end : run.end + 3] not in TAGS:
            gap = after.start - run.end
            damaged += gap if gap > LONGEST_FRAME else 0  # else a seam, where a frame was cut
            if run.end < run.told_end:  # its Xing frame counts what lies behind the damage
                runs[row] = _without_xing(content, run)
    runs = [run for run in runs if run.frames]
    starts = [0, *(run.start for run in runs[1:])]
    return [
        Part(begin if run.says_how_long else run.start, end, b"" if run.says_how_long else _xing(content, run))
        for run, begin, end in zip(runs, starts, [*starts[1:], len(content)], strict=False)
    ] or [Part(0, len(content))], damaged


def _without_xing(content: mmap.mmap, run: _Run) -> _Run:
    first = _frame(content, run.start)
    assert first is not None
    return run._replace(start=run.start + first.length, frames=run.frames - 1, says_how_long=False)


def _runs(content: mmap.mmap) -> Iterator[_Run]:
    place = _after_tags(content, 0)
    start = place if _frame(content, place) else _next(content, place)
    while start is not None:
        first = _frame(content, start)
        assert first is not None
        says, length = _told(content, start)
        place, count = start, 0
        while (frame := _frame(content, place)) and frame.kind == first.kind and place + frame.length <= len(content):
            if count and (_told(content, place)[0] or (length and place >= start + length)):
                break
            place, count = place + frame.length, count + 1
        if count == 0:  # the last one, cut
            return
        yield _Run(start, place, count, says, start + length if length else 0, first.kind[1])
        start = _next(content, place)


def _next(content: mmap.mmap, place: int) -> int | None:
    """Where the next frames begin, behind tags and what is none."""
    place = content.find(b"\xff", _after_tags(content, place))
    while place >= 0:
        if _is_run(content, place):
            return place
        place = content.find(b"\xff", place + 1)
    return None


def _is_run(content: mmap.mmap, place: int) -> bool:
    kind = None
    for _ in range(LEAST_RUN):
        frame = _frame(content, place)
        if frame is None or kind not in (None, frame.kind):
            return False
        kind, place = frame.kind, place + frame.length
    return True


def _after_tags(content: mmap.mmap, place: int) -> int:
    while True:
        if content[place : place + 3] == b"ID3" and len(content) >= place + 10:
            size = 0
            for byte in content[place + 6 : place + 10]:
                size = size << 7 | byte & 127
            place += 10 + size
        elif content[place : place + 3] == b"TAG":
            place += ID3V1_BYTES
        else:
            return place


def _frame(content: mmap.mmap, place: int) -> _Frame | None:
    head = content[place : place + 4]
    return _parsed(head[1], head[2], head[3] >> 6 == MONO) if len(head) == 4 and head[0] == 0xFF else None


@functools.cache
def _parsed(second: int, third: int, mono: bool) -> _Frame | None:
    """A frame by the second and third byte of its header; None for what is none."""
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    bits, rate, padding = third >> 4, third >> 2 & 3, third >> 1 & 1
    if second >> 5 != 7 or version == 1 or layer == 4 or not 1 <= bits <= 14 or rate == 3:
        return None
    bits_a_second, hz = 1000 * KBITS[version == MPEG_1, layer][bits - 1], RATES_HZ[version][rate]
    if layer == 1:
        length = (12 * bits_a_second // hz + padding) * 4
    else:
        length = (72 if layer == LAYER_3 and version != MPEG_1 else 144) * bits_a_second // hz + padding
    return _Frame(length, (version, layer, rate, mono))


def _side_bytes(version: int, mono: bool) -> int:
    """Of a frame of layer III, between its header and its sound."""
    return (17 if mono else 32) if version == MPEG_1 else (9 if mono else 17)


def _told(content: mmap.mmap, place: int) -> tuple[bool, int | None]:
    """Whether a Xing or Info frame here says how many frames follow, and how many bytes it is with them, if it does."""
    for offset in (36, 21, 13):  # MPEG 1 stereo, mono or MPEG 2 stereo, MPEG 2 mono
        tag = content[place + offset : place + offset + 16]
        if tag[:4] in (b"Xing", b"Info"):
            flags = int.from_bytes(tag[4:8], "big")
            at = 12 if flags & 1 else 8
            return bool(flags & 1), (int.from_bytes(tag[at : at + 4], "big") or None) if flags & 2 else None
    return False, None


def _xing(content: mmap.mmap, run: _Run) -> bytes:
    """A frame that says how many follow, as encoders put it in front of a variable bit rate; of layer III alone."""
    if run.layer != LAYER_3:
        return b""
    header = bytearray(content[run.start : run.start + 4])
    version, mono = header[1] >> 3 & 3, header[3] >> 6 == MONO
    header[1] |= 1  # without a checksum
    header[2] = HEADER_KBITS[version == MPEG_1] << 4 | header[2] & 0b1100
    frame = _parsed(header[1], header[2], mono)
    assert frame is not None
    tag = b"Xing" + (3).to_bytes(4, "big") + run.frames.to_bytes(4, "big")
    tag += (frame.length + run.end - run.start).to_bytes(4, "big")
    return (bytes(header) + bytes(_side_bytes(version, mono)) + tag).ljust(frame.length, b"\0")
