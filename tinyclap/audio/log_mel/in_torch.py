"""The log-mel front end in torch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from tinyclap.audio.log_mel.emphasised import EmphasisedSpec
from tinyclap.audio.log_mel.spec import MOST_GAIN, FrontendSpec


class LogMel(nn.Module):
    """Log-mel spectrogram: waveforms (B, T) in [-1, 1] to decibels (B, 1, frames, n_mels), float32.

    Of an `EmphasisedSpec` the values are what that says, not decibels. It stays in float32 under autocast, where quiet
    bands would drown in rounding. Its buffers follow from the spec and are not part of the state dict.

    Raises:
        TinyclapError: the input is not (B, T), or has no more than n_fft / 2 samples, too few to reflect at its ends.
    """

    window: Tensor
    filterbank: Tensor

    def __init__(self, spec: FrontendSpec) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer(
            "window", torch.hann_window(spec.win_length, periodic=spec.periodic_window), persistent=False
        )
        self.register_buffer("filterbank", torch.from_numpy(spec.mel_filterbank()), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Waveforms (B, T) to decibels (B, 1, frames, n_mels)."""
        self.spec.check_waveforms(waveforms.shape)
        with torch.autocast(waveforms.device.type, enabled=False):
            return self._log_mel(waveforms.float()).unsqueeze(1)

    def of_clips(self, clips: Sequence[Tensor], filling: float = 0.0) -> tuple[Tensor, Tensor | None]:
        """Clips (t,), each transformed alone, to (B, 1, frames, n_mels), `filling` behind shorter ones.

        Returns:
            These, and the frames of each, int (B,); None where all are of one length.
        """
        if len({len(clip) for clip in clips}) == 1:
            return self(torch.stack(list(clips))), None
        logmels = [self(clip.unsqueeze(0))[0, 0] for clip in clips]
        lengths = torch.tensor([len(logmel) for logmel in logmels], device=logmels[0].device)
        return pad_sequence(logmels, batch_first=True, padding_value=filling).unsqueeze(1), lengths

    def in_graph(self) -> nn.Module | None:
        """What computes the same in a graph, where that is not `in_onnx.OnnxLogMel`."""
        return None

    def _log_mel(self, waveforms: Tensor) -> Tensor:
        spec = self.spec
        waveforms = raised(waveforms, spec)
        if isinstance(spec, EmphasisedSpec):
            waveforms = waveforms[:, 1:] - spec.preemphasis * waveforms[:, :-1]
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
        mels = power @ self.filterbank
        if isinstance(spec, EmphasisedSpec):
            return ((mels + spec.offset).log() + spec.shift) / spec.scale
        return 10.0 * torch.log10(mels.clamp_min(spec.amin))


def raised(waveforms: Tensor, spec: FrontendSpec) -> Tensor:
    """Quiet waveforms (B, T) at the level that the spec asks for."""
    lowest = spec.lowest_rms
    if lowest is None:
        return waveforms
    rms = (waveforms * waveforms).mean(dim=1, keepdim=True).sqrt()
    return waveforms * (lowest / rms.clamp(lowest / MOST_GAIN, lowest))
