"""Signs of a library's vectors after a rotation, to find what is worth comparing exactly in a large library.

Random hyperplanes (Charikar, STOC 2002, doi:10.1145/509907.509965) through the mean of the library's vectors: the
vectors of a CLAP lie in a narrow cone, which planes through the origin would hardly cut. The bits can be made again
from the vectors at any time, so nothing depends on them: where they are absent or damaged, every row is compared.
"""

from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np

from tinyclap.embeddings.quantization import rotation
from tinyclap.library.catalogue import Catalogue
from tinyclap.library.search import live
from tinyclap.library.vectors import Vectors

FROM_ROWS = 20_000  # smaller libraries are compared row by row
BLOCK = 16_384  # rows whose bits lie together, word by word: compared 13 times as fast as row by row
MEAN_OF = 20_000  # rows, at most, that the mean is taken of
RENEWED = 4  # the mean is taken anew once the library is so many times as large
BITS_OF_BYTE = np.array([byte.bit_count() for byte in range(256)], np.uint8)


class Bits:
    """Bits of the first `n_rows` rows of a library.

    Args:
        path: of the file.
        n_rows: that are valid in it.
        mean: float32 (D,), which is taken off rows before their signs are taken.
    """

    def __init__(self, path: Path, n_rows: int, mean: np.ndarray) -> None:
        self.path, self.n_rows, self.mean = path, n_rows, mean
        self.words = -(-len(mean) // 64)

    @classmethod
    def of(cls, folder: Path, catalogue: Catalogue) -> "Bits | None":
        """Those of a library, mapped; None where there are none, or not as many as the database says."""
        name, n_rows, mean = (catalogue.meta(key) for key in ("bits_file", "bits_rows", "bits_mean"))
        if name is None:
            return None
        found = cls(folder / name, int(n_rows), np.frombuffer(mean, np.float32))
        size = found.path.stat().st_size if found.path.is_file() else 0
        if size < found._bytes(found.n_rows):
            return None
        _ = found._blocks
        return found

    def distances(self, query: np.ndarray) -> np.ndarray:
        """Differing bits between a vector (D,) and every row, uint16 (n_rows,)."""
        # How far it lies along the mean is the same for all rows, so no planes for it.
        along = query @ self.mean / max(float(self.mean @ self.mean), 1e-12)
        asked = _packed((query - along * self.mean)[None], self.words)[:, 0]
        found = np.empty(self.n_rows, np.uint16)
        for at, block in enumerate(self._blocks):
            rows = slice(at * BLOCK, min(self.n_rows, (at + 1) * BLOCK))
            counted = np.zeros(rows.stop - rows.start, np.uint16)
            for word, sought in zip(block, asked, strict=True):
                counted += _ones(word[: len(counted)] ^ sought)
            found[rows] = counted
        return found

    def extend(self, vectors: Vectors) -> None:
        """Write the bits of rows from `n_rows` on; those before stay as they are on the disk."""
        with self.path.open("r+b" if self.path.exists() else "w+b") as stream:
            for at in range(self.n_rows // BLOCK, -(-vectors.n_rows // BLOCK)):
                rows = slice(at * BLOCK, min(vectors.n_rows, (at + 1) * BLOCK))
                block = np.zeros((self.words, BLOCK), np.uint64)
                block[:, : rows.stop - rows.start] = _packed(vectors.read(rows) - self.mean, self.words)
                stream.seek(at * block.nbytes)
                stream.write(block.tobytes())
        self.n_rows = vectors.n_rows

    @cached_property
    def _blocks(self) -> np.ndarray:
        shape = (-(-self.n_rows // BLOCK), self.words, BLOCK)
        return np.memmap(self.path, np.uint64, "r", shape=shape)

    def _bytes(self, n_rows: int) -> int:
        return -(-n_rows // BLOCK) * BLOCK * self.words * 8


def keep_up(folder: Path, catalogue: Catalogue, vectors: Vectors, dead: np.ndarray) -> None:
    """Make or extend the bits of a library that this process alone writes."""
    if vectors.n_rows < FROM_ROWS:
        return
    bits, old = Bits.of(folder, catalogue), catalogue.meta("bits_file")
    mean_rows = int(catalogue.meta("bits_mean_rows", 0))
    if bits is not None and bits.n_rows == vectors.n_rows:
        return
    if bits is None or vectors.n_rows > RENEWED * mean_rows:
        number = 1 + int(catalogue.meta("bits_number", 0))
        bits, mean_rows = Bits(folder / f"bits-{number}.u64", 0, _mean(vectors, dead)), vectors.n_rows
        bits.path.unlink(missing_ok=True)  # of a process that was killed here
        catalogue.set_meta("bits_number", number)
    bits.extend(vectors)
    with catalogue.transaction():
        kept = {"file": bits.path.name, "rows": bits.n_rows, "mean": bits.mean.tobytes(), "mean_rows": mean_rows}
        for key, value in kept.items():
            catalogue.set_meta(f"bits_{key}", value)
    if old is not None and old != bits.path.name:
        with suppress(OSError):  # Windows keeps what another process has open
            (folder / old).unlink()


def _mean(vectors: Vectors, dead: np.ndarray) -> np.ndarray:
    """The mean vector of a sample; zeros for binary codes, which are signs about the origin already."""
    if vectors.codes == "binary":
        return np.zeros(vectors.dim, np.float32)
    rows = live(vectors.n_rows, dead)
    if not len(rows):
        return np.zeros(vectors.dim, np.float32)
    some = rows[:: -(-len(rows) // MEAN_OF)]
    mean: np.ndarray = vectors.read(some).mean(0, dtype=np.float64).astype(np.float32)
    return mean


def _packed(rows: np.ndarray, words: int) -> np.ndarray:
    """Signs of rotated rows (N, D), a word of 64 after the other: uint64 (words, N)."""
    signs = np.zeros((len(rows), words * 64), bool)
    signs[:, : rows.shape[1]] = rows @ rotation(rows.shape[1]) > 0
    packed: np.ndarray = np.packbits(signs, axis=1).view(np.uint64).T
    return packed


def _ones(words: np.ndarray) -> np.ndarray:
    """How many bits of each uint64 are set, uint8."""
    if hasattr(np, "bitwise_count"):  # from numpy 2
        counted: np.ndarray = np.bitwise_count(words)
        return counted
    return BITS_OF_BYTE[words.view(np.uint8).reshape(-1, 8)].sum(1, dtype=np.uint8)
