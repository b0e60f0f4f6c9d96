"""Numbers as people write them."""

from collections.abc import Callable

import pytest

from tinyclap.common import numbers


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (numbers.percent, 0.8134, "81.3 %"),
        (numbers.percent, float("nan"), numbers.DASH),
        (numbers.percent, True, numbers.DASH),
        (numbers.percent_interval, [0.5, 1.0], "[50.0, 100.0]"),
        (numbers.percent_interval, None, ""),
        (numbers.scaled, 999_499, "999 k"),
        (numbers.scaled, 999_500, "1.00 M"),
        (numbers.scaled, 34_215_936, "34.2 M"),
        (numbers.scaled, 13_790_000_000, "13.8 G"),
        (numbers.scaled, 12, "12"),
        (numbers.file_size, 1_213_440, "1.21 MB"),
        (numbers.file_size, 900, "900 B"),
        (numbers.milliseconds, 0.8124, "0.812 ms"),
        (numbers.milliseconds, 1000.4, "1,000 ms"),
        (numbers.milliseconds, None, numbers.DASH),
        (numbers.duration, 4.25, "4.2 s"),
        (numbers.duration, 552, "9 min 12 s"),
        (numbers.duration, 7260, "2 h 1 min"),
        (numbers.p_value, 0.0002, "< 0.001"),
        (numbers.whole, 68214, "68,214"),
        (numbers.whole, "68214", numbers.DASH),
    ],
)
def test_numbers_as_people_write_them(write: Callable[[object], str], value: object, text: str) -> None:
    assert write(value) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 34, "1/34"), (10, 51, "1/5.1"), (1000, 1001, "0.999 times"), (3, 2, "1.5 times"), (0, 1, numbers.DASH)],
)
def test_ratios(part: float, whole: float, text: str) -> None:
    assert numbers.ratio(part, whole) == text
