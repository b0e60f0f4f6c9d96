"""What was measured of generated C, and how it is told."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class CReport:
    """What was written, and what was measured of it.

    Attributes:
        precision: "int8" or "float32".
        arena_bytes: all the memory that the code writes to, besides its stack.
        counted_ram_bytes: the peak of activations that `tinyclap costs` counts.
        labels: their number.
        checked: whether a compiler was there to compare the code with torch.
        difference: largest of the float code from torch, of unit vectors; None of INT8 or unchecked.
        cosine: mean of INT8 to float on clips; None of float or unchecked.
        agreement: share of the clips to which both give the same label; None without labels.
        clips: how many.
    """

    precision: str
    arena_bytes: int
    counted_ram_bytes: int
    labels: int
    checked: bool
    difference: float | None = None
    cosine: float | None = None
    agreement: float | None = None
    clips: int = 0


def measured_lines(report: CReport) -> Iterator[str]:
    """What was measured, in sentences."""
    share = 100 * report.arena_bytes / report.counted_ram_bytes
    yield (
        f"Memory: {report.arena_bytes:,} bytes in one static arena, {share:.0f} % of the {report.counted_ram_bytes:,} "
        "that a network run layer by layer needs."
    )
    if not report.checked:
        yield "Not compared with torch: no C compiler was there. Run the selftest."
    elif report.difference is not None:
        yield f"Within {report.difference:.1e} of torch on {report.clips} sounds."
    else:
        same = "" if report.agreement is None else f", the same label on {100 * report.agreement:.1f} %"
        yield f"Mean cosine to float {report.cosine:.4f}{same} of {report.clips} clips."
