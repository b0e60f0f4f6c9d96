"""A student as the layers that C and TFLite compute: normalisation folded into the convolutions, sizes known."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import nn

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.models.heads import LinearHead, MappedProjection, Projection
from tinyclap.models.phinet_config import BlockShape, block_shapes, stem_size
from tinyclap.models.student import Student

LINEAR = "linear"
ACTIVATIONS = (LINEAR, "relu", "relu6", "hardswish")


@dataclass(frozen=True)
class Conv:
    """A convolution or a dense layer with what follows it.

    Attributes:
        weights: float32, output channels first, input channels last: (out, in), (out, height, width) of one input
            channel, or of a depthwise layer.
        bias: float32 (out,).
        activation: one of ACTIVATIONS.
    """

    weights: np.ndarray
    bias: np.ndarray
    activation: str = LINEAR

    @property
    def out(self) -> int:
        """Output channels."""
        return len(self.weights)


@dataclass(frozen=True)
class Stem:
    """The first convolution: of one channel, `top` and `left` zeros before the image."""

    conv: Conv
    stride: tuple[int, int]
    top: int
    left: int


@dataclass(frozen=True)
class Block:
    """An inverted residual block on a map (height, width); `expand` is None where the stem makes its hidden map."""

    shape: BlockShape
    height: int
    width: int
    expand: Conv | None
    depthwise: Conv
    squeeze: Conv | None
    excite: Conv | None
    project: Conv

    @property
    def out_height(self) -> int:
        """Rows of its output."""
        return (self.height - 1) // self.shape.stride[0] + 1

    @property
    def out_width(self) -> int:
        """Columns of its output."""
        return (self.width - 1) // self.shape.stride[1] + 1


@dataclass(frozen=True)
class Network:
    """All layers of a student, from decibels (frames, n_mels) to a unit vector (embed_dim,).

    Attributes:
        spec: of the front end.
        window_samples: of the sound.
        scale, shift: float32 (n_mels,), of the decibels.
        stem, blocks: of the trunk.
        last: the 1x1 convolution before the pooling, with a stride; None without one.
        pooling: "mean", "mean_max" or "mels".
        head: one dense layer; or the two of a projection, and a third where it is mapped.
        layer_norm: weights, biases and epsilon of a projection's normalisation.
        activation: of the hidden maps.
    """

    spec: FrontendSpec
    window_samples: int
    scale: np.ndarray
    shift: np.ndarray
    stem: Stem
    blocks: tuple[Block, ...]
    last: Conv | None
    last_stride: int
    pooling: str
    head: tuple[Conv, ...]
    layer_norm: tuple[np.ndarray, np.ndarray, float] | None
    activation: str

    @property
    def frames(self) -> int:
        """Of the image."""
        return self.spec.n_frames(self.window_samples)

    @property
    def map_size(self) -> tuple[int, int, int]:
        """Rows, columns and channels of the last block's map."""
        block = self.blocks[-1]
        return block.out_height, block.out_width, block.project.out

    @property
    def pool_size(self) -> tuple[int, int, int]:
        """The same of the map that is pooled."""
        height, width, channels = self.map_size
        step = self.last_stride
        return (height - 1) // step + 1, (width - 1) // step + 1, self.last.out if self.last else channels

    @property
    def pooled(self) -> int:
        """Numbers that the head reads."""
        _, width, channels = self.pool_size
        return channels * width if self.pooling == "mels" else channels

    @property
    def embed_dim(self) -> int:
        """Of the embedding."""
        return self.head[-1].out


def network_of(student: Student) -> Network:
    """A student's layers.

    Raises:
        TinyclapError: a part that C does not have.
    """
    config, trunk = student.config, student.trunk
    if type(config.frontend) is not FrontendSpec:
        kind = type(config.frontend).__name__
        raise TinyclapError(f"a front end of the kind {kind} is not written in C yet, nor described in a .tflite")
    scale, shift = _norm(student.norm)
    activation = str(config.phinet.activation)
    if activation not in ACTIVATIONS:
        raise TinyclapError(f"the activation {activation} is not written in C yet, nor in a .tflite")
    frames = config.frontend.n_frames(config.window_samples)
    height, width = stem_size(config.phinet, frames, config.frontend.n_mels)
    blocks = []
    for shape, module in zip(block_shapes(config.phinet), trunk.blocks, strict=True):
        blocks.append(_block(shape, module, activation, height, width))
        height, width = blocks[-1].out_height, blocks[-1].out_width
    return Network(
        spec=config.frontend,
        window_samples=config.window_samples,
        scale=scale.numpy(),
        shift=shift.numpy(),
        stem=_stem(student, activation),
        blocks=tuple(blocks),
        last=_last(student.last_conv, activation),
        last_stride=2 if config.phinet.compatibility and config.features else 1,
        pooling=config.pooling,
        head=_head(student.head),
        layer_norm=_layer_norm(student.head),
        activation=activation,
    )


