"""What a student may cost: limits, in the precision of the device."""

from dataclasses import dataclass
from typing import Any

from tinyclap.common.numbers import binary_size, scaled
from tinyclap.errors import TinyclapError
from tinyclap.hardware.devices import Device
from tinyclap.hardware.latency_model import LatencyFit
from tinyclap.hardware.macs_ram_flash import PRECISIONS, Costs


@dataclass(frozen=True)
class Budget:
    """What a student may cost at most; None: as much as it likes.

    Attributes:
        macs: of the network, for one window.
        parameters: as torch counts them.
        ram_bytes: of activations, layer by layer (see `costs`).
        flash_bytes: of weights and tables.
        latency_ms: from waveform to embedding, as `latency` predicts it.
        precision: "float32" or "int8", in which RAM and flash are counted.
        fused: whether blocks are fused on the device, which takes less RAM.
        latency: fitted on the device.

    Raises:
        TinyclapError: a limit of 0, or one on the latency of a device where none was measured.
    """

    macs: int | None = None
    parameters: int | None = None
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    latency_ms: float | None = None
    precision: str = "int8"
    fused: bool = False
    latency: LatencyFit | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise TinyclapError(f"--precision {self.precision}: allowed: {', '.join(PRECISIONS)}")
        for name, limit in self.limits.items():
            if limit <= 0:
                raise TinyclapError(
                    f"a limit of {format_limit(name, limit)} on {LIMITS[name]} leaves nothing; give more"
                )
        if self.latency_ms is not None and self.latency is None:
            raise TinyclapError(
                "latency can be limited once it was measured on the device: `tinyclap latency --make FOLDER` here, "
                "`tinyclap latency FOLDER` there, and --latency FOLDER/latency.yaml (or that section in a device file)"
            )

    @classmethod
    def of_device(cls, device: Device, **others: Any) -> "Budget":
        """What a device leaves, with further or tighter limits."""
        free = {"ram_bytes": device.ram.free, "flash_bytes": device.flash.free}
        for name, value in free.items():
            if others.get(name) is not None and others[name] > value:
                raise TinyclapError(
                    f"{LIMITS[name]} of {format_limit(name, others[name])} is more than the device has free, "
                    f"{format_limit(name, value)}; give less, or a device file of your own"
                )
            others[name] = value if others.get(name) is None else others[name]
        if device.latency and others.get("latency") is None:
            others["latency"] = device.latency.fit
        others["precision"] = others.get("precision") or device.precision
        return cls(**others)

    @property
    def limits(self) -> dict[str, float]:
        """The limits there are, by the name of the cost."""
        return {name: getattr(self, name) for name in LIMITS if getattr(self, name) is not None}

    def measure(self, costs: Costs) -> dict[str, Any]:
        """The costs that limits are on, in this precision."""
        return {
            "macs": costs.macs,
            "parameters": costs.parameters,
            "ram_bytes": costs.ram_bytes(self.precision, fused=self.fused),
            "flash_bytes": costs.flash_bytes(self.precision),
            **({"latency_ms": self.latency.predict(costs)} if self.latency else {}),
        }

    def excess(self, costs: Costs) -> float:
        """How far the worst cost is above its limit, as a ratio: up to 1 the student fits."""
        measured = self.measure(costs)
        return max((measured[name] / limit for name, limit in self.limits.items()), default=0.0)


LIMITS = {
    **{"macs": "operations", "parameters": "parameters", "ram_bytes": "RAM", "flash_bytes": "flash"},
    "latency_ms": "latency",
}


def format_limit(name: str, value: float) -> str:
    """A cost as people read it."""
    if name == "latency_ms":
        return f"{value:.3g} ms"
    return binary_size(value) if name.endswith("_bytes") else scaled(value)
