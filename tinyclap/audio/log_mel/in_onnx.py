"""The log-mel front end as an ONNX graph computes it fastest: matrix products on frames, split by even and odd bins."""

import math
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.audio.log_mel.emphasised import EmphasisedSpec
from tinyclap.audio.log_mel.in_torch import raised
from tinyclap.audio.log_mel.spec import FrontendSpec

SPLITS = 2
"""How often the frames are halved. Each halving costs two passes over the frames and saves products: of those of the
plain matrix 1/2 remain after one, 3/8 after two, 1/3 in the limit. See benchmarks/device/onnx_frontend.py."""

FOLD = True
"""Whether mirrored samples are added up first: pays for larger transforms, and costs smaller ones nothing."""

DECIBELS = 10.0 / math.log(10.0)


class OnnxLogMel(nn.Module):
    """The same spectrogram as `in_torch.LogMel`: waveforms (B, T) to decibels (B, 1, frames, n_mels), float32.

    ONNX Runtime's STFT operator is slow, so the transform is a matrix product, made cheap in three ways. Only the bins
    under a mel filter are computed. And of a frame v of N samples the even bins are sums over v[n] + v[n + N/2] and the
    odd ones over v[n] - v[n + N/2], both of N/2 terms (decimation in frequency, Gentleman and Sande 1966); the even
    half is split again. And as cosines are even and sines odd about the middle of what is left, sums or differences of
    mirrored samples stand for both of them, which halves the terms once more.

    The matrices are looked up in one period of a cosine and a sine, which ONNX Runtime does once, when it loads the
    graph: a file holds 2·n_fft numbers in place of hundreds of kilobytes.

    Args:
        spec: of the front end.
        splits, fold: how the products are made cheap.
        filterbank: (n_fft // 2 + 1, n_mels) of a front end that has its own; None for the spec's.
    """

    window: Tensor
    cosine: Tensor
    sine: Tensor

    def __init__(
        self,
        spec: FrontendSpec,
        splits: int = SPLITS,
        *,
        fold: bool = FOLD,
        filterbank: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.spec, self.fold = spec, fold
        self.block = math.gcd(spec.n_fft, spec.hop_length)
        margin = (spec.n_fft - spec.win_length) // 2
        window = torch.hann_window(spec.win_length, periodic=spec.periodic_window, dtype=torch.float64)
        window = F.pad(window, (margin, spec.n_fft - spec.win_length - margin))
        angles = 2 * math.pi * torch.arange(spec.n_fft, dtype=torch.float64) / spec.n_fft
        for name, values in (("window", window), ("cosine", angles.cos()), ("sine", angles.sin())):
            self.register_buffer(name, values.float(), persistent=False)
        self.groups = nn.ModuleList(
            _groups(spec.n_fft, spec.mel_filterbank() if filterbank is None else filterbank, splits)
        )

    def forward(self, waveforms: Tensor) -> Tensor:
        """Waveforms (B, T), T > n_fft / 2, to decibels (B, 1, frames, n_mels)."""
        waveforms = raised(waveforms, self.spec)
        if isinstance(self.spec, EmphasisedSpec):
            waveforms = waveforms[:, 1:] - self.spec.preemphasis * waveforms[:, :-1]
        frames = self._frames(waveforms) * self.window
        mels: Tensor | float = 0.0
        *odd, rest = (cast(_Group, group) for group in self.groups)
        for group in odd:
            first, second = frames.chunk(2, dim=2)
            mels = mels + self._mels(first - second, group, odd=True)
            frames = first + second
        mels = mels + self._mels(frames, rest, odd=False)
        if isinstance(self.spec, EmphasisedSpec):
            mels = ((mels + self.spec.offset).log() + self.spec.shift) / self.spec.scale
            return mels.unsqueeze(1)
        return DECIBELS * mels.clamp_min(self.spec.amin).log().unsqueeze(1)

    def _frames(self, waveforms: Tensor) -> Tensor:
        """(B, T) to (B, frames, n_fft): copies of blocks, as long as frames and hops are both multiples of them."""
        spec = self.spec
        n_frames = 1 + waveforms.shape[1] // spec.hop_length
        padded = F.pad(waveforms.unsqueeze(1), (spec.n_fft // 2, spec.n_fft // 2), mode="reflect").squeeze(1)
        used = padded[:, : (n_frames - 1) * spec.hop_length + spec.n_fft]
        blocks = used.reshape(waveforms.shape[0], -1, self.block)
        starts = torch.arange(n_frames) * (spec.hop_length // self.block)
        places = starts.unsqueeze(1) + torch.arange(spec.n_fft // self.block)
        return blocks.index_select(1, places.reshape(-1)).reshape(waveforms.shape[0], n_frames, spec.n_fft)

    def _mels(self, frames: Tensor, group: "_Group", *, odd: bool) -> Tensor:
        """What a group's bins add to the mel bands: (B, frames, n) to (B, frames, n_mels)."""
        turns = (torch.arange(frames.shape[2]).unsqueeze(1) * group.bins) % self.spec.n_fft
        half, rest = divmod(frames.shape[2], 2)
        if self.fold and not rest:
            inner, mirrored = frames[:, :, 1:half], frames[:, :, half + 1 :].flip(2)
            ends = frames[:, :, :1], frames[:, :, half : half + 1]
            if odd:
                real = torch.cat([ends[0], inner - mirrored], 2) @ self.cosine[turns[:half]]
                imaginary = torch.cat([inner + mirrored, ends[1]], 2) @ self.sine[turns[1 : half + 1]]
            else:
                real = torch.cat([ends[0], inner + mirrored, ends[1]], 2) @ self.cosine[turns[: half + 1]]
                imaginary = (inner - mirrored) @ self.sine[turns[1:half]]
        else:
            real, imaginary = frames @ self.cosine[turns], frames @ self.sine[turns]
        power = real * real + imaginary * imaginary
        if self.spec.power != 2.0:
            power = power.pow(self.spec.power / 2.0)
        return power @ group.filters


class _Group(nn.Module):
    """Bins that are computed from the same sums of samples, and their part of the mel filterbank."""

    bins: Tensor
    filters: Tensor

    def __init__(self, bins: np.ndarray, filterbank: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("bins", torch.from_numpy(bins), persistent=False)
        self.register_buffer("filters", torch.from_numpy(filterbank[bins]), persistent=False)


def _groups(n_fft: int, filterbank: np.ndarray, splits: int) -> list[_Group]:
    """The odd bins, the odd ones among the halves of the even bins, and so on, then the rest."""
    used = np.flatnonzero(filterbank.any(axis=1))
    rest, groups, step = np.arange(used[0], used[-1] + 1), [], 1
    for _ in range(splits):
        if n_fft % (2 * step):
            break
        groups.append(_Group(rest[rest // step % 2 == 1], filterbank))
        rest, step = rest[rest // step % 2 == 0], 2 * step
    return [*groups, _Group(rest, filterbank)]
