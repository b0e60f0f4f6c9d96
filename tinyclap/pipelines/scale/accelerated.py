"""How fast teacher and student go on an accelerator that is not here: what they compute, by its published peak.

Which share of the peak is reached is assumed, widely: float32 outside of the tensor cores, small windows of attention,
and depthwise convolutions, which wait for the memory.
"""

from collections.abc import Sequence

from tinyclap.errors import TinyclapError
from tinyclap.hardware.accelerators import Accelerator
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student import Student
from tinyclap.pipelines.scale.estimate import Range
from tinyclap.training.distill import BACKWARD
from tinyclap.training.options import DistillOptions

TEACHER_SHARE, STUDENT_SHARE = (0.15, 0.5), (0.01, 0.1)  # of an accelerator's published peak, assumed
STEP_S = (0.005, 0.02)  # of the smallest step on an accelerator, assumed: Python starts hundreds of small kernels
RECOMPUTED = 4 / 3  # times the work, with gradient checkpointing


def teachers_on(kind: Accelerator, operations: Sequence[float | None]) -> Range:
    """Views a second by the teachers' operations and the accelerator's published peak in float32."""
    known = [one for one in operations if one is not None]
    if len(known) < len(operations):
        raise TinyclapError("how much the teacher computes is not known here; give --teacher-rate, views a second")
    low, high = (kind.float32 * share / sum(known) for share in TEACHER_SHARE)
    return Range(low, high, _assumed(kind, "no", TEACHER_SHARE))


def _operations(student: Student, options: DistillOptions) -> float:
    """Of a training step, for each clip."""
    macs: int = student_costs(student.config).macs
    return 2 * BACKWARD * macs * (RECOMPUTED if options.gradient_checkpointing else 1)


def smallest_batch(kind: Accelerator, student: Student, options: DistillOptions) -> float:
    """Clips of which a step takes longer than to start its kernels, at the least."""
    return STEP_S[0] * kind.peak(options.precision) * STUDENT_SHARE[0] / _operations(student, options)


def student_on(kind: Accelerator, student: Student, options: DistillOptions) -> Range:
    """Clips a second; a small step takes as long as it takes to start its kernels."""
    work = _operations(student, options)
    slow, fast = (
        max(work * options.batch_size / (kind.peak(options.precision) * share), shortest)
        for share, shortest in zip(STUDENT_SHARE, reversed(STEP_S), strict=True)
    )
    source = f"{_assumed(kind, options.precision, STUDENT_SHARE)}, a step at least {STEP_S[0]:g} to {STEP_S[1]:g} s"
    return Range(options.batch_size / slow, options.batch_size / fast, source)


def _assumed(kind: Accelerator, precision: str, share: tuple[float, float]) -> str:
    return f"assumed: {share[0]:.0%} to {share[1]:.0%} of {kind.peak(precision) / 1e12:g} TFLOP/s ({kind.source})"
