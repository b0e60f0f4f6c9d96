"""A student's shape with the map that pruned it: all that its costs depend on."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyclap.common.files import read_json
from tinyclap.common.numbers import known
from tinyclap.embeddings import latent_map
from tinyclap.errors import TinyclapError
from tinyclap.hardware.macs_ram_flash import Costs, student_costs
from tinyclap.models.student_config import MAPPED, StudentConfig

if TYPE_CHECKING:
    from tinyclap.models.student import Student


@dataclass(frozen=True)
class StudentShape:
    """A student's shape, and the width of its projection before the map that pruned it, if there is one."""

    config: StudentConfig
    full_dim: int | None = None

    @classmethod
    def of(cls, student: "Student") -> "StudentShape":
        """A student's."""
        return cls(student.config, student.latent_map.full_dim if student.latent_map else None)

    @classmethod
    def of_run(cls, run: Path) -> "StudentShape":
        """The shape of a run's student; raises TinyclapError for a run without one."""
        path = run / "student" / "config.json"
        if not path.is_file():
            raise TinyclapError(f"{run} has no student ({path} is missing); give a finished run of `tinyclap distill`")
        values = {key: value for key, value in read_json(path, {}).items() if not key.startswith("format")}
        config = StudentConfig.from_dict(values)
        mapped = run / "student" / latent_map.FILE
        return cls(config, latent_map.LatentMap.load(mapped).full_dim if mapped.is_file() else None)

    def pruned(self, dim: int) -> "StudentShape":
        """The same with `dim` dimensions; raises TinyclapError where it has fewer."""
        if dim > self.config.embed_dim:
            raise TinyclapError(f"--dim {dim}: the student has {self.config.embed_dim} dimensions; allowed: 1 to that")
        if self.config.head == "linear":
            return StudentShape(dataclasses.replace(self.config, embed_dim=dim))
        config = dataclasses.replace(self.config, head=MAPPED, embed_dim=dim)
        return StudentShape(config, self.full_dim or self.config.embed_dim)

    def costs(self, duration_s: float | None = None) -> Costs:
        """By formula, layer by layer, for a sound of this length, by default the student's window."""
        return student_costs(self.config, duration_s, full_dim=self.full_dim)

    def figures(self) -> dict[str, Any]:
        """What it costs by formula in float32, in the table's keys."""
        costs = self.costs()
        counted = {"parameters": costs.parameters, "macs": costs.macs, "window_s": self.config.window_s}
        return per_second(counted | self.memory("float32"))

    def memory(self, precision: str) -> dict[str, Any]:
        """Activations, weights and their sum, bytes."""
        costs = self.costs()
        ram, flash = costs.ram_bytes(precision), costs.flash_bytes(precision)
        return {"ram_bytes": ram, "flash_bytes": flash, "loaded_bytes": ram + flash}


def per_second(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures with MACs and milliseconds per second of audio, where they can be told."""
    macs, seconds, factor = (figures.get(key) for key in ("macs", "window_s", "real_time_factor"))
    shared = {"macs_per_s": macs / seconds} if known(macs) and known(seconds) and seconds > 0 else {}
    return {**figures, **shared, **({"ms_per_s": 1000 * factor} if known(factor) else {})}
