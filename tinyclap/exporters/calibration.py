"""The sounds of an export: training clips to calibrate on, other clips to measure on, generated sounds to ship."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tinyclap.audio.windows import fit
from tinyclap.data.decoded import Decoded
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.embeddings import zero_shot
from tinyclap.models.student import Student

CALIBRATION_CLIPS, MEASURED_CLIPS, AT_ONCE = 128, 500, 16
SHIPPED = tuple(enumerate((0.1, 0.4, 1.2)))  # numbers of the sounds in a bundle, and their lengths in windows
SHIPPED_SEED = 3
SHIPPED_STEP = 2.0**-11  # of their samples, so that they compress


@dataclass(frozen=True)
class CalibrationSet:
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
        """Windows to measure on, none of which the calibration used (unless there is only one)."""
        decoded = self.train if self.test is None else self.test
        used = set(self.calibration) if self.test is None else set()
        free = [index for index in range(len(decoded)) if index not in used] or [0]
        return decoded, [free[row] for row in spread(len(free), MEASURED_CLIPS)]


def words_of_label(sounds: CalibrationSet, label: str) -> str:
    """A label as a prompt has it: the test set's own names are cleaned, other labels were typed."""
    return (zero_shot.clean_label if label in sounds.labels else zero_shot.as_typed)(label)


def spread(n: int, wanted: int) -> list[int]:
    """Up to `wanted` different numbers below n, evenly spread."""
    return sorted({int(index) for index in np.linspace(0, n - 1, min(n, wanted)).round()})


def windows(
    student: Student, decoded: Decoded, indices: Sequence[int], duration_s: float | None = None
) -> Iterator[np.ndarray]:
    """The first window of each clip, repeated if it is shorter: float32 (B, samples) at a time.

    Args:
        student: whose windows they are.
        decoded: at its sample rate.
        indices: of the clips.
        duration_s: of the one sound that a graph of fixed shape takes at a time; None for whole windows, in batches.
    """
    samples = student.config.window_samples if duration_s is None else round(duration_s * student.sample_rate)
    at_once = AT_ONCE if duration_s is None else 1
    for first in range(0, len(indices), at_once):
        rows = indices[first : first + at_once]
        yield np.stack([fit(decoded.waveform(index), samples) for index in rows])


def logmels(
    student: Student, decoded: Decoded, indices: Sequence[int], duration_s: float | None = None
) -> Iterator[np.ndarray]:
    """The same as decibels: float32 (B, 1, frames, n_mels) at a time."""
    for waveforms in windows(student, decoded, indices, duration_s):
        with torch.no_grad():
            yield student.frontend(torch.from_numpy(waveforms)).numpy()


@torch.no_grad()
def shipped_vectors(student: Student, static_s: float | None = None) -> dict[str, np.ndarray]:
    """Generated sounds and what the student makes of them, by their names in a bundle's test vectors (see `selftest`).

    Generated, because a bundle may be given away and the training clips may not.

    Args:
        student: in evaluation mode.
        static_s: length of the static graph's input, seconds; None without one.
    """
    waveforms = shipped_sounds(student.config.window_s, student.sample_rate)
    embedded = [student.embed_audio(torch.from_numpy(waveform)[None]).numpy()[0] for waveform in waveforms]
    arrays = {f"waveform_{row}": waveform for row, waveform in enumerate(waveforms)} | {"embedding": np.stack(embedded)}
    if static_s is not None:
        waveform = fit(_shipped(len(SHIPPED), static_s, student.sample_rate), round(static_s * student.sample_rate))
        logmel = student.frontend(torch.from_numpy(waveform)[None])
        arrays |= {
            "static_waveform": waveform,
            "static_logmel": logmel.numpy(),
            "static_embedding": student.encode(logmel).numpy(),
        }
    return arrays


def shipped_sounds(window_s: float, sample_rate: int) -> list[np.ndarray]:
    """The sounds among a bundle's test vectors, float32 (samples,): shorter and longer than its window."""
    return [_shipped(number, share * window_s, sample_rate) for number, share in SHIPPED]


def _shipped(number: int, duration_s: float, sample_rate: int) -> np.ndarray:
    samples = Procedural(number + 1, seed=SHIPPED_SEED, duration_s=duration_s).load(number, sample_rate)
    return (np.round(samples / SHIPPED_STEP) * SHIPPED_STEP).astype(np.float32)
