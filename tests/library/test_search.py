"""Large libraries: bits choose what is compared, and answers are those of comparing everything."""

from pathlib import Path

import numpy as np
import pytest

from tinyclap import Library
from tinyclap.embeddings import quantization
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.library import bits, search
from tinyclap.library.vectors import Vectors

DIM, ROWS = 96, 5000


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bits from a thousand rows on, in small blocks; 200 candidates."""
    monkeypatch.setattr(bits, "FROM_ROWS", 1000)
    monkeypatch.setattr(bits, "BLOCK", 256)
    monkeypatch.setattr(search, "CANDIDATES", 400)
    monkeypatch.setattr("tinyclap.library.vectors.KEPT_BYTES", 0)


def cone(rows: int, seed: int = 0, dim: int = DIM) -> np.ndarray:
    """Unit vectors about one direction that differ in few others, as those of a CLAP."""
    rng, space = np.random.default_rng(seed), np.random.default_rng(7).normal(size=(11, dim)) / np.sqrt(dim)
    noise = rng.normal(size=(rows, dim)) * 0.1 / np.sqrt(dim)
    return unit(3 * space[0] + rng.normal(size=(rows, 10)) @ space[1:] + noise).astype(np.float32)


def vectors_of(folder: Path, rows: np.ndarray, codes: str = "float32") -> Vectors:
    vectors = Vectors(folder, codes, rows.shape[1], 0, len(rows))
    vectors.write(0, quantization.quantize(rows, codes))
    return vectors


def bits_of(folder: Path, vectors: Vectors, rows: np.ndarray) -> bits.Bits:
    made = bits.Bits(folder / "bits.u64", 0, rows.mean(0))
    made.extend(vectors)
    return made


@pytest.mark.usefixtures("few")
class TestBits:
    def test_distances_are_those_of_signs_counted_one_by_one(self, tmp_path: Path) -> None:
        rows = cone(700)
        made = bits_of(tmp_path, vectors_of(tmp_path, rows), rows)
        mean = rows.mean(0)
        query = cone(1, seed=3)[0]
        rotation = quantization.rotation(DIM)
        own = query - (query @ mean) / (mean @ mean) * mean
        signs = (rows - mean) @ rotation > 0
        np.testing.assert_array_equal(made.distances(query), (signs != (own @ rotation > 0)).sum(1))

    def test_without_numpy_2(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        words = np.random.default_rng(0).integers(0, 2**63, 1000, dtype=np.uint64) * np.uint64(2)
        expected = [int(word).bit_count() for word in words]
        assert bits._ones(words).tolist() == expected
        monkeypatch.delattr(np, "bitwise_count", raising=False)
        assert bits._ones(words).tolist() == expected

    def test_what_is_found_is_nearly_what_comparing_all_finds(self, tmp_path: Path) -> None:
        rows = cone(ROWS)
        vectors = vectors_of(tmp_path, rows)
        made = bits_of(tmp_path, vectors, rows)
        dead = np.arange(0, ROWS, 7)
        asked = np.arange(1, ROWS, 250)
        assert search.recall(vectors, asked[asked % 7 > 0], dead, made) > 0.95
        for query in rows[[8, 50]]:
            found, scores = search.nearest(vectors, query, 10, dead, bits=made)
            assert not set(found) & set(dead)
            assert (np.diff(scores) <= 0).all()
            np.testing.assert_allclose(scores, rows[found] @ query, atol=1e-6)

    def test_conditions_and_huge_n(self, tmp_path: Path) -> None:
        rows = cone(ROWS)
        vectors = vectors_of(tmp_path, rows)
        made, dead = bits_of(tmp_path, vectors, rows), np.array([3, 4, 5])
        allowed = np.arange(0, 4000)
        found, _ = search.nearest(vectors, rows[9], 10, dead, allowed, made)
        assert found[0] == 9
        assert set(found) <= set(range(4000)) - {3, 4, 5}
        found, _ = search.nearest(vectors, rows[9], 10**9, dead, allowed, made)
        assert sorted(found) == [row for row in range(4000) if row not in (3, 4, 5)]
        found, _ = search.nearest(vectors, rows[9], 5, dead, np.array([3, 9]), made)
        assert found.tolist() == [9]

    def test_rows_behind_the_bits_are_compared(self, tmp_path: Path) -> None:
        rows = cone(ROWS)
        made = bits_of(tmp_path, vectors_of(tmp_path, rows[:4000]), rows)
        vectors = vectors_of(tmp_path, rows)
        found, _ = search.nearest(vectors, rows[4500], 3, np.array([], np.int64), bits=made)
        assert found[0] == 4500

    @pytest.mark.parametrize("wanted", [10, 10**9])
    def test_dead_rows_are_no_answers_where_few_of_the_bits_are_alive(self, tmp_path: Path, wanted: int) -> None:
        rows = cone(ROWS)
        made = bits_of(tmp_path, vectors_of(tmp_path, rows[:600]), rows)
        dead = np.arange(500)
        for allowed in (None, np.arange(ROWS)):
            found, _ = search.nearest(vectors_of(tmp_path, rows), rows[3], wanted, dead, allowed, made)
            assert not set(found) & set(dead)
            assert len(found) == min(wanted, ROWS - 500)

    def test_bits_follow_the_library(self, made: Path, tmp_path: Path) -> None:
        library = Library.create(tmp_path / "lib", made)
        rows = cone(9000, dim=16)

        def grow(until: int) -> str | None:
            first = library.catalogue.n_rows()
            vectors = Vectors(library.folder, "float16", 16, 0, until)
            vectors.write(first, quantization.quantize(rows[first:until], "float16"))
            with library.catalogue.transaction():
                numbers = [(row, row) for row in range(first, until)]
                library.catalogue.run_many("INSERT INTO rows (row, file, start_s, end_s) VALUES (?, ?, 0, 1)", numbers)
            bits.keep_up(library.folder, library.catalogue, vectors, np.array([], np.int64))
            name: str | None = library.catalogue.meta("bits_file")
            return name

        assert grow(900) is None
        assert grow(1100) == "bits-1.u64"
        before = (library.folder / "bits-1.u64").read_bytes()
        assert grow(2000) == "bits-1.u64"  # extended: those before are the same
        found = bits.Bits.of(library.folder, library.catalogue)
        assert found
        assert found.n_rows == 2000
        whole = np.frombuffer((library.folder / "bits-1.u64").read_bytes(), np.uint64).reshape(-1, 1, 256)
        first = np.frombuffer(before, np.uint64).reshape(-1, 1, 256)
        np.testing.assert_array_equal(whole[:4], first[:4])
        np.testing.assert_array_equal(whole[4, 0, :76], first[4, 0, :76])
        assert grow(9000) == "bits-2.u64"  # of another mean: made again
        assert not (library.folder / "bits-1.u64").exists()
        assert library.recall(5) is not None
        (library.folder / "bits-2.u64").write_bytes(b"cut off")
        assert bits.Bits.of(library.folder, library.catalogue) is None  # every row is compared
        vectors = Vectors(library.folder, "float16", 16, 0, 9000)
        bits.keep_up(library.folder, library.catalogue, vectors, np.array([], np.int64))
        assert library.catalogue.meta("bits_file") == "bits-3.u64"


@pytest.mark.parametrize("codes", quantization.DTYPES)
def test_scores_are_cosines_with_what_is_stored(tmp_path: Path, codes: str) -> None:
    rows = cone(100)
    vectors = vectors_of(tmp_path, rows, codes)
    query = cone(1, seed=5)[0]
    stored = quantization.dequantize(quantization.quantize(rows, codes), codes, DIM)
    np.testing.assert_allclose(vectors.cosines(query), stored @ query, atol=1e-6)
    np.testing.assert_allclose(vectors.cosines(query, np.array([5, 3])), (stored @ query)[[5, 3]], atol=1e-6)


def test_equal_scores_stand_in_the_order_of_rows() -> None:
    rows, scores = search.best(np.array([4, 2, 9, 7]), np.array([0.5, 0.5, 0.9, 0.5]), 3)
    assert rows[0] == 9
    assert scores.tolist() == [0.9, 0.5, 0.5]
    rows, _ = search.best(np.array([4, 2, 9, 7]), np.array([0.5, 0.5, 0.9, 0.5]), 9)
    assert rows.tolist() == [9, 2, 4, 7]


@pytest.mark.skipif(not Path("/proc/self/smaps").is_file(), reason="Linux says there what memory holds")
@pytest.mark.parametrize("codes", ["float32", "float16", "int8", "binary"])
def test_a_large_file_is_read_and_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codes: str
) -> None:
    monkeypatch.setattr("tinyclap.library.vectors.KEPT_BYTES", 0)
    rows = unit(np.random.default_rng(0).normal(size=(20_000, 256))).astype(np.float32)
    vectors = Vectors(tmp_path, codes, 256, 0, len(rows))
    vectors.write(0, quantization.quantize(rows, codes))
    some, expected = np.arange(7, 20_000, 11), quantization.dequantize(quantization.quantize(rows, codes), codes, 256)
    for most, is_kept in ((1, False), (2**28, True)):
        monkeypatch.setattr("tinyclap.library.vectors.MAPPED_BYTES", most)
        vectors = Vectors(tmp_path, codes, 256, 0, len(rows))
        np.testing.assert_allclose(vectors.cosines(rows[3], some), expected[some] @ rows[3], atol=1e-5)
        np.testing.assert_allclose(vectors.cosines(rows[3]), expected @ rows[3], atol=1e-5)
        np.testing.assert_array_equal(vectors.read(slice(5, 9000)), expected[5:9000])
        held = held_bytes(vectors.path)
        assert held > vectors.path.stat().st_size / 2 if is_kept else held == 0


def held_bytes(path: Path) -> int:
    """How much of a file that is mapped lies in this process's memory."""
    parts = Path("/proc/self/smaps").read_text().split(str(path))[1:]
    return sum(1024 * int(part.split("Rss:")[1].split()[0]) for part in parts)


def test_a_large_file_that_was_cut_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyclap.library.vectors.MAPPED_BYTES", 1)
    vectors = Vectors(tmp_path, "float32", 16, 0, 50)
    vectors.write(0, cone(50, dim=16))
    vectors.map()
    vectors.path.write_bytes(vectors.path.read_bytes()[: 20 * 64])
    np.testing.assert_allclose(vectors.read(np.array([19])), cone(50, dim=16)[19:20], atol=1e-6)
    with pytest.raises(TinyclapError, match="it holds 20 of 50 rows"):
        vectors.read(np.array([3, 20]))
