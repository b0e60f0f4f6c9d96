"""The log-mel front end in numpy, the twin of `in_torch.LogMel`."""

import numpy as np

from tinyclap.audio.log_mel.emphasised import EmphasisedSpec
from tinyclap.audio.log_mel.spec import MOST_GAIN, FrontendSpec

BLOCK_FRAMES = 64  # transformed at a time, which keeps the intermediate arrays in the processor's cache


class NumpyLogMel:
    """Log-mel spectrogram: waveforms (B, T) in [-1, 1] to decibels (B, 1, frames, n_mels), float32."""

    def __init__(self, spec: FrontendSpec) -> None:
        self.spec = spec
        self._filterbank = spec.mel_filterbank()
        before = (spec.n_fft - spec.win_length) // 2
        window = np.pad(spec.window(), (before, spec.n_fft - spec.win_length - before))
        self._window = window.astype(np.float32)

    def __call__(self, waveforms: np.ndarray) -> np.ndarray:
        """Waveforms (B, T) to decibels (B, 1, frames, n_mels).

        Raises:
            TinyclapError: the input is not (B, T), or has no more than n_fft / 2 samples.
        """
        spec = self.spec
        spec.check_waveforms(waveforms.shape)
        half = spec.n_fft // 2
        waveforms = self._raised(waveforms.astype(np.float32, copy=False))
        if isinstance(spec, EmphasisedSpec):
            waveforms = waveforms[:, 1:] - np.float32(spec.preemphasis) * waveforms[:, :-1]
        padded = np.pad(waveforms, ((0, 0), (half, half)), mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, spec.n_fft, axis=1)[:, :: spec.hop_length]
        mels = np.empty((*frames.shape[:2], spec.n_mels), np.float32)
        for first in range(0, frames.shape[1], BLOCK_FRAMES):
            block = slice(first, first + BLOCK_FRAMES)
            np.matmul(self._power(frames[:, block]), self._filterbank, out=mels[:, block])
        if isinstance(spec, EmphasisedSpec):
            np.log(np.add(mels, np.float32(spec.offset), out=mels), out=mels)
            mels += np.float32(spec.shift)
            mels /= np.float32(spec.scale)
        else:
            np.log10(np.maximum(mels, np.float32(spec.amin), out=mels), out=mels)
            mels *= np.float32(10.0)
        return mels[:, None]

    def _raised(self, waveforms: np.ndarray) -> np.ndarray:
        """Quiet waveforms (B, T) at the level that the spec asks for."""
        lowest = self.spec.lowest_rms
        if lowest is None:
            return waveforms
        rms = np.sqrt(np.square(waveforms, dtype=np.float64).mean(axis=1, keepdims=True))
        return waveforms * (lowest / rms.clip(lowest / MOST_GAIN, lowest)).astype(np.float32)

    def _power(self, frames: np.ndarray) -> np.ndarray:
        """|STFT|^power of frames (B, n, n_fft): float32 (B, n, n_fft // 2 + 1)."""
        spectrum = np.fft.rfft(frames * self._window)  # in float32 from numpy 2 on, in float64 before
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        if self.spec.power != 2.0:
            power **= self.spec.power / 2.0
        return power.astype(np.float32, copy=False)
