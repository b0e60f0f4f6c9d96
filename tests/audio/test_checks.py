"""What is said of samples that are no sound."""

import numpy as np
import pytest

from tinyclap.audio import checks


@pytest.mark.parametrize(
    ("samples", "remedy"),
    [
        (np.linspace(-32768, 32767, 999), "divide int16 by 32768"),
        (np.linspace(-(2**23), 2**23 - 1, 999), "divide 24-bit integers by 8388608"),
        (np.linspace(-(2.0**31), 2.0**31 - 1, 999), "divide int32 by 2147483648"),
        (np.linspace(0, 255, 999), "subtract 128 from uint8, then divide by 128"),
        (np.linspace(-1e12, 1e12, 999), "the first sample beyond is 1e+12 at 0.00 s"),
    ],
)
def test_integers_are_told_how_they_become_sound(samples: np.ndarray, remedy: str) -> None:
    assert remedy in str(checks.wrong_samples(samples, 1000.0))
