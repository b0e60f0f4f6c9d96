"""PhiNet (Paissan et al., arXiv 2110.00337): a scalable stack of inverted residual blocks, sized by phinet_config."""

import torch
from torch import Tensor, nn

from tinyclap.models.phinet_config import BlockShape, PhiNetConfig, block_shapes, stem_channels, stem_kernel
from tinyclap.models.recompute import Recomputing, recomputed

ACTIVATIONS: dict[str, type[nn.Module]] = {"hardswish": nn.Hardswish, "relu6": nn.ReLU6, "relu": nn.ReLU}
# Where a reference block keeps its parts; its dropout (3) and activations (2, 6) have no weights.
REFERENCE_PARTS = {0: "expand", 1: "expand_norm", 4: "depthwise", 5: "depthwise_norm", 7: "project", 8: "project_norm"}


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


class PhiNet(Recomputing):
    """The trunk: (B, in_channels, frames, n_mels) to a feature map (B, config.out_channels, h, w), see `map_size`."""

    def __init__(self, config: PhiNetConfig, in_channels: int = 1) -> None:
        super().__init__()
        self.config = config
        self.stem = _Stem(config, in_channels)
        self.blocks = nn.Sequential(*(_Block(config, shape) for shape in block_shapes(config)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, frames, n_mels) to (B, config.out_channels, h, w)."""
        x = self.stem(x)
        if not (self.recompute and self.training):
            return self.blocks(x)
        for block in self.blocks:
            x = recomputed(block, x)
        return x


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
