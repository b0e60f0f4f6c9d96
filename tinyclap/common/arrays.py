"""Arrays on disk, .npy and .npz, read so that a damaged file says so and asks for no more memory than it fills."""

import errno
import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from tinyclap.errors import TinyclapError

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
LARGEST_UNPACKED = 2**30  # bytes of a .npz file
KINDS = "fiubU"  # floats, whole numbers, truth values, texts


def read_array(path: Path) -> np.ndarray:
    """The array in a .npy file.

    Raises:
        TinyclapError: there is no such file, or it is damaged.
    """
    with _naming(path), path.open("rb") as stream:
        return _read(stream, path.stat().st_size)


def map_array(path: Path) -> np.ndarray:
    """The array in a .npy file, mapped and read-only; raises as `read_array` does."""
    with _naming(path):
        mapped: np.ndarray = np.load(path, mmap_mode="r")
        return mapped


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a .npz file, by name; raises as `read_array` does."""
    with _naming(path), path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
        held = {entry.filename: entry.file_size for entry in archive.infolist()}
        if sum(held.values()) > LARGEST_UNPACKED:
            raise ValueError(f"its arrays take more than {LARGEST_UNPACKED} bytes")
        return {name.removesuffix(".npy"): _unpacked(archive.read(name)) for name in held}


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What is wrong with a file's content becomes a TinyclapError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise TinyclapError(f"there is no file {path}") from error
    except MemoryError:
        raise
    except Exception as error:  # a header is Python text whose parser may raise anything, and archives a dozen kinds
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # of the machine, not of the file
            raise
        raise TinyclapError(f"{path} is damaged ({_why(error)})") from error


def _unpacked(content: bytes) -> np.ndarray:
    return _read(io.BytesIO(content), len(content))


def _read(stream: BinaryIO, size_bytes: int) -> np.ndarray:
    version = npy.read_magic(stream)
    if version not in HEADERS:
        raise ValueError(f"version {version} of the format")
    shape, _, dtype = HEADERS[version](stream)
    if dtype.kind not in KINDS:
        raise ValueError(f"it holds {dtype}, which are no numbers")
    if min(shape, default=0) < 0 or stream.tell() + math.prod(shape) * dtype.itemsize > size_bytes:
        raise ValueError(f"it is too short for the shape {shape} of {dtype}")
    stream.seek(0)
    array: np.ndarray = npy.read_array(stream, allow_pickle=False)
    return array


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
