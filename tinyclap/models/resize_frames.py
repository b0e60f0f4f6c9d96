"""Bicubic stretching of spectrograms in time, in operations that ONNX Runtime computes as torch does."""

import torch
from torch import Tensor, nn

CUBIC = -0.75  # torch's constant of bicubic interpolation (Keys 1981); others take -0.5


class ResizeFrames(nn.Module):
    """Frames (B, 1, T, n_mels) to a fixed number of them: torch's bicubic `interpolate` with `align_corners=True`.

    ONNX Runtime's own Resize differs from torch by up to 4e-4, so the four taps are gathered and weighed here. HTSAT
    does this behind a norm that is the same for all frames, which changes nothing, as the weights add up to 1.

    Args:
        frames: of the result; an input of more frames is an error in ONNX Runtime.
    """

    allowed: Tensor

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.register_buffer("allowed", torch.zeros(frames + 1), persistent=False)

    def forward(self, logmel: Tensor) -> Tensor:
        """(B, 1, T, n_mels) to (B, 1, frames, n_mels)."""
        n = logmel.shape[2]
        guard = self.allowed.index_select(0, torch.full((1,), n, dtype=torch.int64))  # out of bounds: too long
        places = torch.arange(self.frames) * ((torch.full((1,), n) - 1) / (self.frames - 1)) + guard
        first = places.floor()
        t = places - first
        stretched: Tensor | float = 0.0
        for tap, weight in zip(range(-1, 3), (_far(t + 1), _near(t), _near(1 - t), _far(2 - t)), strict=True):
            rows = logmel.index_select(2, (first.long() + tap).clamp(min=0).clamp(max=n - 1))
            stretched = stretched + rows * weight[:, None]
        assert isinstance(stretched, Tensor)
        return stretched


def _near(t: Tensor) -> Tensor:
    return ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1


def _far(t: Tensor) -> Tensor:
    return ((CUBIC * t - 5 * CUBIC) * t + 8 * CUBIC) * t - 4 * CUBIC
