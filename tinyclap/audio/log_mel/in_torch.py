"""The log-mel front end in torch."""

import torch
from torch import Tensor, nn

from tinyclap.audio.log_mel.spec import FrontendSpec


class LogMel(nn.Module):
    """Log-mel spectrogram: waveforms (B, T) in [-1, 1] to decibels (B, 1, frames, n_mels), float32.

    It stays in float32 under autocast, where quiet bands would drown in rounding. Its buffers follow from the spec
    and are not part of the state dict.

    Raises:
        TinyclapError: the input is not (B, T), or has no more than n_fft / 2 samples, too few to reflect at its ends.
    """

    window: Tensor
    filterbank: Tensor

    def __init__(self, spec: FrontendSpec) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("window", torch.hann_window(spec.win_length, periodic=True), persistent=False)
        self.register_buffer("filterbank", torch.from_numpy(spec.mel_filterbank()), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Waveforms (B, T) to decibels (B, 1, frames, n_mels)."""
        self.spec.check_waveforms(waveforms.shape)
        with torch.autocast(waveforms.device.type, enabled=False):
            return self._decibels(waveforms.float()).unsqueeze(1)

    def _decibels(self, waveforms: Tensor) -> Tensor:
        spec = self.spec
        spectrum = torch.stft(
            waveforms,
            n_fft=spec.n_fft,
            hop_length=spec.hop_length,
            win_length=spec.win_length,
            window=self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        ).transpose(1, 2)
        # On a CPU several times as fast as spectrum.abs() or view_as_real(spectrum).
        power = spectrum.real.square().add_(spectrum.imag.square())
        if spec.power != 2.0:
            power = power.pow(spec.power / 2.0)
        return 10.0 * torch.log10((power @ self.filterbank).clamp_min(spec.amin))
