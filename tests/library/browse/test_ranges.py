"""Byte ranges, as RFC 9110 section 14 gives them."""

import pytest

from tinyclap.library.browse.ranges import NoSuchRangeError, Span, asked_span


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-499", 0, 500),
        ("bytes=500-999", 500, 1000),
        ("bytes=500-", 500, 1000),
        ("bytes=-200", 800, 1000),
        ("bytes=-5000", 0, 1000),  # more than there is: the whole
        ("bytes=999-5000", 999, 1000),
        ("bytes = 0 - 0", 0, 1),
    ],
)
def test_a_range_is_a_span(header: str, first: int, last: int) -> None:
    span = asked_span(header, 1000)
    assert span == Span(first, last, 1000)
    assert span.content_range == f"bytes {first}-{last - 1}/1000"


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes=-", "bytes=5-2", "bytes=0-1,5-6", "items=0-1", "bytes=a-b", "bytes=1", f"bytes={'9' * 40}-"],
)
def test_what_is_no_single_range_gets_the_whole(header: str | None) -> None:
    assert asked_span(header, 1000) is None


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(header: str) -> None:
    with pytest.raises(NoSuchRangeError):
        asked_span(header, 1000)


def test_an_empty_whole_has_no_ranges() -> None:
    with pytest.raises(NoSuchRangeError):
        asked_span("bytes=0-", 0)
