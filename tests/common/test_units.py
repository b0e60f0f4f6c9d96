"""Sizes, counts and times as people write them."""

import pytest

from tinyclap.common.numbers import parse_bytes, parse_count, parse_ms
from tinyclap.errors import TinyclapError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512 KiB", 524_288),
        ("2MB", 2_000_000),
        ("1.5 MiB", 1_572_864),
        ("320 kB", 320_000),
        ("8 GB", 8 * 10**9),
        ("0 B", 0),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "count"), [("50M", 50_000_000), ("80 k", 80_000), ("1.2G", 1_200_000_000), ("500", 500)]
)
def test_counts(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(("text", "ms"), [("20 ms", 20.0), ("0.5s", 500.0), ("300 us", 0.3)])
def test_times(text: str, ms: float) -> None:
    assert parse_ms(text) == pytest.approx(ms)


@pytest.mark.parametrize("text", ["", "MB", "2 MBit", "-1 MB", "2 000 kB", "1e6 B", "5"])
def test_malformed_sizes_say_what_a_size_is(text: str) -> None:
    with pytest.raises(TinyclapError, match="is not a size such as 512 KiB or 2 MB"):
        parse_bytes(text)


def test_malformed_counts_and_times() -> None:
    with pytest.raises(TinyclapError, match="'5 MB' is not a count such as 50M or 80k"):
        parse_count("5 MB")
    with pytest.raises(TinyclapError, match=r"'20' is not a time such as 20 ms or 0\.5 s"):
        parse_ms("20")
