"""Fewer dimensions of a shared space, chosen or rotated, for audio and text alike.

The paper's rule (tinyCLAP, arXiv 2311.14517, Eq. 8) leaves out the entries of smallest magnitude. A rotation onto the
principal directions keeps more in fewer dimensions, and its first rows are the best map to fewer still.
"""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyclap.common.files import refuse_pointer
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError

METHODS = ("rotation", "magnitude", "random")
FILE = "latent_map.safetensors"  # in a pruned student's folder
_TENSOR = "latent_map"


@dataclass(frozen=True)
class LatentMap:
    """A linear map from a shared space into a smaller one.

    Attributes:
        matrix: float32 (dim, full_dim), its rows orthonormal.
        method: that made it; a map after another one has both names, "magnitude+rotation".
    """

    matrix: np.ndarray
    method: str

    def __post_init__(self) -> None:
        # In C order, since safetensors writes the memory as it lies.
        object.__setattr__(self, "matrix", np.ascontiguousarray(self.matrix, dtype=np.float32))
        shape = self.matrix.shape
        if len(shape) != 2 or not 1 <= shape[0] <= shape[1]:
            raise TinyclapError(f"latent map: a matrix of shape {shape}; allowed: (dim, full_dim) with dim <= full_dim")
        if not np.allclose(self.matrix @ self.matrix.T, np.eye(shape[0]), atol=1e-4):
            raise TinyclapError(f"latent map: the rows of a matrix of shape {shape} are not orthonormal")

    @property
    def dim(self) -> int:
        """Dimensions of the smaller space."""
        return int(self.matrix.shape[0])

    @property
    def full_dim(self) -> int:
        """Dimensions of the space that is mapped."""
        return int(self.matrix.shape[1])

    @property
    def nested(self) -> bool:
        """Whether the first coordinates alone are the best smaller space of the same method."""
        return self.method.endswith("rotation")

    @property
    def fingerprint(self) -> str:
        """Hex hash of the matrix."""
        return hashlib.blake2b(self.matrix.tobytes(), digest_size=16).hexdigest()

    def apply(self, embeddings: np.ndarray) -> np.ndarray:
        """Embeddings (N, full_dim) to unit-norm (N, dim), in the precision given."""
        if np.ndim(embeddings) != 2 or np.shape(embeddings)[1] != self.full_dim:
            raise TinyclapError(f"latent map: got shape {np.shape(embeddings)}, expected (N, {self.full_dim})")
        mapped = embeddings @ self.matrix.T.astype(embeddings.dtype)
        return unit(mapped)

    def after(self, earlier: "LatentMap") -> "LatentMap":
        """The map that applies `earlier` first and this one then."""
        product = self.matrix.astype(np.float64) @ earlier.matrix.astype(np.float64)
        return LatentMap(product.astype(np.float32), f"{earlier.method}+{self.method}")

    def save(self, path: Path) -> None:
        """Write a safetensors file."""
        import safetensors.numpy  # not in the base install, which computes with maps but stores none

        path.write_bytes(safetensors.numpy.save({_TENSOR: self.matrix}, {"method": self.method}))

    @classmethod
    def load(cls, path: Path) -> "LatentMap":
        """The inverse of `save`; TinyclapError for a damaged file."""
        import safetensors

        refuse_pointer(path)
        try:
            with safetensors.safe_open(path, "np") as stored:
                return cls(stored.get_tensor(_TENSOR), (stored.metadata() or {}).get("method", "unknown"))
        except (safetensors.SafetensorError, OSError, TinyclapError) as error:
            raise TinyclapError(f"{path} is damaged ({error}); prune the run again") from error


def latent_map(method: str, dim: int, embeddings: np.ndarray, *, seed: int = 0) -> LatentMap:
    """A map to `dim` dimensions, made from embeddings of sounds.

    "rotation": onto the first eigenvectors of the embeddings' second moment, not centred, since cosines are taken from
    the origin. "magnitude": the dimensions of the largest mean absolute value (the paper's Eq. 8, with the mean over
    clips), in their own order. "random": dimensions drawn at random, the floor to compare with.

    Args:
        method: one of METHODS.
        dim: 1 up to the embeddings' width.
        embeddings: unit-norm (N, full_dim).
        seed: of "random".

    Raises:
        TinyclapError: a method or a dimension that is not allowed.
    """
    full_dim = embeddings.shape[1]
    if method not in METHODS:
        raise TinyclapError(f"method {method!r} is not known; allowed: {', '.join(METHODS)}")
    if not 1 <= dim <= full_dim:
        raise TinyclapError(f"dim is {dim}; allowed: 1 to {full_dim}, the embedding's width")
    if method == "rotation":
        return LatentMap(_principal_directions(embeddings)[:dim], method)
    if method == "magnitude":
        order = np.argsort(-np.abs(embeddings).mean(0, dtype=np.float64), kind="stable")
    else:
        order = np.random.default_rng(seed).permutation(full_dim)
    kept = np.sort(order[:dim])
    return LatentMap(np.eye(full_dim, dtype=np.float32)[kept], method)


def enlargement(full_dim: int, dim: int) -> float:
    """How much larger the entries of a unit vector are, by and large, in `dim` of `full_dim` dimensions."""
    return math.sqrt(full_dim / dim)


def mask_per_clip(embeddings: np.ndarray, dim: int) -> np.ndarray:
    """Each row with all but its own `dim` largest entries set to zero, unit-norm again (N, full_dim).

    The other reading of the paper's Eq. 8, for analysis only: every clip keeps other dimensions, so nothing shrinks.
    """
    dropped = np.argsort(np.abs(embeddings), axis=1)[:, : embeddings.shape[1] - dim]
    masked = embeddings.copy()
    np.put_along_axis(masked, dropped, 0.0, axis=1)
    return unit(masked)


def _principal_directions(embeddings: np.ndarray) -> np.ndarray:
    """Eigenvectors of the second moment as rows, the largest eigenvalue first: float32 (full_dim, full_dim)."""
    rows = embeddings.astype(np.float64)
    _, columns = np.linalg.eigh(rows.T @ rows / len(rows))
    directions = columns.T[::-1]
    largest = np.abs(directions).argmax(1)
    signs = np.sign(directions[np.arange(len(directions)), largest])  # a sign of its own would differ by machine
    return (directions * signs[:, None]).astype(np.float32)
