"""What `tinyclap devices` says of what was measured on emulated cores."""

from collections.abc import Iterator

from tinyclap.common.numbers import aligned, scaled
from tinyclap.hardware.devices import Device


def emulated_lines(device: Device) -> Iterator[str]:
    """A table of the students that ran on an emulated core of a device's kind, and how they were measured."""
    rows: list[tuple[str, ...]] = [("emulated", "precision", "arena", "stack", "code", "instructions of a window")]
    for one in device.emulated:
        sizes = (f"{size:,} B" for size in (one.arena, one.stack, one.code))
        rows.append((one.student, one.precision, *sizes, scaled(one.instructions)))
    yield from aligned(rows)
    yield from dict.fromkeys(one.source for one in device.emulated)
