"""Zipformer, a speech encoder of stacks at different frame rates (Yao et al. 2024, arXiv 2310.11230), in inference.

Names are those of the published weights of SPEAR and CLSP. A clip's frames are the same whatever lies beside it in a
batch: where the original lets the padding of a batch into the last frames of its shorter clips, they end here as they
do alone.
"""

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from tinyclap.models.zipformer_layer import BiasNorm, Bypass, Layer, StackConfig, swoosh_l, swoosh_r

CHANNELS = (8, 32, 128)  # of the convolutions over the spectrogram
EXPANSION, KERNEL = 3, 7  # of the ConvNeXt block after them
SHORTEST_FRAMES = 9  # of the spectrogram, that make one frame

Count = TypeVar("Count", int, Tensor)


@dataclass(frozen=True)
class ZipformerConfig:
    """The shape of an encoder.

    Attributes:
        stacks: in order; the first and the last at the full rate.
        width: of its frames.
        n_mels: of the spectrogram.
        pos_dim: of the encoding of a relative position.
        output_factor: by which the last stack's frames are made fewer.
    """

    stacks: tuple[StackConfig, ...]
    width: int
    n_mels: int = 128
    pos_dim: int = 48
    output_factor: int = 2


class Embed(nn.Module):
    """Log-mel (B, T, n_mels) to (B, (T - 7) // 2, width): three convolutions, a ConvNeXt block and a linear layer."""

    def __init__(self, n_mels: int, width: int) -> None:
        super().__init__()
        first, second, third = CHANNELS
        self.conv = nn.Sequential(  # the places that hold nothing only train in the original
            nn.Conv2d(1, first, 3, padding=(0, 1)),
            *(nn.Identity(), nn.Identity(), swoosh_r()),
            nn.Conv2d(first, second, 3, stride=2),
            *(nn.Identity(), swoosh_r()),
            nn.Conv2d(second, third, 3, stride=(1, 2)),
            *(nn.Identity(), swoosh_r()),
        )
        self.convnext = ConvNeXt(third)
        self.out = nn.Linear(third * (((n_mels - 1) // 2 - 1) // 2), width)
        self.out_norm = BiasNorm(width)

    def forward(self, logmel: Tensor, padded: Tensor | None) -> Tensor:
        maps = self.conv(logmel.unsqueeze(1))
        if padded is not None:
            maps = maps.masked_fill(padded[:, None, :, None], 0.0)
        maps = self.convnext(maps)
        out: Tensor = self.out_norm(self.out(maps.transpose(1, 2).flatten(2)))
        return out


class ConvNeXt(nn.Module):
    """A convolution of each channel, then two of all channels at a place; added to what came in (arXiv 2201.03545)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise_conv = nn.Conv2d(channels, channels, KERNEL, padding=KERNEL // 2, groups=channels)
        self.pointwise_conv1 = nn.Conv2d(channels, EXPANSION * channels, 1)
        self.activation = swoosh_l()
        self.pointwise_conv2 = nn.Conv2d(EXPANSION * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.pointwise_conv2(self.activation(self.pointwise_conv1(self.depthwise_conv(x))))
        return out


class Downsample(nn.Module):
    """Groups of `factor` frames summed by learned weights; a clip's last frame fills up its last group."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.bias = nn.Parameter(torch.zeros(factor))

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        batch, length, width = x.shape
        groups = fewer(length, self.factor)
        places = torch.arange(groups * self.factor, device=x.device)
        if lengths is None:
            x = x.index_select(1, places.clamp(max=length - 1))
        else:
            own = torch.minimum(places, lengths.unsqueeze(1) - 1)
            x = x.gather(1, own.unsqueeze(2).expand(batch, groups * self.factor, width))
        weights = self.bias.softmax(dim=0)[:, None]
        return (x.reshape(batch, groups, self.factor, width) * weights).sum(dim=2)


class Stack(nn.Module):
    """Layers one after the other, which see the same encoding of positions."""

    def __init__(self, width: int, pos_dim: int, config: StackConfig) -> None:
        super().__init__()
        self.pos_dim = pos_dim
        self.layers = nn.ModuleList(Layer(width, pos_dim, config) for _ in range(config.layers))

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        positions = relative_positions(x.shape[1], self.pos_dim, x)
        padded = None if lengths is None else beyond(lengths, x.shape[1])
        for layer in self.layers:
            x = layer(x, positions, padded)
        return x


class DownsampledStack(nn.Module):
    """A stack at a lower rate, between downsampling and repetition; a bypass around it."""

    def __init__(self, width: int, pos_dim: int, config: StackConfig) -> None:
        super().__init__()
        self.factor = config.factor
        self.downsample = Downsample(config.factor)
        self.encoder = Stack(width, pos_dim, config)
        self.out_combiner = Bypass(width)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        batch, length, width = x.shape
        fewer_lengths = None if lengths is None else fewer(lengths, self.factor)
        slow = self.encoder(self.downsample(x, lengths), fewer_lengths)
        repeated = slow.unsqueeze(2).expand(batch, slow.shape[1], self.factor, width)
        out: Tensor = self.out_combiner(x, repeated.reshape(batch, -1, width)[:, :length])
        return out


class Zipformer(nn.Module):
    """The stacks."""

    def __init__(self, config: ZipformerConfig) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(
            (Stack if stack.factor == 1 else DownsampledStack)(config.width, config.pos_dim, stack)
            for stack in config.stacks
        )
        self.factor = config.output_factor
        self.downsample_output = Downsample(config.output_factor) if config.output_factor > 1 else None

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Frames (B, T, width), of these lengths (B,) or all of T, to (B, ceil(T / output_factor), width)."""
        for stack in self.encoders:
            x = stack(x, lengths)
        return x if self.downsample_output is None else self.downsample_output(x, lengths)


def fewer(length: Count, factor: int) -> Count:
    """Groups of `factor` frames, the last filled up."""
    return (length + factor - 1) // factor


def embedded(length: Count) -> Count:
    """Frames that `Embed` makes of those of a spectrogram."""
    return (length - 7) // 2


def beyond(lengths: Tensor, size: int) -> Tensor:
    """True at the frames (B, size) that come after a clip's end."""
    return torch.arange(size, device=lengths.device) >= lengths.unsqueeze(1)


def relative_positions(size: int, dim: int, like: Tensor) -> Tensor:
    """Encoding (2 * size - 1, dim) of the offsets -(size - 1)..size - 1, of which near ones are told apart best.

    Offsets are compressed by a logarithm, then by an arc tangent to less than half a turn, and expressed as cosines
    and sines of its multiples; the last column is 1 (icefall, zipformer.py, CompactRelPositionalEncoding). In float32
    and in the original's order of operations, which give its very bits; then of the type of `like`.
    """
    offsets = torch.arange(1 - size, size, device=like.device).float()
    compression = math.sqrt(dim)
    compressed = compression * offsets.sign() * ((offsets.abs() + compression).log() - math.log(compression))
    angles = (compressed / (dim / (2 * math.pi))).atan().unsqueeze(1)
    angles = angles * torch.arange(1, dim // 2 + 1, device=like.device)
    encoding = torch.stack([angles.cos(), angles.sin()], dim=2).flatten(1)
    return torch.cat([encoding[:, :-1], torch.ones_like(encoding[:, :1])], dim=1).to(like.dtype)
