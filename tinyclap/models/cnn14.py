"""CNN14 of PANNs (Kong et al., arXiv 1912.10211), as the audio tower of Microsoft CLAP 2022 uses it."""

import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.errors import TinyclapError

BLOCK_WIDTHS = (64, 128, 256, 512, 1024, 2048)
SMALLEST_INPUT = 32  # five halvings


class Cnn14(nn.Module):
    """Log-mel to embedding: (B, 1, frames, n_mels) decibels to (B, out_channels), non-negative.

    The names of the weights are those under `audio_encoder.base.` in the checkpoints of Microsoft CLAP 2022, without
    the front end (`LogMel` computes it) and the tagging layer `fc_audioset`. 79.67 M parameters at full width.

    Args:
        n_mels: mel bands, at least 32.
        width: scales all channel counts; 1 is the published size.

    Raises:
        TinyclapError: a width that leaves no channel, or an input with fewer than 32 frames or bands.
    """

    def __init__(self, n_mels: int = 64, width: float = 1.0) -> None:
        super().__init__()
        channels = [1, *(int(block_width * width) for block_width in BLOCK_WIDTHS)]
        if channels[1] < 1:
            raise TinyclapError(f"cnn14: width = {width!r} is not allowed; it must be at least 1/{BLOCK_WIDTHS[0]}")
        if n_mels < SMALLEST_INPUT:
            raise TinyclapError(f"cnn14: n_mels = {n_mels!r} is not allowed; it must be at least {SMALLEST_INPUT}")
        self.out_channels = channels[-1]
        self.bn0 = nn.BatchNorm2d(n_mels)
        self.conv_block1 = _ConvBlock(channels[0], channels[1])
        self.conv_block2 = _ConvBlock(channels[1], channels[2])
        self.conv_block3 = _ConvBlock(channels[2], channels[3])
        self.conv_block4 = _ConvBlock(channels[3], channels[4])
        self.conv_block5 = _ConvBlock(channels[4], channels[5])
        self.conv_block6 = _ConvBlock(channels[5], channels[6])
        self.fc1 = nn.Linear(self.out_channels, self.out_channels)
        self.block_dropout = nn.Dropout(0.2)
        self.dropout = nn.Dropout(0.5)

    def forward(self, logmel: Tensor) -> Tensor:
        """Decibels (B, 1, frames, n_mels) to (B, out_channels)."""
        if logmel.shape[2] < SMALLEST_INPUT:
            raise TinyclapError(f"cnn14: {logmel.shape[2]} frames; it needs at least {SMALLEST_INPUT}: pad the audio")
        x = self.bn0(logmel.transpose(1, 3)).transpose(1, 3)
        halving = (self.conv_block1, self.conv_block2, self.conv_block3, self.conv_block4, self.conv_block5)
        for block in halving:
            x = self.block_dropout(F.avg_pool2d(block(x), 2))
        x = self.block_dropout(self.conv_block6(x))
        over_time = x.mean(3)
        pooled = self.dropout(over_time.amax(2) + over_time.mean(2))
        return self.dropout(F.relu(self.fc1(pooled)))


class _ConvBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.bn1(self.conv1(x)))
        return F.relu_(self.bn2(self.conv2(x)))
