"""INT8 code or files for microcontrollers beside the student in torch, on clips that calibrated neither."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tinyclap.common.numbers import binary_size
from tinyclap.embeddings import similarity, zero_shot
from tinyclap.errors import GateError, TinyclapError
from tinyclap.exporters.calibration import CalibrationSet, windows
from tinyclap.hardware.devices import load_device
from tinyclap.models.student import Student

MIN_COSINE, MIN_AGREEMENT = 0.99, 0.98  # of INT8 to float


@dataclass(frozen=True)
class Distance:
    """How far INT8 is from float.

    Attributes:
        cosine: mean over the clips.
        agreement: share of the clips to which both give the same label; None without labels.
        clips: how many.
    """

    cosine: float
    agreement: float | None
    clips: int

    def refuse_far(self, what: str, min_cosine: float, min_agreement: float, instead: str) -> None:
        """Raise GateError unless INT8 is near enough; `what` is it, and `instead` what else can be done."""
        missed = []
        if self.agreement is not None and self.agreement < min_agreement:
            missed.append(
                f"the same label as float on {100 * self.agreement:.1f} % of {self.clips} clips "
                f"(needed: {100 * min_agreement:g} %)"
            )
        if not self.cosine >= min_cosine:
            missed.append(f"mean cosine to float {self.cosine:.4f} (needed: {min_cosine:g})")
        if missed:
            raise GateError(
                f"{what} in INT8: {'; '.join(missed)}, so nothing was written; {instead}, or accept "
                "less with --int8-min-cosine and --int8-min-agreement"
            )


def distance(
    student: Student,
    calibration_set: CalibrationSet,
    classes: np.ndarray | None,
    embed: Callable[[np.ndarray], np.ndarray],
) -> Distance:
    """Measure it.

    Args:
        student: in evaluation mode.
        calibration_set: whose measured clips are taken.
        classes: unit vectors (labels, embed_dim); None without.
        embed: a window, float32 (samples,), to its embedding in INT8.
    """
    decoded, indices = calibration_set.measured
    exact, rounded = [], []
    for batch in windows(student, decoded, indices):
        with torch.no_grad():
            exact.append(student(torch.from_numpy(batch)).numpy())
        rounded += [embed(sound) for sound in batch]
    floats, ints = np.concatenate(exact), np.stack(rounded)
    agreement = None
    if classes is not None and len(classes) > 1:
        agreement = float(np.mean(zero_shot.predict(ints, classes) == zero_shot.predict(floats, classes)))
    return Distance(similarity.mean_cosine(ints, floats), agreement, len(floats))


def refuse_too_large(name: str, ram: int, flash: int, precision: str, instead: str = "") -> None:
    """Raise TinyclapError if a device has fewer free bytes than are needed; `instead` is what takes less."""
    device = load_device(name)
    needed = {"RAM": (ram, device.ram.free), "flash": (flash, device.flash.free)}
    for what, (size, free) in needed.items():
        if size > free:
            raise TinyclapError(
                f"--device {name}: this student needs {binary_size(size)} of {what} in {precision}, "
                f"and {binary_size(free)} are free there{instead}; one that fits is found by "
                f"`tinyclap search RECIPE --device {name}`"
            )
