"""What an export listens to: training clips to calibrate on, other clips to measure on, generated sounds to ship."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tinyclap import audio
from tinyclap.data.decoded import Decoded
from tinyclap.data.procedural import Procedural
from tinyclap.student import Student

CALIBRATION_CLIPS, MEASURED_CLIPS, AT_ONCE = 128, 500, 16
SHIPPED_WINDOWS = (0.1, 0.4, 1.2)  # lengths of the sounds in a bundle
SHIPPED_SEED = 3
SHIPPED_STEP = 2.0**-11  # of their samples, so that they compress


@dataclass(frozen=True)
class Material:
    """Clips at the student's sample rate.

    Attributes:
        train: that the student was trained on: for the calibration and the parity gate.
        test: that INT8 is measured on; None takes training clips that the calibration left out.
        labels: classes on which INT8 and float should agree.
    """

    train: Decoded
    test: Decoded | None = None
    labels: tuple[str, ...] = ()

    @property
    def calibration(self) -> list[int]:
        """Training windows to calibrate on: evenly spread, at most half of them."""
        return spread(len(self.train), min(CALIBRATION_CLIPS, max(1, len(self.train) // 2)))

    @property
    def measured(self) -> tuple[Decoded, list[int]]:
        """Windows to measure on, none of which the calibration heard (unless there is only one)."""
        decoded = self.train if self.test is None else self.test
        heard = set(self.calibration) if self.test is None else set()
        free = [index for index in range(len(decoded)) if index not in heard] or [0]
        return decoded, [free[row] for row in spread(len(free), MEASURED_CLIPS)]


def spread(n: int, wanted: int) -> list[int]:
    """Up to `wanted` different numbers below n, evenly spread."""
    return sorted({int(index) for index in np.linspace(0, n - 1, min(n, wanted)).round()})


def windows(student: Student, decoded: Decoded, indices: Sequence[int]) -> Iterator[np.ndarray]:
    """The first window of each clip, repeated if it is shorter: float32 (B, window_samples) at a time."""
    for first in range(0, len(indices), AT_ONCE):
        rows = indices[first : first + AT_ONCE]
        yield np.stack([audio.fit(decoded.waveform(index), student.config.window_samples) for index in rows])


def logmels(student: Student, decoded: Decoded, indices: Sequence[int]) -> Iterator[np.ndarray]:
    """The same as decibels: float32 (B, 1, frames, n_mels) at a time."""
    for waveforms in windows(student, decoded, indices):
        with torch.no_grad():
            yield student.frontend(torch.from_numpy(waveforms)).numpy()


def write_test_vectors(path: Path, student: Student) -> None:
    """Write generated sounds of different lengths, `waveform_0`, ..., and the student's `embedding` (n, D) of them.

    Generated, because a bundle may be given away and the training clips may not.
    """
    waveforms = []
    for number, share in enumerate(SHIPPED_WINDOWS):
        sound = Procedural(number + 1, seed=SHIPPED_SEED, duration_s=share * student.config.window_s)
        samples = sound.load(number, student.sample_rate)
        waveforms.append((np.round(samples / SHIPPED_STEP) * SHIPPED_STEP).astype(np.float32))
    embedded = [student.embed_audio(torch.from_numpy(waveform)[None]).numpy()[0] for waveform in waveforms]
    arrays = {f"waveform_{row}": waveform for row, waveform in enumerate(waveforms)}
    np.savez_compressed(path, **arrays, embedding=np.stack(embedded))  # type: ignore[arg-type]
