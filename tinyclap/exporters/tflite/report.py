"""What was measured of a .tflite file, and how it is told."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class TfliteReport:
    """What was written, and what was measured of it.

    Attributes:
        size_bytes: of the file.
        arena_bytes: of TensorFlow Lite Micro, as its recording allocator counted it here.
        maps_bytes: of these for maps; the rest are structures, which take about half on a processor of 32 bits.
        counted_ram_bytes: the peak of activations that `tinyclap costs` counts.
        input: "int8" or "int16".
        operators: that the file needs, with how many of each.
        cosine: mean to float on clips.
        agreement: share of the clips to which both give the same label; None without labels.
        clips: how many.
    """

    size_bytes: int
    arena_bytes: int
    maps_bytes: int
    counted_ram_bytes: int
    input: str
    operators: dict[str, int]
    cosine: float
    agreement: float | None
    clips: int


def measured_lines(report: TfliteReport) -> Iterator[str]:
    """What was measured, in sentences."""
    yield (
        f"Memory: {report.arena_bytes:,} bytes of arena in TensorFlow Lite Micro on this machine, "
        f"{report.maps_bytes:,} of them for maps ({report.counted_ram_bytes:,} by `tinyclap costs`)."
    )
    same = "" if report.agreement is None else f", the same label on {100 * report.agreement:.1f} %"
    yield f"Mean cosine to float {report.cosine:.4f}{same} of {report.clips} clips, run by its interpreter."
