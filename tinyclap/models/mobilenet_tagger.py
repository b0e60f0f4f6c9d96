"""The audio taggers of EfficientAT: MobileNetV3 on log-mel spectrograms, 527 AudioSet classes.

Schmid, Koutini, Widmer, "Efficient Large-Scale Audio Tagging via Transformer-to-CNN Knowledge Distillation" (ICASSP
2023, arXiv 2211.04772); MobileNetV3: arXiv 1905.02244, table 1. The names of the weights are those of the published
checkpoints (github.com/fschmid56/EfficientAT, release v0.0.1, mn*_as).
"""

from typing import NamedTuple

from torch import Tensor, nn

from tinyclap.errors import TinyclapError


class BlockShape(NamedTuple):
    """An inverted residual of MobileNetV3-large at width 1."""

    kernel: int
    expanded: int
    out: int
    excited: bool
    hard_swish: bool
    stride: int


FIRST, LAST = 16, 1280
BLOCKS = (
    BlockShape(3, 16, 16, False, False, 1),
    BlockShape(3, 64, 24, False, False, 2),
    BlockShape(3, 72, 24, False, False, 1),
    BlockShape(5, 72, 40, True, False, 2),
    BlockShape(5, 120, 40, True, False, 1),
    BlockShape(5, 120, 40, True, False, 1),
    BlockShape(3, 240, 80, False, True, 2),
    BlockShape(3, 200, 80, False, True, 1),
    BlockShape(3, 184, 80, False, True, 1),
    BlockShape(3, 184, 80, False, True, 1),
    BlockShape(3, 480, 112, True, True, 1),
    BlockShape(3, 672, 112, True, True, 1),
    BlockShape(5, 672, 160, True, True, 2),
    BlockShape(5, 960, 160, True, True, 1),
    BlockShape(5, 960, 160, True, True, 1),
)
WIDTHS = (0.02, 8.0)  # that are allowed; published are 0.1 to 4


class MobileNetTagger(nn.Module):
    """Normalised log-mel spectrograms (B, 1, frames, mels) to logits (B, classes).

    Args:
        width: scales the channels; `mn04` has 0.4.
        classes: of the last layer.

    Raises:
        TinyclapError: a width that is not allowed.
    """

    def __init__(self, width: float = 0.4, classes: int = 527) -> None:
        super().__init__()
        if not WIDTHS[0] <= width <= WIDTHS[1]:
            raise TinyclapError(
                f"tagger: width = {width!r} is not allowed; it must lie in {WIDTHS[0]} to {WIDTHS[1]:g}"
            )
        channels = channels_at(FIRST, width)
        layers: list[nn.Module] = [_conv_norm(1, channels, 3, stride=2, activation=nn.Hardswish())]
        for shape in BLOCKS:
            layers.append(InvertedResidual(channels, shape, width))
            channels = channels_at(shape.out, width)
        features, hidden = 6 * channels, channels_at(LAST, width)
        layers.append(_conv_norm(channels, features, 1, activation=nn.Hardswish()))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(features, hidden),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(hidden, classes),
        )

    def forward(self, logmel: Tensor) -> Tensor:
        """(B, 1, frames, mels), 16 frames and 16 mels at least, to logits (B, classes)."""
        return self.classifier(self.features(logmel.transpose(2, 3)))  # trained with the bands as rows


class InvertedResidual(nn.Module):
    """Expand, filter each channel, weigh the channels, project; added to the input where the shapes agree."""

    def __init__(self, channels: int, shape: BlockShape, width: float) -> None:
        super().__init__()
        expanded, out = channels_at(shape.expanded, width), channels_at(shape.out, width)
        activation = nn.Hardswish() if shape.hard_swish else nn.ReLU()
        layers: list[nn.Module] = []
        if expanded != channels:
            layers.append(_conv_norm(channels, expanded, 1, activation=activation))
        layers.append(
            _conv_norm(expanded, expanded, shape.kernel, stride=shape.stride, groups=expanded, activation=activation)
        )
        if shape.excited:
            layers.append(ChannelWeights(expanded))
        layers.append(_conv_norm(expanded, out, 1))
        self.block = nn.Sequential(*layers)
        self.is_residual = shape.stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.is_residual else self.block(x)


class ChannelWeights(nn.Module):
    """Squeeze and excitation (arXiv 1709.01507): a factor in 0 ... 1 for each channel, from the channels' means.

    The published networks can weigh bands and frames too, hence a list of layers; the taggers have one, on channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([_Excitation(channels)])

    def forward(self, x: Tensor) -> Tensor:
        return self.conc_se_layers[0](x)


class _Excitation(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = divisible_by_8(channels // 4)
        self.fc1, self.fc2 = nn.Linear(channels, squeezed), nn.Linear(squeezed, channels)

    def forward(self, x: Tensor) -> Tensor:
        factors = self.fc2(self.fc1(x.mean((2, 3))).relu()).sigmoid()
        return x * factors[:, :, None, None]


def channels_at(channels: int, width: float) -> int:
    """Channels of a layer that has `channels` at width 1."""
    return divisible_by_8(channels * width)


def divisible_by_8(value: float) -> int:
    """The multiple of 8 nearest to a value, at least 8, and at most a tenth below the value."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def _conv_norm(
    channels: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1, activation: nn.Module | None = None
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(channels, out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out, eps=1e-3, momentum=0.01),
    ]
    return nn.Sequential(*layers, *([activation] if activation is not None else []))