def _norm(norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """What a normalisation multiplies by and adds."""
    mean, variance = cast(torch.Tensor, norm.running_mean), cast(torch.Tensor, norm.running_var)
    scale = norm.weight.detach().double() / (variance.double() + norm.eps).sqrt()
    return scale.float(), (norm.bias.detach().double() - mean.double() * scale).float()


def _folded(conv: nn.Module, norm: nn.Module | None, activation: str = LINEAR) -> Conv:
    weights = cast(torch.Tensor, conv.weight).detach()
    bias = conv.bias.detach() if isinstance(conv.bias, torch.Tensor) else torch.zeros(len(weights))
    if norm is not None:
        scale, shift = _norm(cast(nn.BatchNorm2d, norm))
        weights, bias = weights * scale.reshape(-1, *(1,) * (weights.ndim - 1)), bias * scale + shift
    if weights.ndim == 4:  # (out, in, height, width), of which one or the other is 1
        weights = weights[:, 0] if weights.shape[1] == 1 and weights.shape[2:] != (1, 1) else weights[:, :, 0, 0]
    return Conv(weights.contiguous().numpy(), bias.numpy(), activation)


def _stem(student: Student, activation: str) -> Stem:
    stem, config = student.trunk.stem, student.config.phinet
    if not config.compatibility:
        conv = stem.conv
        top, left = cast(tuple[int, int], conv.padding)
        return Stem(_folded(conv, stem.norm, activation), config.stem_stride, top, left)
    depthwise, pointwise = stem.depthwise, stem.pointwise
    scale, shift = _norm(stem.norm)
    factors = pointwise.weight.detach()[:, 0] * scale[:, None, None]  # one filter, and so many multiples of it
    weights = depthwise.weight.detach()[0] * factors
    return Stem(Conv(weights.numpy(), shift.numpy(), activation), config.stem_stride, 0, 0)


def _block(shape: BlockShape, module: nn.Module, activation: str, height: int, width: int) -> Block:
    squeeze = excite = None
    if shape.squeeze_channels:
        gates = cast(nn.Module, module.squeeze_excite)
        squeeze = _folded(cast(nn.Module, gates.squeeze), None, activation)
        excite = _folded(cast(nn.Module, gates.excite), None)
    return Block(
        shape,
        height,
        width,
        _named(module, "expand", activation) if shape.expands else None,
        _named(module, "depthwise", activation),
        squeeze,
        excite,
        _named(module, "project", LINEAR),
    )


def _named(module: nn.Module, name: str, activation: str) -> Conv:
    return _folded(getattr(module, name), getattr(module, f"{name}_norm"), activation)


def _last(module: nn.Module, activation: str) -> Conv | None:
    if isinstance(module, nn.Identity):
        return None
    if isinstance(module, nn.Sequential):
        return _folded(module[0], module[1], activation)
    return _folded(module, None)


def _head(head: nn.Module) -> tuple[Conv, ...]:
    if isinstance(head, LinearHead):
        return (_folded(head, None),)
    if isinstance(head, MappedProjection):
        return (*_head(head.projection), _folded(head.map, None))
    if isinstance(head, Projection):
        return _folded(head.linear1, None), _folded(head.linear2, None)
    raise TinyclapError(f"a head of the kind {type(head).__name__} is not written in C yet, nor in a .tflite")


def _layer_norm(head: nn.Module) -> tuple[np.ndarray, np.ndarray, float] | None:
    projection = head.projection if isinstance(head, MappedProjection) else head
    if not isinstance(projection, Projection):
        return None
    norm = projection.layer_norm
    return norm.weight.detach().numpy(), norm.bias.detach().numpy(), norm.eps
