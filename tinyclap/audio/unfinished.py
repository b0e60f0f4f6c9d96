"""Headers that nobody went back to finish: of recorders that lost power, of streams that were written to a file."""

import struct
from collections.abc import Iterator

from tinyclap.audio.joined import Content, caf_chunks

LEAST_BYTES = 1000  # of samples that a header forgot
MOST_LOOKED_AT = 2**16
TAGS = (b"ID3", b"TAG")
NO_LIMIT = 0xFFFFFFFF

Patches = list[tuple[int, bytes]]
"""Places, and the bytes that belong there."""


def patches(content: Content) -> Patches:
    """What finishes the header of a WAV, AU or CAF file of which more follows than it says; empty for any other."""
    head = content.at(0, 16)
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return _of_wav(content)
    if head[:4] == b".snd":
        begin, size = struct.unpack(">II", head[4:12].ljust(8, b"\0"))
        return [(8, NO_LIMIT.to_bytes(4, "big"))] if size == 0 and content.size - begin > LEAST_BYTES else []
    return _of_caf(content) if head[:4] == b"caff" else []


def _of_wav(content: Content) -> Patches:
    """Where more samples follow than the header says: none, or what follows them is no chunk."""
    stated, sizes = 8 + int.from_bytes(content.at(4, 4), "little"), None
    for name, start, length in _chunks(content):
        if name == b"ds64":
            sizes = start
        if name != b"data":
            continue
        rest = content.size - start
        if sizes is not None and length == NO_LIMIT:  # RF64, whose lengths stand there
            said = int.from_bytes(content.at(sizes + 8, 8), "little")
            if said or rest <= LEAST_BYTES:
                return []
            return [(sizes, struct.pack("<QQ", content.size - 8, rest))]
        # A finished file's header counts all of it, whatever stands behind the samples.
        if rest <= length + LEAST_BYTES or (length and stated >= content.size):
            return []
        if _is_chunk(content, start + length) or (length and _only_zeros(content, start + length)):
            return []
        return [
            (4, min(content.size - 8, NO_LIMIT).to_bytes(4, "little")),
            (start - 4, min(rest, NO_LIMIT).to_bytes(4, "little")),
        ]
    return []


def _of_caf(content: Content) -> Patches:
    """Where the size of the samples is 0, or -1 as of a stream (which libsndfile does not take)."""
    for name, begin, size in caf_chunks(content):
        rest = content.size - begin
        if name == b"data":
            return [(begin - 8, struct.pack(">q", rest))] if size in (0, -1) and rest > LEAST_BYTES else []
    return []


def _chunks(content: Content) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a RIFF file: name, where its content begins, and the length that it states."""
    place = 12
    while place + 8 <= content.size:
        name, length = struct.unpack("<4sI", content.at(place, 8))
        yield name, place + 8, length
        place += 8 + length + length % 2


def _is_chunk(content: Content, place: int) -> bool:
    """Whether a tag or a chunk, which must fit in, begins here or, padded, a byte further."""
    for at in (place, place + 1):
        head = content.at(at, 8)
        fits = len(head) == 8 and at + 8 + int.from_bytes(head[4:], "little") <= content.size
        if head[:3] in TAGS or (fits and all(32 <= byte < 127 for byte in head[:4])):
            return True
    return False


def _only_zeros(content: Content, place: int) -> bool:
    """Whether nothing else follows, as far as is looked."""
    return not any(content.at(place, MOST_LOOKED_AT))
