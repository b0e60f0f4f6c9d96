"""Levels of sounds whose level is known."""

import numpy as np
import pytest

from tinyclap.audio.level import LOWEST_DBFS, level_dbfs, weight

TIME = np.arange(16_000) / 16_000


@pytest.mark.parametrize(
    ("samples", "dbfs"),
    [
        (np.sign(np.sin(2 * np.pi * 50 * (TIME + 1e-5))), 0.0),
        (np.sin(2 * np.pi * 50 * TIME), -3.0103),
        (0.001 * np.sin(2 * np.pi * 50 * TIME), -63.0103),
        (0.5 + 0.001 * np.sin(2 * np.pi * 50 * TIME), -63.0103),
        (np.full(100, 0.25), LOWEST_DBFS),
        (np.zeros(100), LOWEST_DBFS),
        (np.zeros(0), LOWEST_DBFS),
        (np.full(100, 1e-30) * np.sign(np.arange(100) - 49.5), LOWEST_DBFS),
    ],
)
def test_level(samples: np.ndarray, dbfs: float) -> None:
    assert level_dbfs(samples.astype(np.float32)) == pytest.approx(dbfs, abs=1e-3)


@pytest.mark.parametrize("offset", [0.0, 0.5, -0.25])
def test_an_offset_weighs_nothing(offset: float) -> None:
    tone = (0.001 * np.sin(2 * np.pi * 50 * TIME)).astype(np.float32)
    assert weight(tone + np.float32(offset)) == pytest.approx(0.001 / np.sqrt(2) + 1e-6, rel=1e-3)
    assert weight(np.full(100, offset, np.float32)) == 1e-6
