"""A network's layers as operators of TensorFlow Lite Micro, all in int8; the image in int8 or int16."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tinyclap.exporters.c.calibrate import Calibration
from tinyclap.exporters.c.fixed_point import HIGHEST, LOWEST, Affine, rounded
from tinyclap.exporters.c.in_int8 import IMAGE_STEPS, LARGEST_SUM
from tinyclap.exporters.c.layers import Block, Conv, Network
from tinyclap.exporters.tflite.graph import Graph, Tensor
from tinyclap.exporters.tflite.head import add_head
from tinyclap.exporters.tflite.padding import same_kernel

SAME, VALID = 0, 1  # of the schema
FUSED = {"relu": 1, "relu6": 3}
DECIBELS = Affine(1 / IMAGE_STEPS, 0)
"""Of an int16 input: from -512 to 512 dB."""

Image = Literal["int8", "int16"]


@dataclass
class NetworkWriter:
    """Writes a network's operators into a graph, layer by layer; up to the first convolution in int8 or int16."""

    network: Network
    calibration: Calibration
    image: Image = "int8"
    graph: Graph = field(default_factory=Graph)

    def write(self) -> tuple[Tensor, Tensor]:
        """All operators; the input (1, frames, n_mels, 1) in decibels and the embedding float32 (1, embed_dim)."""
        network = self.network
        decibels = DECIBELS if self.image == "int16" else self._stored("logmel")
        source = self.graph.map("logmel", (1, network.frames, network.spec.n_mels, 1), self.image, decibels)
        current = self._stem(self._image(source))
        for number, block in enumerate(network.blocks):
            current = self._block(f"block{number}", block, current)
        if network.last is not None:
            step = network.last_stride
            current = self._pointwise("last", network.last, current, (step, step))
        return source, add_head(self.graph, network, self.calibration, self._pooled(current))

    def _stored(self, name: str) -> Affine:
        return self.calibration.stored[name]

    def _reshaped(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        sizes = self.graph.constant(f"{x.name}.shape", np.array(shape, np.int32))
        out = self.graph.map(f"{x.name}.reshaped", shape, x.dtype, x.stored)
        return self.graph.add("RESHAPE", (x, sizes), out, newShape=list(shape))

    def _image(self, source: Tensor) -> Tensor:
        """The normalised image: bands as channels have factors of their own in a depthwise layer of one number each."""
        network = self.network
        image = Affine(self.calibration.image_scale, 0) if self.image == "int16" else self._stored("image")
        bands = self._reshaped(source, (1, network.frames, 1, network.spec.n_mels))
        norm = Conv(network.scale[:, None, None], network.shift)
        normed = self.graph.map("image", bands.shape, self.image, image)
        self._convolved("image", norm, bands, normed, depthwise=True)
        return self._reshaped(normed, source.shape)

    def _stem(self, image: Tensor) -> Tensor:
        network, stem = self.network, self.network.stem
        first = network.blocks[0]
        weights, starts = stem.conv.weights, (stem.top, stem.left)
        grown = [
            same_kernel(size, out, kernel, stride, before)
            for size, out, kernel, stride, before in zip(
                image.shape[1:3], (first.height, first.width), weights.shape[1:], stem.stride, starts, strict=True
            )
        ]
        padding = SAME
        if None in grown:
            image, padding = self._padded(image, weights.shape[1:]), VALID
        else:
            weights = np.pad(weights, [(0, 0), *(pair for pair in grown if pair is not None)])
        conv = Conv(weights, stem.conv.bias, stem.conv.activation)
        computed = _computed("stem", self.calibration)
        out = self.graph.map(computed, (1, first.height, first.width, conv.out), "int8", self._stored(computed))
        if self.image == "int8":
            self._convolved("stem", conv, image, out, stem.stride, padding=padding)
        else:
            self._from_int16(conv, image, out, stem.stride, padding)
        return self._activated("stem", conv, out)

    def _from_int16(self, conv: Conv, image: Tensor, out: Tensor, stride: tuple[int, int], padding: int) -> None:
        """The first layer to int16, as these kernels have it, and what int8 keeps of that."""
        assert out.stored is not None
        largest = out.stored.scale * max(HIGHEST - out.stored.zero, out.stored.zero - LOWEST)
        fine = self.graph.map("stem.int16", out.shape, "int16", Affine(largest / 32767, 0))
        self._convolved("stem", conv, image, fine, stride, padding=padding)
        self.graph.add("QUANTIZE", (fine,), out)

    def _padded(self, image: Tensor, kernel: tuple[int, ...]) -> Tensor:
        """The image with its zeros around it, where no kernel of SAME has as many before it."""
        stem, first, pairs = self.network.stem, self.network.blocks[0], [(0, 0)]
        sizes = zip(
            image.shape[1:3], (first.height, first.width), kernel, stem.stride, (stem.top, stem.left), strict=True
        )
        for size, out, length, stride, before in sizes:
            pairs.append((before, max(0, (out - 1) * stride + length - before - size)))
        pairs.append((0, 0))
        shape = [size + sum(pair) for size, pair in zip(image.shape, pairs, strict=True)]
        amounts = self.graph.constant("image.padding", np.array(pairs, np.int32))
        return self.graph.add("PAD", (image, amounts), self.graph.map("image.padded", shape, image.dtype, image.stored))

    def _block(self, name: str, block: Block, entering: Tensor) -> Tensor:
        hidden = entering
        if block.expand is not None:
            hidden = self._pointwise(f"{name}.expand", block.expand, hidden)
        hidden = self._depthwise(f"{name}.depthwise", block, hidden)
        if block.squeeze is not None and block.excite is not None:
            hidden = self._gated(name, block.squeeze, block.excite, hidden)
        out = self._pointwise(f"{name}.project", block.project, hidden)
        if not block.shape.residual:
            return out
        total = self.graph.map(f"{name}.sum", out.shape, "int8", self._stored(f"{name}.sum"))
        return self.graph.add("ADD", (entering, out), total)

    def _depthwise(self, name: str, block: Block, hidden: Tensor) -> Tensor:
        """One zero lies before the map, as in torch; where SAME has fewer, zeros behind the kernel ask for more."""
        out, layer = (block.out_height, block.out_width), block.depthwise
        pairs = [
            same_kernel(size, made, 3, stride, 1)
            for size, made, stride in zip(hidden.shape[1:3], out, block.shape.stride, strict=True)
        ]
        weights = np.pad(layer.weights, [(0, 0), *(pair for pair in pairs if pair is not None)])
        conv = Conv(weights, layer.bias, layer.activation)
        computed = _computed(name, self.calibration)
        made = self.graph.map(computed, (1, *out, conv.out), "int8", self._stored(computed))
        self._convolved(name, conv, hidden, made, block.shape.stride, depthwise=True)
        return self._activated(name, conv, made)

    def _gated(self, name: str, squeeze: Conv, excite: Conv, hidden: Tensor) -> Tensor:
        """Squeeze and excitation."""
        mean = self._mean(f"{name}.mean", hidden, (1, 2), (1, 1, 1, hidden.shape[3]))
        logits = self._pointwise(f"{name}.excite", excite, self._pointwise(f"{name}.squeeze", squeeze, mean))
        gates = self.graph.map(f"{name}.excite", logits.shape, "int8", self._stored(f"{name}.excite"))
        self.graph.add("LOGISTIC", (logits,), gates)
        gated = self.graph.map(f"{name}.gated", hidden.shape, "int8", self._stored(f"{name}.gated"))
        return self.graph.add("MUL", (hidden, gates), gated)

    def _mean(self, name: str, x: Tensor, axes: tuple[int, ...], shape: tuple[int, ...], kind: str = "MEAN") -> Tensor:
        over = self.graph.constant(f"{name}.axes", np.array(axes, np.int32))
        stored = self._stored(name) if kind == "MEAN" else x.stored
        out = self.graph.map(name if kind == "MEAN" else f"{name}.max", shape, "int8", stored)
        return self.graph.add(kind, (x, over), out, keepDims=len(shape) == len(x.shape))

    def _pooled(self, x: Tensor) -> Tensor:
        """(1, numbers that the head reads); of "mels" those of one row of the map after the other's."""
        _, height, width, channels = x.shape
        if self.network.pooling == "mean":
            return self._mean("features", x, (1, 2), (1, channels))
        if self.network.pooling == "mels":
            return self._reshaped(self._mean("features", x, (1,), (1, width, channels)), (1, width * channels))
        over_time = self._mean("over_time", x, (2,), (1, height, channels))
        mean = self._mean("time_mean", over_time, (1,), (1, channels))
        largest = self._mean("over_time", over_time, (1,), (1, channels), "REDUCE_MAX")
        features = self.graph.map("features", mean.shape, "int8", self._stored("features"))
        return self.graph.add("ADD", (mean, largest), features)

    def _pointwise(self, name: str, layer: Conv, x: Tensor, stride: tuple[int, int] = (1, 1)) -> Tensor:
        conv = Conv(layer.weights[:, None, None, :], layer.bias, layer.activation)
        height, width = ((size - 1) // step + 1 for size, step in zip(x.shape[1:3], stride, strict=True))
        computed = _computed(name, self.calibration)
        out = self.graph.map(computed, (1, height, width, conv.out), "int8", self._stored(computed))
        self._convolved(name, conv, x, out, stride)
        return self._activated(name, conv, out)

    def _convolved(
        self,
        name: str,
        layer: Conv,
        x: Tensor,
        out: Tensor,
        stride: tuple[int, int] = (1, 1),
        *,
        depthwise: bool = False,
        padding: int = SAME,
    ) -> None:
        """A convolution with what is added to its bias; weights (out, h, w, in), or (out, h, w) of one channel."""
        assert x.stored is not None
        weights, scales = rounded(layer.weights)
        computed = _computed(name, self.calibration)
        shifted = layer.bias + self.calibration.biases.get(computed, 0.0)
        units = x.stored.scale * scales
        if x.dtype == "int16":
            bias = np.round(shifted / units).astype(np.int64)
        else:
            bias = np.clip(np.round(shifted / units), -LARGEST_SUM, LARGEST_SUM).astype(np.int32)
        if depthwise:
            laid_out, axis = weights.transpose(1, 2, 0)[None], 3
        else:
            laid_out, axis = weights.reshape(*weights.shape[:3], -1), 0
        inputs = (
            x,
            self.graph.constant(f"{name}.weights", np.ascontiguousarray(laid_out), scales, axis),
            self.graph.constant(f"{name}.bias", bias, units),
        )
        options: dict[str, Any] = {"padding": padding, "strideH": stride[0], "strideW": stride[1]}
        options["fusedActivationFunction"] = FUSED.get(layer.activation, 0)
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        self.graph.add(kind, inputs, out, **options | ({"depthMultiplier": 1} if depthwise else {}))

    def _activated(self, name: str, layer: Conv, x: Tensor) -> Tensor:
        """Hard-swish; other activations are part of their convolution."""
        if layer.activation != "hardswish":
            return x
        return self.graph.add("HARD_SWISH", (x,), self.graph.map(name, x.shape, "int8", self._stored(name)))


def _computed(name: str, calibration: Calibration) -> str:
    """What a layer's convolution computes, before an activation of its own operator."""
    return f"{name}.pre" if f"{name}.pre" in calibration.stored else name
