"""Embeddings in fewer bytes: what each form keeps, and that it reads back everywhere."""

import numpy as np
import pytest

from tinyclap.embeddings import quantization
from tinyclap.errors import TinyclapError


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def embeddings() -> np.ndarray:
    """Of 400 clips around 20 centres; as in a rotated space, each dimension is weaker than the one before."""
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.standard_normal((20, 60)), 20, axis=0)
    spread = 0.8 ** np.arange(60)
    rows = (centres + 0.5 * rng.standard_normal((400, 60))) * spread
    rows[:, 0] += 3.0  # what all sounds have in common
    return unit(rows)


@pytest.mark.parametrize(
    ("dtype", "kind", "width", "largest"),
    [("float32", np.float32, 60, 0), ("float16", np.float16, 60, 5e-4), ("int8", np.int8, 60, 5e-3)],
)
def test_numbers_read_back_within_their_rounding(
    embeddings: np.ndarray, dtype: str, kind: type, width: int, largest: float
) -> None:
    stored = quantization.quantize(embeddings, dtype)
    assert stored.dtype == kind
    assert stored.shape == (400, width)
    assert stored.nbytes == 400 * quantization.bytes_per_clip(dtype, 60)
    np.testing.assert_allclose(quantization.dequantize(stored, dtype, 60), embeddings, atol=largest + 1e-7)


def test_cosines_of_int8_rows_are_those_of_the_embeddings(embeddings: np.ndarray) -> None:
    stored = quantization.quantize(embeddings, "int8")
    assert np.abs(stored).max(1).tolist() == [127] * 400
    np.testing.assert_allclose(unit(stored) @ unit(stored).T, embeddings @ embeddings.T, atol=1e-2)


def test_the_cosine_of_binary_rows_counts_the_bits_that_differ(embeddings: np.ndarray) -> None:
    stored = quantization.quantize(embeddings, "binary")
    assert stored.dtype == np.uint8
    assert stored.shape == (400, 8)
    bits = np.unpackbits(stored, axis=1, count=60)
    assert not np.unpackbits(stored, axis=1)[:, 60:].any(), "the last byte is filled with zeros"
    differing = (bits[:, None] != bits[None]).sum(-1)
    decoded = quantization.dequantize(stored, "binary", 60)
    np.testing.assert_allclose(decoded @ decoded.T, 1 - 2 * differing / 60, atol=1e-5)


def test_binary_rows_lie_near_their_embeddings_in_the_same_space(embeddings: np.ndarray) -> None:
    """So that a text's embedding, which is not encoded, can be compared with them: sqrt(2/pi) of the cosine is left."""
    decoded = quantization.dequantize(quantization.quantize(embeddings, "binary"), "binary", 60)
    assert (decoded * embeddings).sum(1).mean() == pytest.approx(np.sqrt(2 / np.pi), abs=0.03)


def test_the_rotation_is_what_makes_bits_tell_something(
    embeddings: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = quantization.neighbours_kept(embeddings, "binary")
    monkeypatch.setattr(quantization, "rotation", lambda dim: np.eye(dim, dtype=np.float32))
    plain = quantization.neighbours_kept(embeddings, "binary")
    assert kept is not None
    assert plain is not None
    assert kept > plain + 0.05


def test_the_rotation_is_the_same_everywhere() -> None:
    """Its first numbers, written down: bits stored today are read by every later version."""
    rotation = quantization.rotation(4)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(4), atol=1e-6)
    np.testing.assert_allclose(rotation[0], [0.657904, 0.620543, -0.270005, 0.330433], atol=1e-6)


def test_more_bytes_keep_more_neighbours(embeddings: np.ndarray) -> None:
    kept = [quantization.neighbours_kept(embeddings, dtype) for dtype in quantization.DTYPES]
    assert kept[0] == 1.0
    assert kept == sorted(kept, reverse=True)  # type: ignore[type-var]
    assert kept[2] is not None
    assert kept[2] > 0.95


def test_what_cannot_be_measured_or_read() -> None:
    few = unit(np.random.default_rng(0).standard_normal((11, 8)))
    assert quantization.neighbours_kept(few, "float32") is None
    with pytest.raises(TinyclapError, match="dtype 'int4' is not known; allowed: float32, float16, int8, binary"):
        quantization.quantize(few, "int4")
    with pytest.raises(TinyclapError, match=r"int8 embeddings of 8 dimensions are int8 \(N, 8\); got float32"):
        quantization.dequantize(few, "int8", 8)
    with pytest.raises(
        TinyclapError, match=r"binary embeddings of 9 dimensions are uint8 \(N, 2\); got uint8 \(11, 1\)"
    ):
        quantization.dequantize(quantization.quantize(few, "binary"), "binary", 9)
