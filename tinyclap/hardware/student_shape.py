"""TODO hardware.student_shape."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyclap.common.files import read_json
from tinyclap.common.numbers import known
from tinyclap.embeddings import latent_map
from tinyclap.errors import TinyclapError
from tinyclap.hardware.costs import student_costs
from tinyclap.models.student_config import MAPPED, StudentConfig


def pruned(config: StudentConfig, full_dim: int | None, dim: int) -> tuple[StudentConfig, int | None]:
    """A student (its shape, and the width of its projection before the map, if it has one) with fewer dimensions."""
    if dim > config.embed_dim:
        raise TinyclapError(f"--dim {dim}: the student has {config.embed_dim} dimensions; allowed: 1 to that")
    if config.head == "linear":
        return dataclasses.replace(config, embed_dim=dim), None
    return dataclasses.replace(config, head=MAPPED, embed_dim=dim), full_dim or config.embed_dim


def of_run(run: Path) -> tuple[StudentConfig, int | None]:
    """A run's student, and the width of its projection before the map that pruned it."""
    path = run / "student" / "config.json"
    if not path.is_file():
        raise TinyclapError(f"{run} has no student ({path} is missing); give a finished run of `tinyclap distill`")
    values = {key: value for key, value in read_json(path, {}).items() if not key.startswith("format")}
    config = StudentConfig.from_dict(values)
    mapped = run / "student" / latent_map.FILE
    return config, latent_map.LatentMap.load(mapped).full_dim if mapped.is_file() else None


@dataclass(frozen=True)
class Shape:
    """A student's shape, and the width of its projection before the map that pruned it, if there is one."""

    config: StudentConfig
    full_dim: int | None = None

    def pruned(self, dim: int) -> "Shape":
        """The same with fewer dimensions."""
        return Shape(*pruned(self.config, self.full_dim, dim))

    def figures(self) -> dict[str, Any]:
        """What it costs by formula in float32, in the table's keys."""
        costs = student_costs(self.config, full_dim=self.full_dim)
        counted = {"parameters": costs.parameters, "macs": costs.macs, "window_s": self.config.window_s}
        return per_second(counted | self.memory("float32"))

    def memory(self, precision: str) -> dict[str, Any]:
        """Activations, weights and their sum, bytes."""
        costs = student_costs(self.config, full_dim=self.full_dim)
        ram, flash = costs.ram_bytes(precision), costs.flash_bytes(precision)
        return {"ram_bytes": ram, "flash_bytes": flash, "loaded_bytes": ram + flash}


def per_second(figures: Mapping[str, Any]) -> dict[str, Any]:
    macs, seconds, factor = (figures.get(key) for key in ("macs", "window_s", "real_time_factor"))
    shared = {"macs_per_s": macs / seconds} if known(macs) and known(seconds) and seconds > 0 else {}
    return {**figures, **shared, **({"ms_per_s": 1000 * factor} if known(factor) else {})}
