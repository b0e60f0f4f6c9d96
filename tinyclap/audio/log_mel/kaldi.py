"""Kaldi's log-mel filterbank, which speech encoders hear through, in torch and in ONNX graphs.

The same as `torchaudio.compliance.kaldi.fbank` with `snip_edges=False` and as lhotse's `Fbank`: see `KaldiSpec`. Kaldi
itself multiplies samples by 32768 and adds noise; neither is done.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tinyclap.audio.log_mel.emphasised import kaldi_filterbank
from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec

POVEY = 0.85  # power of a Hann window


@dataclass(frozen=True)
class KaldiSpec(FrontendSpec):
    """The filterbank of speech encoders: 25 ms every 10 ms, of which the first is centred 5 ms after the start.

    Waveforms are mirrored at their ends, the outermost sample twice. From each frame of `win_length` samples its mean
    is subtracted; x[t] - preemphasis * x[t - 1] follows (the first sample stands before itself too) and Povey's
    window, a symmetric Hann window to the power of 0.85. The frame is filled up with zeros to `n_fft`. Energies below
    `amin`, by default the resolution of float32, are raised to it, and their natural logarithm is taken. Narrow bands
    between two bins hold nothing but that floor.
    """

    sample_rate: int = 16_000
    n_fft: int = 512
    win_length: int = 400
    hop_length: int = 160
    n_mels: int = 128
    f_min: float = 20.0
    f_max: float = 7_600.0
    mel_scale: str = "htk"
    mel_norm: str | None = None
    amin: float = float(np.finfo(np.float32).eps)
    preemphasis: float = 0.97

    @property
    def _shortest(self) -> int:
        return self.win_length

    def _check_bands(self, where: str) -> None:
        """Bands without a bin are Kaldi's too."""

    def n_frames(self, n_samples: int) -> int:
        """Frames of a waveform of `n_samples` samples."""
        return (n_samples + self.hop_length // 2) // self.hop_length

    def window(self) -> np.ndarray:
        """Povey's window, float64 (win_length,)."""
        return np.hanning(self.win_length) ** POVEY

    def mel_filterbank(self) -> np.ndarray:
        """Triangular filters on the mel axis, float32 (n_fft // 2 + 1, n_mels); the last bin is in none."""
        return kaldi_filterbank(self)


class KaldiFbank(LogMel):
    """Waveforms (B, T) in [-1, 1] to natural logarithms (B, 1, frames, n_mels), float32.

    Raises:
        TinyclapError: the input is not (B, T), or is shorter than one frame.
    """

    def __init__(self, spec: KaldiSpec) -> None:
        super().__init__(spec)
        self.window = torch.from_numpy(spec.window()).float()
        self._plain = _Fbank(spec, self.window, self.filterbank)

    def in_graph(self) -> nn.Module:
        return self._plain

    def _log_mel(self, waveforms: Tensor) -> Tensor:
        log_mel: Tensor = self._plain(waveforms)
        return log_mel[:, 0]


class _Fbank(nn.Module):
    """Waveforms (B, T) to (B, 1, frames, n_mels) in operators that a graph knows: the transform is a matrix product."""

    window: Tensor
    filterbank: Tensor
    cosine: Tensor
    sine: Tensor

    def __init__(self, spec: KaldiSpec, window: Tensor, filterbank: Tensor) -> None:
        super().__init__()
        self.spec = spec
        self.block = math.gcd(spec.win_length, spec.hop_length)
        turns = torch.outer(torch.arange(spec.win_length), torch.arange(spec.n_fft // 2)) % spec.n_fft
        angles = 2 * math.pi / spec.n_fft * turns.double()
        named = {"window": window, "filterbank": filterbank[:-1], "cosine": angles.cos(), "sine": angles.sin()}
        for name, values in named.items():
            self.register_buffer(name, values.float(), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        frames = self._frames(waveforms)
        frames = frames - frames.mean(dim=2, keepdim=True)
        before = torch.cat([frames[:, :, :1], frames[:, :, :-1]], dim=2)
        frames = (frames - self.spec.preemphasis * before) * self.window
        real, imaginary = frames @ self.cosine, frames @ self.sine
        energies = (real * real + imaginary * imaginary) @ self.filterbank
        return energies.clamp_min(self.spec.amin).log().unsqueeze(1)

    def _frames(self, waveforms: Tensor) -> Tensor:
        """(B, T) to (B, frames, win_length), copied in blocks of which frames and hops are both multiples."""
        spec, block = self.spec, self.block
        n_frames = spec.n_frames(waveforms.shape[1])
        before = (spec.win_length - spec.hop_length) // 2
        after = spec.win_length // 2  # enough for the last frame, which is centred in the waveform
        mirrored = torch.cat([waveforms[:, :before].flip(1), waveforms, waveforms[:, -after:].flip(1)], dim=1)
        used = mirrored[:, : (n_frames - 1) * spec.hop_length + spec.win_length]
        blocks = used.reshape(waveforms.shape[0], -1, block)
        starts = torch.arange(n_frames, device=waveforms.device) * (spec.hop_length // block)
        places = starts.unsqueeze(1) + torch.arange(spec.win_length // block, device=waveforms.device)
        return blocks.index_select(1, places.reshape(-1)).reshape(waveforms.shape[0], n_frames, spec.win_length)
