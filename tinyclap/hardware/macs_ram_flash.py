"""What a student costs, in closed form from its shape: parameters, MACs, activation memory, flash.

Conventions, so that figures can be compared:

- **Parameters** as torch counts them: weights, biases, and scale and shift of every normalisation.
- **MACs**: multiplications with an addition, of convolutions, linear layers and matrix products, as fvcore counts them.
  The front end's are a formula (see `frontend_layer`) and stand apart.
- **RAM**: activations alive at the same time, layer by layer. While a layer runs its input and its output are alive,
  and a residual block's input until it is added. Normalisation (folded into the convolution before it), activations,
  gating and adding work in place; padding is not stored. Not counted: the runtime, its stack, a convolution's scratch
  buffer.
- **RAM, fused blocks**: the expanded maps of an inverted residual block are made channel by channel and never stored
  (MCUNetV2, arXiv 2110.15352, calls it per-channel; TinyEngine works so). With squeeze-excite all channels of the
  depthwise convolution's output must be there before the gates are known, so that map is stored.
- **Flash**: weights and biases with normalisation folded in, and the front end's tables (window, FFT factors, mel
  weights: float32). float32: 4 bytes each. int8: 1 byte a weight, 4 a bias, 4 for each output channel's scale. Not
  counted: the runtime's code.

Sizes may be numpy arrays: then all formulas give arrays, which is how `scaling` counts a hundred thousand shapes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.models.phinet_config import BlockShape, PhiNetConfig, block_shapes, stem_channels, stem_kernel, stem_size
from tinyclap.models.student_config import MAPPED, StudentConfig

Count = Any
"""A whole number, or an array of whole numbers for many shapes at once."""

PRECISIONS = ("float32", "int8")


@dataclass(frozen=True)
class Layer:
    """One layer of a student.

    Attributes:
        name: as in the student's modules.
        parameters: as torch counts them.
        macs: for one window.
        weights, biases: numbers in flash once normalisation is folded in.
        channels: of the output, each of which has a scale in int8.
        live: activations alive while it runs.
        fused: the same where blocks are fused.
        buffer_bytes: working memory besides that has the same size in every precision.
    """

    name: str
    parameters: Count = 0
    macs: Count = 0
    weights: Count = 0
    biases: Count = 0
    channels: Count = 0
    live: Count = 0
    fused: Count = 0
    buffer_bytes: Count = 0

    def flash_bytes(self, precision: str) -> Count:
        """Bytes in flash."""
        if precision == "int8" and self.name != FRONTEND:
            return self.weights + 4 * (self.biases + self.channels)
        return 4 * (self.weights + self.biases)

    def ram_bytes(self, precision: str, *, fused: bool = False) -> Count:
        """Bytes of activations alive while it runs."""
        size = 1 if precision == "int8" else 4
        return size * (self.fused if fused else self.live) + self.buffer_bytes


FRONTEND = "frontend"


@dataclass(frozen=True)
class Costs:
    """The layers of a student, and what they sum up to."""

    layers: tuple[Layer, ...]

    @property
    def parameters(self) -> Count:
        """Of all layers, as torch counts them."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> Count:
        """Of the network for one window, without the front end."""
        return sum(layer.macs for layer in self.layers if layer.name != FRONTEND)

    @property
    def frontend_macs(self) -> Count:
        """Of the front end for one window, by formula."""
        return sum(layer.macs for layer in self.layers if layer.name == FRONTEND)

    def flash_bytes(self, precision: str) -> Count:
        """Weights and tables in flash."""
        return sum(layer.flash_bytes(precision) for layer in self.layers)

    def ram_bytes(self, precision: str, *, fused: bool = False) -> Count:
        """Peak of the activations over all layers."""
        return _largest([layer.ram_bytes(precision, fused=fused) for layer in self.layers])


def student_costs(config: StudentConfig, duration_s: float | None = None, *, full_dim: int | None = None) -> Costs:
    """What a student costs.

    Args:
        config: its shape.
        duration_s: length of the sound that is encoded at once; None for the student's window.
        full_dim: width of a mapped projection before its map.

    Raises:
        TinyclapError: too short a sound, or a mapped projection without its width.
    """
    spec, phinet = config.frontend, config.phinet
    seconds = config.window_s if duration_s is None else duration_s
    if seconds < spec.shortest_s:
        raise TinyclapError(f"duration is {seconds:g} s; the front end needs at least {spec.shortest_s:g} s")
    frames = spec.n_frames(round(seconds * spec.sample_rate))
    trunk, height, width = trunk_layers(phinet, frames, spec.n_mels)
    last, pooled = pooled_layers(phinet, config.features, config.pooling, height, width)
    wide = full_dim if config.head == MAPPED else config.embed_dim
    if wide is None:
        raise TinyclapError("a mapped projection's width before its map is not known")
    head = head_layers(config.head, pooled, wide, config.embed_dim)
    return Costs((frontend_layer(spec, frames), *trunk, *last, *head))


def frontend_layer(spec: FrontendSpec, frames: Count) -> Layer:
    """The log-mel front end, frame by frame.

    MACs of a frame by formula: n_fft for the window, n_fft·log2(n_fft/2) + 2·n_fft for a real FFT as a complex one of
    half the length, n_fft + 2 for the powers, and the weights of the mel filterbank that are not zero.

    Live: the whole spectrogram, and as buffer the frame's samples and their transform in float32.
    """
    n_fft, mel_weights = spec.n_fft, _mel_weights(spec)
    transform = n_fft * math.log2(n_fft / 2) + 2 * n_fft
    image = frames * spec.n_mels
    return Layer(
        FRONTEND,
        macs=frames * round(n_fft + transform + n_fft + 2 + mel_weights),
        weights=spec.win_length + n_fft + mel_weights,
        live=image,
        fused=image,
        buffer_bytes=4 * 2 * n_fft,
    )


