"""How far apart two collections of sounds lie in an embedding: Frechet audio distance and kernel audio distance.

Both compare distributions, not clips: a model's output with recordings, without saying which clip should be like which.
Rows are taken as they are. All figures depend on the embedding, so they compare only with others of the same one.

- Frechet (Kilgour et al., Interspeech 2019, doi:10.21437/Interspeech.2019-2219): of Gaussians with the same means and
  covariances (Dowson & Landau 1982). With few clips it is too large, all the more the more dimensions there are.
- Kernel (KAD: Chung et al. 2025, arXiv 2502.15602): the squared maximum mean discrepancy, without bias (Gretton et al.
  2012, JMLR 13, equation 3), of a Gaussian kernel as wide as the median distance within the reference. Few clips do; of
  equal distributions it is 0 on average, and so as often below 0 as above.
"""

import numpy as np

from tinyclap.embeddings.similarity import refuse_other_widths
from tinyclap.errors import TinyclapError

KAD_SCALE = 100.0  # by which kadtk, the publication's package, multiplies
BLOCK_ROWS = 512  # clips compared with all others at once
MEDIAN_ROWS = 4096  # of more clips every so manieth tells the median distance


def frechet_distance(reference: np.ndarray, generated: np.ndarray) -> float:
    """|m - m'|² + tr(C + C' - 2 (C C')^½), with means m and covariances C (divided by N - 1).

    The last trace is the sum of the singular values of A A'ᵀ, where AᵀA = C and A'ᵀA' = C', so that no root is taken of
    a product that is not symmetric.

    Args:
        reference, generated: embeddings (N, D) and (M, D).

    Raises:
        TinyclapError: fewer than two rows, other widths, or values that are not finite.
    """
    reference, generated = _checked(reference, generated)
    means = reference.mean(axis=0), generated.mean(axis=0)
    roots = [
        np.linalg.qr(rows - mean, mode="r") / np.sqrt(len(rows) - 1)
        for rows, mean in zip((reference, generated), means, strict=True)
    ]
    shared = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    spread = sum(float((root**2).sum()) for root in roots)
    return max(0.0, float(((means[0] - means[1]) ** 2).sum()) + spread - 2.0 * float(shared))


def kernel_distance(reference: np.ndarray, generated: np.ndarray, bandwidth: float | None = None) -> float:
    """KAD_SCALE times the unbiased squared maximum mean discrepancy with the kernel exp(-|x - y|² / (2 bandwidth²)).

    Args:
        reference, generated: embeddings (N, D) and (M, D).
        bandwidth: None for `median_distance(reference)`, as the publication says and so that it stays the same for all
            that is compared with one reference. (kadtk 1.1.0 takes that of what is evaluated; see its issue 9.)

    Raises:
        TinyclapError: as `frechet_distance` and `median_distance` do, or a bandwidth that is not above 0.
    """
    reference, generated = _checked(reference, generated)
    width = median_distance(reference) if bandwidth is None else float(bandwidth)
    if not (np.isfinite(width) and width > 0):
        raise TinyclapError(f"bandwidth is {bandwidth}: it must be above 0")

    def total(first: np.ndarray, second: np.ndarray) -> float:
        blocks = (_squared(first[at : at + BLOCK_ROWS], second) for at in range(0, len(first), BLOCK_ROWS))
        return sum(float(np.exp(block / (-2.0 * width**2)).sum()) for block in blocks)

    n, m = len(reference), len(generated)
    within = [(total(rows, rows) - len(rows)) / (len(rows) * (len(rows) - 1)) for rows in (reference, generated)]
    return KAD_SCALE * (sum(within) - 2.0 * total(reference, generated) / (n * m))


def median_distance(rows: np.ndarray) -> float:
    """The median Euclidean distance between two different rows of (N, D); of two middle ones the smaller.

    Of more than MEDIAN_ROWS rows every so manieth counts. Among those it is exact; 4,096 take some 130 MB.

    Raises:
        TinyclapError: fewer than two rows, or more than half of the pairs are the same.
    """
    rows, _ = _checked(rows, rows)
    some = rows[:: -(-len(rows) // MEDIAN_ROWS)]
    squares = np.empty(len(some) * (len(some) - 1) // 2)
    filled = 0
    for start in range(0, len(some), BLOCK_ROWS):
        block = _squared(some[start : start + BLOCK_ROWS], some[start:])
        for row, values in enumerate(block):
            others = values[row + 1 :]
            squares[filled : filled + len(others)] = others
            filled += len(others)
    middle = (len(squares) - 1) // 2
    squares.partition(middle)
    width = float(np.sqrt(squares[middle]))
    if width <= 1e-6:
        raise TinyclapError("reference: most of its clips are the same, so that no distance within it is usual")
    return width


def _checked(reference: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pair = [np.asarray(rows, np.float64) for rows in (reference, generated)]
    for name, rows in zip(("reference", "generated"), pair, strict=True):
        if rows.ndim != 2 or len(rows) < 2 or not rows.shape[1]:
            raise TinyclapError(f"{name}: shape {rows.shape}; a distance needs embeddings (N, D) of two clips or more")
        if not np.isfinite(rows).all():
            raise TinyclapError(f"{name}: holds NaN or infinite values")
    refuse_other_widths(reference=pair[0], generated=pair[1])
    return pair[0], pair[1]


def _squared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Squared distances (N, M)."""
    norms = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    return np.maximum(0.0, norms - 2.0 * (first @ second.T))
