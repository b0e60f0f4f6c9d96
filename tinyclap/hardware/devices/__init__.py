"""Devices and what they leave for a student: one YAML file each, beside this one or the user's own.

Every figure names its source. `reserved` is what the rest of the firmware, or the operating system, takes.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from tinyclap.common.numbers import binary_size, parse_bytes
from tinyclap.errors import TinyclapError
from tinyclap.hardware.latency_model import FEATURES, LatencyFit
from tinyclap.strict_yaml.load import load_strict
from tinyclap.strict_yaml.sections import Count, Section, Share, Text


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_bytes(value)
    except TinyclapError as error:
        raise PydanticCustomError("rule", "{allowed}", {"allowed": "a size such as 512 KiB or 2 MB"}) from error


Bytes = Annotated[int, BeforeValidator(_bytes)]


class Memory(Section):
    """A memory: its size, where that figure is from, and how much of it others take."""

    size: Bytes
    source: Text
    reserved: Bytes

    @property
    def free(self) -> int:
        """Bytes left for a student."""
        return self.size - self.reserved

    def conflicts(self) -> Any:
        if not 0 <= self.reserved < self.size:
            yield "reserved", f"got {binary_size(self.reserved)}, allowed: less than size = {binary_size(self.size)}"


Milliseconds = Annotated[float, Field(ge=0)]


class Latency(Section):
    """What `tinyclap latency` measured on a device: milliseconds of each cost (see latency_model.FEATURES)."""

    layers: Milliseconds
    frontend_macs: Milliseconds
    stem_macs: Milliseconds
    pointwise_macs: Milliseconds
    depthwise_macs: Milliseconds
    matrix_macs: Milliseconds
    activations: Milliseconds
    median_error: Share
    n_students: Count
    measured_on: Text

    @property
    def fit(self) -> LatencyFit:
        """To predict with."""
        ms = {name: getattr(self, name) for name in FEATURES}
        return LatencyFit(ms, self.median_error, self.n_students, self.measured_on)


class Emulated(Section):
    """What firmware with a student took on an emulated core of this kind: see `tinyclap bench C`.

    `instructions`: of a window, from sound to embedding; they are not cycles.
    """

    student: Text
    precision: Literal["float32", "int8"]
    arena: Count
    stack: Count
    code: Count
    instructions: Count
    source: Text


class Device(Section):
    """A device.

    `precision`: of the network that is run there; `core`: of a microcontroller, which takes C; `latency`: measured
    there, if it was; `emulated`: on such a core.
    """

    title: Text
    precision: Literal["float32", "int8"]
    flash: Memory
    ram: Memory
    reserved_source: Text
    core: Text | None = None
    latency: Latency | None = None
    emulated: tuple[Emulated, ...] = ()


class _LatencyFile(Section):
    """The file that `tinyclap latency` writes."""

    latency: Latency


_LATENCY: TypeAdapter[_LatencyFile] = TypeAdapter(_LatencyFile)
_DEVICE: TypeAdapter[Device] = TypeAdapter(Device)


def known_devices() -> dict[str, Path]:
    """Name to file of every device that is shipped, sorted by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}


def load_device(name: str) -> Device:
    """The device of a name, or of a file.

    Raises:
        TinyclapError: neither is there; or every fault of the file, each with its line and what is allowed.
    """
    path, known = Path(name), known_devices()
    if name in known:
        path = known[name]
    elif path.suffix or len(path.parts) > 1:
        if not path.is_file():
            raise TinyclapError(f"{name}: there is no such device file; known devices: {', '.join(known)}")
    elif not path.is_file():
        raise TinyclapError(
            f"no device is called '{name}'; known: {', '.join(known)}; or give a file like {_example()}"
        )
    return load_strict(path, _DEVICE, "device file")


def load_latency(path: Path) -> LatencyFit:
    """The fit in a file that `tinyclap latency` wrote; TinyclapError with every fault of it."""
    return load_strict(path, _LATENCY, "latency file").latency.fit


@cache
def _example() -> Path:
    return next(iter(known_devices().values()))