def trunk_layers(config: PhiNetConfig, frames: Count, n_mels: Count) -> tuple[list[Layer], Count, Count]:
    """Input normalisation, stem and blocks; and height and width of their feature map."""
    image = frames * n_mels
    norm = Layer("norm", 2 * n_mels, weights=n_mels, biases=n_mels, live=image, fused=image)
    height, width = stem_size(config, frames, n_mels)
    layers = [norm, *_stem_layers(config, image, height * width)]
    for number, shape in enumerate(block_shapes(config)):
        out_height, out_width = (height - 1) // shape.stride[0] + 1, (width - 1) // shape.stride[1] + 1
        layers += _block_layers(f"trunk.blocks.{number}", shape, height * width, out_height * out_width)
        height, width = out_height, out_width
    return layers, height, width


def _stem_layers(config: PhiNetConfig, image: Count, positions: Count) -> list[Layer]:
    channels = stem_channels(config)
    if config.compatibility:
        between = image + positions
        return [
            _conv("trunk.stem.depthwise", 9, 1, positions, between, norm=False),
            _conv("trunk.stem.pointwise", channels, channels, positions, positions * (1 + channels)),
        ]
    kernel = stem_kernel(config)
    weights = channels * kernel[0] * kernel[1]
    return [_conv("trunk.stem.conv", weights, channels, positions, image + positions * channels)]


def _block_layers(name: str, shape: BlockShape, before: Count, after: Count) -> list[Layer]:
    """A block's layers, `before` and `after` positions of its input and output."""
    hidden, squeezed = shape.hidden_channels, shape.squeeze_channels
    entering, leaving = before * shape.in_channels, after * shape.out_channels
    kept = entering if shape.residual else 0
    inner = after * hidden
    made = (before + after) if shape.expands else after  # one channel of each expanded map
    fused = entering + made + (inner if squeezed else leaving)
    layers = []
    if shape.expands:
        live = entering + before * hidden
        layers.append(_conv(f"{name}.expand", shape.in_channels * hidden, hidden, before, live, fused))
        depthwise = before * hidden + inner + kept
    else:
        depthwise = entering + inner
    layers.append(_conv(f"{name}.depthwise", 9 * hidden, hidden, after, depthwise, fused))
    if squeezed:
        gated = inner + kept + hidden + squeezed
        squeeze = Layer(f"{name}.squeeze_excite", 2 * hidden * squeezed, 2 * hidden * squeezed, 2 * hidden * squeezed)
        layers.append(replace(squeeze, channels=hidden + squeezed, live=gated, fused=gated))
    project = inner + leaving + kept
    project_fused = project if squeezed else fused
    weights = hidden * shape.out_channels
    layers.append(_conv(f"{name}.project", weights, shape.out_channels, after, project, project_fused))
    return layers


def pooled_layers(
    config: PhiNetConfig, features: Count, pooling: str, height: Count, width: Count
) -> tuple[list[Layer], Count]:
    """The 1x1 convolution and the pooling, of a feature map (height, width); and the width of the pooled vector."""
    channels, positions = config.out_channels, height * width
    layers = []
    if not isinstance(features, int) or features:
        if config.compatibility:
            height, width = (height + 1) // 2, (width + 1) // 2
        norm = 0 if config.compatibility else features
        weights, live = channels * features, positions * channels + height * width * features
        macs = weights * height * width
        layers.append(Layer("last_conv", weights + features + norm, macs, weights, features, features, live, live))
        channels, positions = features, height * width
    # Between the map and the vector: one row or one column of each channel, or nothing.
    kept = {"mean": 1, "mels": width, "mean_max": height}[pooling]
    live = channels * (positions + kept)
    return [*layers, Layer("pool", live=live, fused=live)], channels * width if pooling == "mels" else channels


def head_layers(head: str, features: Count, wide: Count, embed_dim: Count) -> list[Layer]:
    """The head from a pooled vector on; `wide` before a mapped projection's map, else embed_dim."""
    if head == "linear":
        live = features + embed_dim
        weights = features * embed_dim
        return [Layer("head", weights + embed_dim, weights, weights, embed_dim, embed_dim, live, live)]
    prefix = "head.projection" if head == MAPPED else "head"
    first, second = features * wide, wide * wide
    one, two = features + wide, 3 * wide
    layers = [
        Layer(f"{prefix}.linear1", first, first, first, channels=wide, live=one, fused=one),
        Layer(f"{prefix}.linear2", second, second, second, channels=wide, live=two, fused=two),
        Layer(f"{prefix}.layer_norm", 2 * wide, weights=wide, biases=wide, live=wide, fused=wide),
    ]
    if head == MAPPED:
        mapped, live = wide * embed_dim, wide + embed_dim
        layers.append(Layer("head.map", mapped, mapped, mapped, channels=embed_dim, live=live, fused=live))
    return layers


def _conv(
    name: str,
    weights: int,
    channels: int,
    positions: Count,
    live: Count,
    fused: Count | None = None,
    *,
    norm: bool = True,
) -> Layer:
    """A convolution of so many weights, each used once for every position of the output, and its normalisation."""
    biases = channels if norm else 0
    fused = live if fused is None else fused
    return Layer(name, weights + 2 * biases, weights * positions, weights, biases, channels, live, fused)


@cache
def _mel_weights(spec: FrontendSpec) -> int:
    return int(np.count_nonzero(spec.mel_filterbank()))


def _largest(values: Sequence[Count]) -> Count:
    largest = values[0]
    for value in values[1:]:
        largest = np.maximum(largest, value)
    return largest if isinstance(largest, np.ndarray) else int(largest)
