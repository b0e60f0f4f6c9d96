"""Vectors and rows at unit norm."""

import numpy as np
import pytest

from tinyclap.embeddings.similarity import unit


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_unit_norm_by_row_in_the_precision_given(dtype: str) -> None:
    rows = np.array([[3, 4], [0, 0], [0, -2]], dtype)
    units = unit(rows)
    assert units.dtype == dtype
    np.testing.assert_allclose(units, [[0.6, 0.8], [0.0, 0.0], [0.0, -1.0]], rtol=1e-6)
    for row, expected in zip(rows, units, strict=True):
        np.testing.assert_array_equal(unit(row), expected)
