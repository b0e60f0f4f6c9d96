"""Numbers as people write them."""

from collections.abc import Callable

import pytest

from tinyclap import formatting


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (formatting.percent, 0.8134, "81.3 %"),
        (formatting.percent, float("nan"), formatting.DASH),
        (formatting.percent, True, formatting.DASH),
        (formatting.percent_interval, [0.5, 1.0], "[50.0, 100.0]"),
        (formatting.percent_interval, None, ""),
        (formatting.scaled, 999_499, "999 k"),
        (formatting.scaled, 999_500, "1.00 M"),
        (formatting.scaled, 34_215_936, "34.2 M"),
        (formatting.scaled, 13_790_000_000, "13.8 G"),
        (formatting.scaled, 12, "12"),
        (formatting.file_size, 1_213_440, "1.21 MB"),
        (formatting.file_size, 900, "900 B"),
        (formatting.milliseconds, 0.8124, "0.812 ms"),
        (formatting.milliseconds, 1000.4, "1,000 ms"),
        (formatting.milliseconds, None, formatting.DASH),
        (formatting.duration, 4.25, "4.2 s"),
        (formatting.duration, 552, "9 min 12 s"),
        (formatting.duration, 7260, "2 h 1 min"),
        (formatting.p_value, 0.0002, "< 0.001"),
        (formatting.whole, 68214, "68,214"),
        (formatting.whole, "68214", formatting.DASH),
    ],
)
def test_numbers_as_people_write_them(write: Callable[[object], str], value: object, text: str) -> None:
    assert write(value) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 34, "1/34"), (10, 51, "1/5.1"), (1000, 1001, "0.999 times"), (3, 2, "1.5 times"), (0, 1, formatting.DASH)],
)
def test_ratios(part: float, whole: float, text: str) -> None:
    assert formatting.ratio(part, whole) == text
