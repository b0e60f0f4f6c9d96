"""The tensors in a file of `torch.save`, read without torch and without running what the file says."""

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.files import refuse_pointer
from tinyclap.errors import TinyclapError

DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict, by name.

    Raises:
        TinyclapError: no such file, another format, or a file that holds anything but a dict of tensors.
    """
    if not path.is_file():
        raise TinyclapError(f"there is no file {path}")
    refuse_pointer(path)
    try:
        with zipfile.ZipFile(path) as archive:
            root = next(name for name in archive.namelist() if name.endswith("/data.pkl")).removesuffix("data.pkl")
            with archive.open(f"{root}data.pkl") as stream:
                held = _Unpickler(stream, archive, root).load()
    except (zipfile.BadZipFile, StopIteration, KeyError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise TinyclapError(f"{path} is no file of torch.save with plain tensors ({error or 'no data.pkl'})") from error
    if not isinstance(held, dict) or not all(isinstance(value, np.ndarray) for value in held.values()):
        raise TinyclapError(f"{path} holds something else than a dict of tensors")
    return dict(held)


class _Unpickler(pickle.Unpickler):
    """Builds dicts and arrays; any other class or function in the file is an error."""

    def __init__(self, stream: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(stream)
        self._archive, self._root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not read")

    def persistent_load(self, saved: Any) -> np.ndarray:
        kind, dtype, key, _, _ = saved
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"storage of {dtype!r} is not read")
        return np.frombuffer(self._archive.read(f"{self._root}data/{key}"), dtype)


def _tensor(storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> np.ndarray:
    last = offset + sum((count - 1) * step for count, step in zip(size, stride, strict=True))
    if min(size, default=1) and not 0 <= offset <= last < len(storage):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    strides = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides, writeable=False)
