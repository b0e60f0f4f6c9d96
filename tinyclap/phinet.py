"""PhiNet (Paissan et al., arXiv 2110.00337): a scalable stack of inverted residual blocks, from its equations."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tinyclap.checks import is_count, is_number, require

ACTIVATIONS: dict[str, type[nn.Module]] = {"hardswish": nn.Hardswish, "relu6": nn.ReLU6, "relu": nn.ReLU}
STEM_WIDTH = 48
BLOCK_WIDTHS = {0: 24, 3: 48, 5: 96, 7: 192}  # before scaling by alpha; a block has the last one at or before it
SQUEEZE_RATIO = 6
MIN_DEPTH = 3
# Where a reference block keeps its parts; its dropout (3) and activations (2, 6) have no weights.
REFERENCE_PARTS = {0: "expand", 1: "expand_norm", 4: "depthwise", 5: "depthwise_norm", 7: "project", 8: "project_norm"}


@dataclass(frozen=True)
class PhiNetConfig:
    """Shape of a PhiNet.

    Attributes:
        alpha: width multiplier.
        beta: shape factor, the last block's expansion relative to t0.
        t0: base expansion factor.
        depth: number N of expanding blocks; block 0, which does not expand, comes before them.
        squeeze_excite: channel gates in the expanding blocks. None: the variant's own, on (off with compatibility).
        activation: "hardswish", "relu6" or "relu". None: hardswish (relu6 with compatibility).
        dropout: channel dropout before every depthwise convolution. None: 0 (0.05 with compatibility).
        stem_stride: (time, mel) stride of the first convolution; 1, 2 or 4.
        time_strides: blocks that halve the frames.
        mel_strides: blocks that halve the mel axis.
        compatibility: exactly the network of the tinyCLAP reference: a separable stem padded at one side, and
            batch normalisation whose running statistics are the last batch's (momentum 0.999).

    Raises:
        TinyclapError: naming the first bad field, its value and what is allowed.
    """

    alpha: float = 0.334
    beta: float = 1.0
    t0: float = 5.0
    depth: int = 7
    squeeze_excite: bool | None = None
    activation: str | None = None
    dropout: float | None = None
    stem_stride: tuple[int, int] = (2, 2)
    time_strides: tuple[int, ...] = (1, 3, 5, 7)
    mel_strides: tuple[int, ...] = (1, 3, 5, 7)
    compatibility: bool = False

    def __post_init__(self) -> None:
        own: dict[str, object] = {"squeeze_excite": True, "activation": "hardswish", "dropout": 0.0}
        if self.compatibility:
            own = {"squeeze_excite": False, "activation": "relu6", "dropout": 0.05}
        for name, value in own.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        for name in ("stem_stride", "time_strides", "mel_strides"):
            value = getattr(self, name)
            require(self, "phinet", name, isinstance(value, list | tuple), "a list of whole numbers")
            object.__setattr__(self, name, tuple(value))  # YAML and JSON bring lists
        self._check()

    def _check(self) -> None:
        for name in ("alpha", "beta", "t0"):
            value = getattr(self, name)
            require(self, "phinet", name, is_number(value) and value > 0, "a number above 0")
        deep = is_count(self.depth, MIN_DEPTH)
        require(self, "phinet", "depth", deep, f"a whole number, at least {MIN_DEPTH}")
        require(self, "phinet", "squeeze_excite", type(self.squeeze_excite) is bool, "true, false or null")
        require(self, "phinet", "activation", self.activation in ACTIVATIONS, f"one of {', '.join(ACTIVATIONS)}")
        share = is_number(self.dropout) and 0 <= self.dropout < 1  # type: ignore[operator]
        require(self, "phinet", "dropout", share, "at least 0 and below 1")
        pair = len(self.stem_stride) == 2 and all(stride in (1, 2, 4) for stride in self.stem_stride)
        require(self, "phinet", "stem_stride", pair, "two of 1, 2 or 4: [time, mel]")
        for name in ("time_strides", "mel_strides"):
            numbers = all(is_count(block, 0) for block in getattr(self, name))
            require(self, "phinet", name, numbers, "block numbers from 0 (those above depth have no effect)")
        if self.compatibility:
            require(self, "phinet", "squeeze_excite", not self.squeeze_excite, "false or null with compatibility")
            require(self, "phinet", "activation", self.activation == "relu6", "relu6 or null with compatibility")
            require(self, "phinet", "stem_stride", 4 not in self.stem_stride, "two of 1 or 2 with compatibility")

    @property
    def out_channels(self) -> int:
        """Channels of the feature map."""
        return block_channels(self, self.depth)


@dataclass(frozen=True)
class BlockShape:
    """The sizes of one block: all that counting its parameters and operations needs."""

    in_channels: int
    hidden_channels: int
    out_channels: int
    squeeze_channels: int  # 0: no squeeze-excite
    stride: tuple[int, int]  # (time, mel)
    expands: bool
    residual: bool


def stem_channels(config: PhiNetConfig) -> int:
    """Channels after the stem: ⌊48·alpha⌋."""
    return max(1, int(STEM_WIDTH * config.alpha))


def stem_kernel(config: PhiNetConfig) -> tuple[int, int]:
    """Kernel (time, mel) of the stem: 3, or 7 along an axis of stride 4, so that no frame and no band is skipped."""
    time, mel = config.stem_stride
    return max(3, 2 * time - 1), max(3, 2 * mel - 1)


def block_channels(config: PhiNetConfig, block: int) -> int:
    """Channels after a block: ⌊24·alpha⌋ for 0 to 2, ⌊48·alpha⌋ for 3 and 4, doubled at 5 and again at 7."""
    width = BLOCK_WIDTHS[max(first for first in BLOCK_WIDTHS if first <= block)]
    return max(1, int(width * config.alpha))


def expansion_factor(config: PhiNetConfig, block: int) -> float:
    """t(k) = t0·[(N - k) + beta·k] / N of block k."""
    # Summed in the reference's order: ⌊t(k)·channels⌋ must come out alike, or its checkpoints would not load.
    share = config.t0 * config.beta * block / config.depth
    return share + config.t0 * (config.depth - block) / config.depth


def block_shapes(config: PhiNetConfig) -> tuple[BlockShape, ...]:
    """The blocks 0 to depth, in order."""
    shapes = []
    in_channels = stem_channels(config)
    for block in range(config.depth + 1):
        hidden = max(1, int(expansion_factor(config, block) * in_channels)) if block else in_channels
        stride = (2 if block in config.time_strides else 1, 2 if block in config.mel_strides else 1)
        shape = BlockShape(
            in_channels=in_channels,
            hidden_channels=hidden,
            out_channels=block_channels(config, block),
            squeeze_channels=max(1, hidden // SQUEEZE_RATIO) if config.squeeze_excite and block else 0,
            stride=stride,
            expands=block > 0,
            residual=stride == (1, 1) and in_channels == block_channels(config, block),
        )
        shapes.append(shape)
        in_channels = shape.out_channels
    return tuple(shapes)


def map_size(config: PhiNetConfig, frames: int, n_mels: int) -> tuple[int, int]:
    """Height and width of the feature map made of a (frames, n_mels) input."""
    height, width = stem_size(config, frames, n_mels)
    for shape in block_shapes(config):
        height, width = (height - 1) // shape.stride[0] + 1, (width - 1) // shape.stride[1] + 1
    return height, width


def stem_size(config: PhiNetConfig, frames: int, n_mels: int) -> tuple[int, int]:
    """Height and width after the stem."""
    lost = 2 if config.compatibility else 1  # padded at one side only
    return (frames - lost) // config.stem_stride[0] + 1, (n_mels - lost) // config.stem_stride[1] + 1


def reference_names(config: PhiNetConfig) -> dict[str, str]:
    """Names of the modules with weights in the tinyCLAP reference's trunk, and in ours."""
    stem = ("depthwise", "pointwise", "norm")
    names = {f"_layers.1._layers.{index}": f"stem.{part}" for index, part in enumerate(stem)}
    for block in range(config.depth + 1):
        skipped = 0 if block else 3  # block 0 lacks the expansion, its norm and its activation
        names |= {
            f"_layers.{block + 2}._layers.{index - skipped}": f"blocks.{block}.{part}"
            for index, part in REFERENCE_PARTS.items()
            if index >= skipped
        }
    return names


