"""Embeddings in fewer bytes, for libraries of millions of clips, and what that costs in neighbours.

float16 rounds. int8 scales each row so that its largest entry is 127, which leaves cosines as they are. binary keeps
one bit a dimension: the sign after a rotation drawn at random (random hyperplanes: Charikar, STOC 2002,
doi:10.1145/509907.509965). Without the rotation the signs of a pruned space would say little, since its first
dimensions hold nearly everything and have the same sign for most sounds.
"""

from functools import cache

import numpy as np

from tinyclap.embeddings import neighbours
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError

DTYPES = ("float32", "float16", "int8", "binary")
NEIGHBOURS, QUERIES = 10, 500


def bytes_per_clip(dtype: str, dim: int) -> int:
    """Size of one stored embedding of `dim` dimensions."""
    return {"float32": 4 * dim, "float16": 2 * dim, "int8": dim, "binary": -(-dim // 8)}[dtype]


def refuse_unknown(dtype: str) -> None:
    """Raise a TinyclapError for a form that is not one of DTYPES."""
    if dtype not in DTYPES:
        raise TinyclapError(f"dtype {dtype!r} is not known; allowed: {', '.join(DTYPES)}")


def quantize(embeddings: np.ndarray, dtype: str) -> np.ndarray:
    """Embeddings as they are stored.

    Args:
        embeddings: unit-norm float32 (N, dim).
        dtype: one of DTYPES.

    Returns:
        (N, dim) of that type; "binary" uint8 (N, ceil(dim / 8)), the first dimension in the highest bit.
    """
    refuse_unknown(dtype)
    if dtype == "int8":
        largest = np.abs(embeddings).max(1, keepdims=True)
        return np.rint(embeddings * (127.0 / np.maximum(largest, 1e-12))).astype(np.int8)
    if dtype == "binary":
        return np.packbits(embeddings @ rotation(embeddings.shape[1]) > 0, axis=1)
    return embeddings.astype(dtype)


def dequantize(stored: np.ndarray, dtype: str, dim: int) -> np.ndarray:
    """The inverse of `quantize`, as nearly as its bytes tell: unit-norm float32 (N, dim).

    The result lies in the space that was encoded, so it is compared with embeddings of sounds and of texts by cosine.
    Between binary ones the cosine is that of the bits, 1 - 2 * (differing bits) / dim.

    Raises:
        TinyclapError: an array that `quantize` does not make of `dim` dimensions.
    """
    refuse_unknown(dtype)
    kind, width = ("uint8", bytes_per_clip(dtype, dim)) if dtype == "binary" else (dtype, dim)
    if stored.dtype != kind or stored.ndim != 2 or stored.shape[1] != width:
        raise TinyclapError(
            f"{dtype} embeddings of {dim} dimensions are {kind} (N, {width}); got {stored.dtype} {stored.shape}"
        )
    if dtype == "binary":
        signs = np.unpackbits(stored, axis=1, count=dim).astype(np.float32) * 2 - 1
        rows = signs @ rotation(dim).T
    else:
        rows = stored.astype(np.float32)
    return unit(rows)


def neighbours_kept(embeddings: np.ndarray, dtype: str) -> float | None:
    """Share of the ten nearest clips of each clip that are still found once all are encoded.

    Args:
        embeddings: unit-norm float32 (N, dim); of more than 500 every so manieth asks for its neighbours.
        dtype: one of DTYPES.

    Returns:
        The mean share; None for fewer than 12 clips, where all are neighbours.
    """
    if len(embeddings) < NEIGHBOURS + 2:
        return None
    decoded = dequantize(quantize(embeddings, dtype), dtype, embeddings.shape[1])
    asking = np.arange(0, len(embeddings), -(-len(embeddings) // QUERIES))
    return neighbours.knn_overlap(decoded, embeddings, asking, NEIGHBOURS)


@cache
def rotation(dim: int) -> np.ndarray:
    """The rotation of "binary": an orthogonal matrix (dim, dim), float32, drawn at random and the same everywhere."""
    # RandomState, because its numbers are frozen for all versions of numpy, and stored bits must stay readable.
    drawn = np.random.RandomState(0).standard_normal((dim, dim))
    orthogonal, upper = np.linalg.qr(drawn)
    signed: np.ndarray = orthogonal * np.sign(np.diag(upper))  # without which it would depend on the LAPACK
    return signed.astype(np.float32)
