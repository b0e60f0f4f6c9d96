"""Levels of sounds whose level is known."""

import numpy as np
import pytest

from tinyclap.audio.level import LOWEST_DBFS, level_dbfs

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
