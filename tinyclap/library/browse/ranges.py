"""Which bytes of a whole a request asks for, so that a player can seek (RFC 9110, section 14)."""

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True)
class Span:
    """Bytes [first, last) of a whole of `size` bytes."""

    first: int
    last: int
    size: int

    @property
    def content_range(self) -> str:
        """The value of the header Content-Range."""
        return f"bytes {self.first}-{self.last - 1}/{self.size}"


class NoSuchRangeError(Exception):
    """The range begins behind the end (status 416)."""


def asked_span(header: str | None, size: int) -> Span | None:
    """The span that a Range header asks for; None where the whole is to be sent.

    A header that is malformed, or asks for several ranges, is ignored, as the standard allows.

    Raises:
        NoSuchRangeError: nothing of the whole lies in the range.
    """
    found = _ONE_RANGE.fullmatch(header.replace(" ", "")) if header else None
    if found is None or found[0] == "bytes=-":
        return None
    if not found[1]:  # the last so many bytes
        first, last = max(0, size - int(found[2])), size
    else:
        first, last = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < first:
            return None
    if first >= last:
        raise NoSuchRangeError
    return Span(first, last, size)