class PhiNet(nn.Module):
    """The trunk: (B, in_channels, frames, n_mels) to a feature map (B, config.out_channels, h, w), see `map_size`."""

    def __init__(self, config: PhiNetConfig, in_channels: int = 1) -> None:
        super().__init__()
        self.config = config
        self.stem = _Stem(config, in_channels)
        self.blocks = nn.Sequential(*(_Block(config, shape) for shape in block_shapes(config)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, frames, n_mels) to (B, config.out_channels, h, w)."""
        return self.blocks(self.stem(x))


class _Stem(nn.Sequential):
    """The first, strided convolution. The reference's is separable: of one channel it takes one 3x3 filter only."""

    def __init__(self, config: PhiNetConfig, in_channels: int) -> None:
        super().__init__()
        channels, kernel = stem_channels(config), stem_kernel(config)
        if config.compatibility:
            self.pad = nn.ZeroPad2d((0, 1, 0, 1))
            self.depthwise = nn.Conv2d(in_channels, in_channels, 3, config.stem_stride, groups=in_channels, bias=False)
            self.pointwise = nn.Conv2d(in_channels, channels, 1, bias=False)
        else:
            padding = (kernel[0] // 2, kernel[1] // 2)
            self.conv = nn.Conv2d(in_channels, channels, kernel, config.stem_stride, padding, bias=False)
        self.norm = _norm(config, channels)
        self.activation = _activation(config)


class _Block(nn.Module):
    """Expand 1x1, depthwise 3x3, squeeze-excite, project 1x1, each normalised; a residual where shapes allow it."""

    def __init__(self, config: PhiNetConfig, shape: BlockShape) -> None:
        super().__init__()
        self.shape = shape
        hidden = shape.hidden_channels
        if shape.expands:
            self.expand = nn.Conv2d(shape.in_channels, hidden, 1, bias=False)
            self.expand_norm = _norm(config, hidden)
        self.activation = _activation(config)
        self.dropout = nn.Dropout2d(config.dropout or 0.0)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, shape.stride, padding=1, groups=hidden, bias=False)
        self.depthwise_norm = _norm(config, hidden)
        if shape.squeeze_channels:
            self.squeeze_excite = _SqueezeExcite(config, hidden, shape.squeeze_channels)
        self.project = nn.Conv2d(hidden, shape.out_channels, 1, bias=False)
        self.project_norm = _norm(config, shape.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.activation(self.expand_norm(self.expand(x))) if self.shape.expands else x
        hidden = self.activation(self.depthwise_norm(self.depthwise(self.dropout(hidden))))
        if self.shape.squeeze_channels:
            hidden = self.squeeze_excite(hidden)
        out = self.project_norm(self.project(hidden))
        return x + out if self.shape.residual else out


class _SqueezeExcite(nn.Module):
    """Channels weighted by gates that follow from their means (arXiv 1709.01507), without biases as in PhiNet."""

    def __init__(self, config: PhiNetConfig, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1, bias=False)
        self.activation = _activation(config)
        self.excite = nn.Conv2d(squeezed, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gates = self.excite(self.activation(self.squeeze(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gates)


def _activation(config: PhiNetConfig) -> nn.Module:
    return ACTIVATIONS[str(config.activation)]()


def _norm(config: PhiNetConfig, channels: int) -> nn.BatchNorm2d:
    if config.compatibility:  # Keras' momentum read by torch: 0.999 of the last batch
        return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.999)
    return nn.BatchNorm2d(channels)
