"""Arrays on disk: what is whole is read, and a damaged file is named and asks for no memory."""

import io
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tinyclap.common.arrays import map_array, read_array, read_arrays
from tinyclap.errors import TinyclapError

ARRAY = np.arange(12, dtype=np.float32).reshape(3, 4)


def content_of(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("array", [ARRAY, np.asfortranarray(ARRAY), np.array(["a", "bc"]), np.zeros((0, 4)), ARRAY[0]])
def test_what_was_written_is_read(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", x=array, y=ARRAY)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), array)
    np.testing.assert_array_equal(map_array(tmp_path / "a.npy"), array)
    found = read_arrays(tmp_path / "a.npz")
    assert sorted(found) == ["x", "y"]
    np.testing.assert_array_equal(found["x"], array)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"NUMPY", b"NAMPY"),
        (b"(3, 4)", b"(3, 4"),
        (b"(3, 4)", b"(9, 9)"),
        (b"(3, 4)", b"(-3,4)"),
        (b"'<f4'", b"'|O' "),
        (b"'<f4'", b"'<f3'"),
        (b"fortran", b"fort\0an"),
        (b"NUMPY\x01", b"NUMPY\x09"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, old: bytes, new: bytes) -> None:
    content = content_of(ARRAY)
    assert old in content
    (tmp_path / "a.npy").write_bytes(content.replace(old, new))
    for read in (read_array, map_array):
        with pytest.raises(TinyclapError, match=r"a\.npy is damaged \("):
            read(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content.replace(old, new))
    with pytest.raises(TinyclapError, match=r"a\.npz is damaged \("):
        read_arrays(tmp_path / "a.npz")


def test_a_header_cannot_ask_for_memory(tmp_path: Path) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (2**40,)}
    with (tmp_path / "a.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
    with pytest.raises(TinyclapError, match="too short for the shape"):
        read_array(tmp_path / "a.npy")
    packed = zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED)
    with packed, packed.open("x.npy", "w", force_zip64=True) as member:
        for _ in range(1025):
            member.write(bytes(2**20))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TinyclapError, match="take more than 1073741824 bytes"):
        read_arrays(tmp_path / "a.npz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss == peak


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    for read in (read_array, map_array, read_arrays):
        with pytest.raises(TinyclapError, match="there is no file"):
            read(tmp_path / "a.npy")
