"""HTSAT, the audio tower of LAION's CLAP and of Microsoft's of 2023, in a form that can be traced."""

from torch import nn
from transformers.models.clap.modeling_clap import ClapAudioEncoder

from tinyclap.models.resize_frames import ResizeFrames


def stretching(encoder: nn.Module) -> nn.Module | None:
    """What stretches a spectrogram to the frames that an HTSAT takes, in place of its own bicubic interpolation.

    None for any other encoder.
    """
    if not isinstance(encoder, ClapAudioEncoder):
        return None
    return ResizeFrames(int(encoder.spec_size * encoder.freq_ratio))
