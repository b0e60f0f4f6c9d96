"""What `tinyclap costs` prints: a student's costs, layer by layer and in total."""

import dataclasses
import json
from typing import Any

from tinyclap.common.numbers import aligned, binary_size, scaled
from tinyclap.hardware.macs_ram_flash import PRECISIONS, Costs
from tinyclap.models.student_config import StudentConfig

DEFAULT_DIM = 512  # of LAION's teachers
LONGEST_S = 3600.0


@dataclasses.dataclass(frozen=True)
class Counted:
    """A student and its costs.

    Attributes:
        name: of the recipe or run.
        config: the student's shape.
        duration_s: of the sound, seconds.
        costs: layer by layer.
    """

    name: str
    config: StudentConfig
    duration_s: float
    costs: Costs


def as_table(counted: Counted) -> str:
    """Costs as text."""
    rows: list[tuple[str, ...]] = [("", "parameters", "MACs", "RAM float32", "RAM int8", "flash float32", "flash int8")]
    for layer in counted.costs.layers:
        ram = [binary_size(layer.ram_bytes(precision)) for precision in PRECISIONS]
        flash = [binary_size(layer.flash_bytes(precision)) for precision in PRECISIONS]
        rows.append((layer.name, scaled(layer.parameters), scaled(layer.macs), *ram, *flash))
    figures = totals(counted)
    total = [scaled(figures["parameters"]), scaled(figures["macs"] + figures["frontend_macs"])]
    peaks = [binary_size(figures[f"ram_bytes_{precision}"]) for precision in PRECISIONS]
    flash = [binary_size(figures[f"flash_bytes_{precision}"]) for precision in PRECISIONS]
    rows.append(("sum (RAM: the largest)", *total, *peaks, *flash))
    fused = [binary_size(figures[f"fused_ram_bytes_{precision}"]) for precision in PRECISIONS]
    rows.append(("  with fused blocks", "", "", *fused, "", ""))
    lines = aligned(rows, numbers=True)
    rule = "-" * len(lines[0])
    return "\n".join(
        [
            f"{counted.name}: {counted.duration_s:g} s of sound to {counted.config.embed_dim} dimensions",
            "",
            lines[0],
            rule,
            *lines[1:-2],
            rule,
            *lines[-2:],
            "",
            f"MACs: {scaled(figures['macs'])} of the network, as fvcore counts them, and by formula "
            f"{scaled(figures['frontend_macs'])} of the front end.",
            "RAM: activations, layer by layer; sound is read frame by frame, so that no window of it is stored.",
            "Flash: weights and tables alone. An ONNX file holds the front end as matrices, and the graph, besides.",
        ]
    )


def as_object(counted: Counted) -> str:
    """Costs as one JSON object."""
    layers = [
        {
            "name": layer.name,
            "parameters": layer.parameters,
            "macs": layer.macs,
            **{f"ram_bytes_{precision}": layer.ram_bytes(precision) for precision in PRECISIONS},
            **{f"flash_bytes_{precision}": layer.flash_bytes(precision) for precision in PRECISIONS},
        }
        for layer in counted.costs.layers
    ]
    figures = {"name": counted.name, "duration_s": counted.duration_s, "embed_dim": counted.config.embed_dim}
    return json.dumps({**figures, **totals(counted), "layers": layers})


def totals(counted: Counted) -> dict[str, Any]:
    """The sums and peaks."""
    costs = counted.costs
    figures = {"parameters": costs.parameters, "macs": costs.macs, "frontend_macs": costs.frontend_macs}
    for precision in PRECISIONS:
        figures[f"ram_bytes_{precision}"] = costs.ram_bytes(precision)
        figures[f"fused_ram_bytes_{precision}"] = costs.ram_bytes(precision, fused=True)
        figures[f"flash_bytes_{precision}"] = costs.flash_bytes(precision)
    return figures
