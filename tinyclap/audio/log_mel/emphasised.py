"""The specification of a log-mel front end with pre-emphasis, as the taggers of EfficientAT were trained with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tinyclap.audio.log_mel.spec import FLOORS, FrontendSpec
from tinyclap.common.checks import arguments, is_number, require

SCALES, LARGEST_SHIFT = (1e-3, 1e3), 1e3


@dataclass(frozen=True)
class EmphasisedSpec(FrontendSpec):
    """A `FrontendSpec` that emphasises high frequencies first and scales its logarithms.

    Samples x become x[t] - preemphasis * x[t - 1], one fewer. The Hann window is symmetric. The mel filters are
    Kaldi's: triangles on the mel axis, not on that of Hz, and none on the bin at half the sample rate. Natural
    logarithms of the sums plus `offset` are shifted by `shift` and divided by `scale`; `amin` is not used.

    The defaults are EfficientAT's at inference (github.com/fschmid56/EfficientAT, models/preprocess.py).

    Raises:
        TinyclapError: naming the first bad field, its value and what is allowed.
    """

    sample_rate: int = 32_000
    n_fft: int = 1024
    win_length: int = 800
    hop_length: int = 320
    n_mels: int = 128
    f_min: float = 0.0
    f_max: float = 15_000.0
    mel_scale: str = "htk"
    mel_norm: str | None = None
    preemphasis: float = 0.97
    offset: float = 1e-5
    shift: float = 4.5
    scale: float = 5.0

    periodic_window: ClassVar[bool] = False

    def __post_init__(self) -> None:
        where = "front end"
        for name in ("preemphasis", "offset", "shift", "scale"):
            require(self, where, name, is_number(getattr(self, name)), "a finite number")
        require(self, where, "preemphasis", 0 < self.preemphasis <= 1, "above 0, at most 1")
        low, high = FLOORS
        require(self, where, "offset", low <= self.offset <= high, f"{low:g} to {high:g}")
        require(self, where, "shift", abs(self.shift) <= LARGEST_SHIFT, f"at most {LARGEST_SHIFT:g} in magnitude")
        low, high = SCALES
        require(self, where, "scale", low <= self.scale <= high, f"{low:g} to {high:g}")
        require(self, where, "mel_scale", self.mel_scale == "htk", "htk")
        require(self, where, "mel_norm", self.mel_norm is None, "null")
        require(self, where, "power", self.power == 2, "2")
        super().__post_init__()

    @property
    def _shortest(self) -> int:
        return super()._shortest + 1

    def n_frames(self, n_samples: int) -> int:
        """Frames of a waveform of `n_samples` samples."""
        return super().n_frames(n_samples - 1)

    def mel_filterbank(self) -> np.ndarray:
        """Triangular filters on the mel axis, float32 (n_fft // 2 + 1, n_mels); the last bin is in none."""
        return kaldi_filterbank(self)


def kaldi_filterbank(spec: FrontendSpec) -> np.ndarray:
    """Kaldi's triangular filters on the mel axis, float32 (n_fft // 2 + 1, n_mels); the last bin is in none."""
    lowest, highest = _mel(spec.f_min), _mel(spec.f_max)
    step = (highest - lowest) / (spec.n_mels + 1)
    lower = lowest + step * np.arange(spec.n_mels)
    bins = _mel(spec.sample_rate / spec.n_fft * np.arange(spec.n_fft // 2))[:, None]
    filters = np.maximum(0.0, np.minimum((bins - lower) / step, (lower + 2 * step - bins) / step))
    return np.pad(filters, ((0, 1), (0, 0))).astype(np.float32)


def spec_of(values: object, place: str) -> FrontendSpec:
    """A front end as read from JSON, of either kind; unknown and missing keys are a TinyclapError."""
    emphasised = isinstance(values, Mapping) and "preemphasis" in values
    kind = EmphasisedSpec if emphasised else FrontendSpec
    return kind(**arguments(values, kind, place))


def _mel(hz: float | np.ndarray) -> np.ndarray:
    return 1127.0 * np.log(1.0 + np.asarray(hz) / 700.0)
