"""A network's maps in torch, in the order in which C computes them: to see their ranges, and to try their rounding."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tinyclap.exporters.c.layers import Block, Conv, Network
from tinyclap.models.heads import pool

EXACT_IN_C = ("logmel", "over_time", "time_mean", "head0", "head1", "head2")
"""Maps that C keeps in integers or floats that do not round; TFLite, whose operators do less at once, stores them."""

Through = Callable[[str, Tensor], Tensor]
"""Is shown every map by its name, and gives what stands for it from there on."""


def embedded(network: Network, logmel: Tensor, through: Through) -> Tensor:
    """Decibels (B, 1, frames, n_mels) to embeddings (B, embed_dim), before their norm.

    What an activation reads is called as its output is, with `.pre` behind it.
    """
    logmel = through("logmel", logmel)
    image = through("image", logmel * torch.from_numpy(network.scale) + torch.from_numpy(network.shift))
    x = _activated("stem", network.stem.conv, _stem(network, image), through)
    for number, block in enumerate(network.blocks):
        x = _block(f"block{number}", block, x, through)
    if network.last is not None:
        step = network.last_stride
        x = _activated("last", network.last, pointwise(network.last, x[:, :, ::step, ::step]), through)
    if network.pooling == "mean_max":
        over_time = through("over_time", x.mean(3, keepdim=True))
        through("time_mean", over_time.mean(2, keepdim=True))
    return _head(network, through("features", pool(x, network.pooling)), through)


def _stem(network: Network, image: Tensor) -> Tensor:
    stem, first = network.stem, network.blocks[0]
    height, width = stem.conv.weights.shape[1:]
    below = max(0, (first.height - 1) * stem.stride[0] + height - stem.top - image.shape[2])
    right = max(0, (first.width - 1) * stem.stride[1] + width - stem.left - image.shape[3])
    padded = F.pad(image, (stem.left, right, stem.top, below))
    weights, bias = torch.from_numpy(stem.conv.weights)[:, None], torch.from_numpy(stem.conv.bias)
    return F.conv2d(padded, weights, bias, stem.stride)[:, :, : first.height, : first.width]


def _block(name: str, block: Block, x: Tensor, through: Through) -> Tensor:
    hidden = x
    if block.expand is not None:
        hidden = _activated(f"{name}.expand", block.expand, pointwise(block.expand, x), through)
    depthwise = block.depthwise
    weights, bias = torch.from_numpy(depthwise.weights)[:, None], torch.from_numpy(depthwise.bias)
    filtered = F.conv2d(hidden, weights, bias, block.shape.stride, padding=1, groups=depthwise.out)
    hidden = _activated(f"{name}.depthwise", depthwise, filtered, through)
    if block.squeeze is not None and block.excite is not None:
        mean = through(f"{name}.mean", hidden.mean((2, 3), keepdim=True))
        squeezed = _activated(f"{name}.squeeze", block.squeeze, pointwise(block.squeeze, mean), through)
        logits = through(f"{name}.excite.pre", pointwise(block.excite, squeezed))
        hidden = through(f"{name}.gated", hidden * through(f"{name}.excite", torch.sigmoid(logits)))
    out = through(f"{name}.project", pointwise(block.project, hidden))
    return through(f"{name}.sum", x + out) if block.shape.residual else out


def _head(network: Network, features: Tensor, through: Through) -> Tensor:
    first = through("head0", _dense(network.head[0], features))
    if network.layer_norm is None:
        return first
    weight, bias, eps = network.layer_norm
    summed = first + through("head1", _dense(network.head[1], through("curved", F.gelu(first))))
    normed = F.layer_norm(summed, summed.shape[-1:], torch.from_numpy(weight), torch.from_numpy(bias), eps)
    if len(network.head) == 2:
        return normed
    return through("head2", _dense(network.head[2], through("normed", normed)))


def _activated(name: str, layer: Conv, pre: Tensor, through: Through) -> Tensor:
    functions = {"hardswish": F.hardswish, "relu6": F.relu6, "relu": F.relu}
    pre = through(f"{name}.pre", pre)
    return through(name, functions[layer.activation](pre) if layer.activation in functions else pre)


def pointwise(layer: Conv, x: Tensor) -> Tensor:
    """A 1x1 convolution, without its activation."""
    return F.conv2d(x, torch.from_numpy(layer.weights)[:, :, None, None], torch.from_numpy(layer.bias))


def _dense(layer: Conv, x: Tensor) -> Tensor:
    return F.linear(x, torch.from_numpy(layer.weights), torch.from_numpy(layer.bias))


def unrounded(name: str, x: Tensor) -> Tensor:
    """Every map as it is."""
    return x


def layers_by_name(network: Network) -> dict[str, Conv]:
    """The convolutions by the name of what they compute, before an activation."""
    named = {"stem.pre": network.stem.conv}
    for number, block in enumerate(network.blocks):
        for part in ("expand", "depthwise", "squeeze", "excite"):
            layer = getattr(block, part)
            if layer is not None:
                named[f"block{number}.{part}.pre"] = layer
        named[f"block{number}.project"] = block.project
    if network.last is not None:
        named["last.pre"] = network.last
    return named


def corrected_shape(values: np.ndarray) -> Tensor:
    """Numbers of channels (C,), to be added to a map (B, C, h, w)."""
    return torch.from_numpy(values)[None, :, None, None]
