"""The specification of a log-mel front end, and its mel filterbank."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from tinyclap.audio.checks import RATES_HZ
from tinyclap.common.checks import LATER, is_count, is_number, require
from tinyclap.errors import TinyclapError

MEL_SCALES = ("slaney", "htk")
MEL_NORMS = ("slaney", None)
LARGEST_FFT = 2**16
MOST_GAIN = 1000.0  # 60 dB, by which a quiet waveform is raised at the most
POWERS, FLOORS = (0.1, 4.0), (1e-30, 1.0)  # in which no float32 overflows, nor is its logarithm infinite
LARGEST_FILTERBANK = 2**23  # its numbers: n_fft / 2 * n_mels; some of its size are held at a time

# Slaney's Auditory Toolbox: linear below 1 kHz, then 27 mels for every factor of 6.4.
_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1_000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0


@dataclass(frozen=True)
class FrontendSpec:
    """All that is needed to compute the same log-mel spectrogram anywhere.

    Waveforms in [-1, 1] are padded by `n_fft // 2` reflected samples at both ends, cut into frames of `n_fft` every
    `hop_length` samples, weighted by a periodic Hann window of `win_length` samples (centred in the frame) and
    Fourier-transformed; magnitudes are raised to `power`, summed by the mel filterbank and expressed in decibels as
    10·log10(max(x, amin)). Rates and frequencies in Hz, lengths in samples. With `raise_to_dbfs`, a waveform that is
    quieter is multiplied first, so that its level, 20·log10 of the root of its mean square, is that, by 60 dB at the
    most.

    Attributes:
        sample_rate: of the sound, Hz; other rates are resampled.
        n_fft: samples in a frame; even.
        win_length: samples under the Hann window; at most n_fft.
        hop_length: samples from frame to frame; at most n_fft.
        n_mels: mel bands.
        f_min: lowest frequency, Hz.
        f_max: highest frequency, Hz; at most half of sample_rate.
        mel_scale: `slaney` or `htk`.
        mel_norm: `slaney` divides each filter by half its width in Hz; None leaves them.
        power: of the magnitudes: 2 for power, 1 for magnitude.
        amin: floor below which all is equally silent, before decibels are taken.
        raise_to_dbfs: level to which quieter waveforms are raised, -100 to 0 dB of full scale; None leaves them.

    Raises:
        TinyclapError: naming the first bad field, its value and what is allowed.
    """

    sample_rate: int = 16_000
    n_fft: int = 512
    win_length: int = 512
    hop_length: int = 320
    n_mels: int = 64
    f_min: float = 50.0
    f_max: float = 8_000.0
    mel_scale: str = "slaney"
    mel_norm: str | None = "slaney"
    power: float = 2.0
    amin: float = 1e-10
    raise_to_dbfs: float | None = field(default=None, metadata=LATER, kw_only=True)

    periodic_window: ClassVar[bool] = True  # else its last sample is zero, as its first is

    def __post_init__(self) -> None:
        where = "front end"
        for name in ("sample_rate", "n_fft", "win_length", "hop_length", "n_mels"):
            require(self, where, name, is_count(getattr(self, name)), "a whole number above 0")
        low, high = RATES_HZ
        require(self, where, "sample_rate", low <= self.sample_rate <= high, f"{low} to {high} Hz")
        require(self, where, "n_fft", self.n_fft <= LARGEST_FFT, f"at most {LARGEST_FFT}")
        for name in ("f_min", "f_max", "power", "amin"):
            require(self, where, name, is_number(getattr(self, name)), "a finite number")
        require(self, where, "n_fft", self.n_fft % 2 == 0, "even")
        require(self, where, "win_length", self.win_length <= self.n_fft, f"at most n_fft = {self.n_fft}")
        require(self, where, "hop_length", self.hop_length <= self.n_fft, f"at most n_fft = {self.n_fft}")
        most = min(self.n_fft, 2 * LARGEST_FILTERBANK // self.n_fft)
        require(self, where, "n_mels", self.n_mels <= most, f"at most {most} with n_fft = {self.n_fft}")
        nyquist = self.sample_rate / 2
        require(self, where, "f_max", 0 < self.f_max <= nyquist, f"above 0, at most sample_rate / 2 = {nyquist:g} Hz")
        require(self, where, "f_min", 0 <= self.f_min < self.f_max, f"at least 0 and below f_max = {self.f_max:g} Hz")
        require(self, where, "mel_scale", self.mel_scale in MEL_SCALES, f"one of {', '.join(MEL_SCALES)}")
        require(self, where, "mel_norm", self.mel_norm in MEL_NORMS, "slaney or null")
        least, most_power = POWERS
        powers = f"{least:g} to {most_power:g} (2: power, 1: magnitude)"
        require(self, where, "power", least <= self.power <= most_power, powers)
        require(self, where, "amin", FLOORS[0] <= self.amin <= FLOORS[1], f"{FLOORS[0]:g} to {FLOORS[1]:g}")
        level = self.raise_to_dbfs
        quiet = level is None or (is_number(level) and -100 <= level <= 0)
        require(self, where, "raise_to_dbfs", quiet, "null, or -100 to 0 dB of full scale")
        self._check_bands(where)

    def _check_bands(self, where: str) -> None:
        empty = np.flatnonzero(~self.mel_filterbank().any(axis=0)).size
        require(self, where, "n_mels", empty == 0, f"lower, or n_fft higher: {empty} bands fall between two FFT bins")

    @property
    def shortest_s(self) -> float:
        """The shortest waveform that can be reflected at its ends, seconds."""
        return self._shortest / self.sample_rate

    @property
    def _shortest(self) -> int:
        return self.n_fft // 2 + 1

    @property
    def lowest_rms(self) -> float | None:
        """Root of the mean square to which quieter waveforms are raised; None leaves them."""
        return None if self.raise_to_dbfs is None else float(10.0 ** (self.raise_to_dbfs / 20.0))

    def key(self) -> dict[str, Any]:
        """What tells it from other front ends, JSON-ready: its fields, but for those that came later and are None."""
        later = {entry.name for entry in fields(self) if entry.metadata.get("later")}
        return {name: value for name, value in asdict(self).items() if name not in later or value is not None}

    def check_waveforms(self, shape: Sequence[int]) -> None:
        """Raise a TinyclapError unless waveforms of this shape, (batch, samples), can be transformed."""
        if len(shape) != 2 or shape[1] < self._shortest:
            raise TinyclapError(
                f"log-mel: got waveforms of shape {tuple(shape)}, expected (batch, samples) with at least "
                f"{self._shortest} samples ({1000 * self.shortest_s:.0f} ms); repeat-pad shorter clips"
            )

    def n_frames(self, n_samples: int) -> int:
        """Frames of a waveform of `n_samples` samples."""
        return 1 + n_samples // self.hop_length

    def window(self) -> np.ndarray:
        """The Hann window, float64 (win_length,)."""
        turn = self.win_length if self.periodic_window else self.win_length - 1
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.win_length) / turn)

    def mel_filterbank(self) -> np.ndarray:
        """Triangular filters, float32 (n_fft // 2 + 1, n_mels), for |STFT|^power of shape (..., n_fft // 2 + 1).

        The same as librosa's and torchaudio's: Slaney's scale or HTK's, spaced evenly from f_min to f_max;
        `mel_norm="slaney"` divides each filter by half its width in Hz.
        """
        bins = np.linspace(0.0, self.sample_rate / 2, self.n_fft // 2 + 1)
        lowest, highest = _hz_to_mel(self.f_min, self.mel_scale), _hz_to_mel(self.f_max, self.mel_scale)
        edges = _mel_to_hz(np.linspace(lowest, highest, self.n_mels + 2), self.mel_scale)
        lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
        rising = (bins[:, None] - lower) / (centre - lower)
        falling = (upper - bins[:, None]) / (upper - centre)
        filters = np.maximum(0.0, np.minimum(rising, falling))
        if self.mel_norm == "slaney":
            filters *= 2.0 / (upper - lower)
        return filters.astype(np.float32)


def _hz_to_mel(hz: float, scale: str) -> float:
    if scale == "htk":
        return 2595.0 * math.log10(1.0 + hz / 700.0)
    if hz < _BREAK_HZ:
        return hz / _HZ_PER_MEL
    return _BREAK_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _mel_to_hz(mels: np.ndarray, scale: str) -> np.ndarray:
    if scale == "htk":
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (mels - _BREAK_MEL))
    return np.where(mels < _BREAK_MEL, mels * _HZ_PER_MEL, logarithmic)
