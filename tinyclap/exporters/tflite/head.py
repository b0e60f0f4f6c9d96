"""The head of a network: dense layers in integers, and what is between and after them in float."""

import math

import numpy as np

from tinyclap.exporters.c.calibrate import Calibration
from tinyclap.exporters.c.fixed_point import SMALLEST_RANGE, Affine, rounded
from tinyclap.exporters.c.layers import Conv, Network
from tinyclap.exporters.tflite.graph import Graph, Tensor

MARGIN = 2.0  # of what calibration clips reach


def add_head(graph: Graph, network: Network, calibration: Calibration, features: Tensor) -> Tensor:
    """From int8 (1, features) to the unit embedding float32 (1, embed_dim)."""
    return _Head(graph, network, calibration).write(features)


class _Head:
    def __init__(self, graph: Graph, network: Network, calibration: Calibration) -> None:
        self.graph, self.network, self.calibration = graph, network, calibration

    def write(self, features: Tensor) -> Tensor:
        first = self._dense("head0", self._first(), features)
        out = first if self.network.layer_norm is None else self._projection(first)
        unit = self.graph.map("embedding", out.shape, "float32")
        return self.graph.add("L2_NORMALIZATION", (out,), unit)

    def _first(self) -> Conv:
        """The first layer; of mel rows its inputs come row by row, not channel by channel as in torch."""
        layer = self.network.head[0]
        if self.network.pooling != "mels":
            return layer
        _, width, channels = self.network.pool_size
        weights = layer.weights.reshape(layer.out, channels, width).transpose(0, 2, 1).reshape(layer.out, -1)
        return Conv(np.ascontiguousarray(weights), layer.bias)

    def _projection(self, first: Tensor) -> Tensor:
        """GELU, the second layer added, LayerNorm, and the third layer of a mapped projection."""
        head = self.network.head
        second = self._dense("head1", head[1], self._quantized("curved", self._gelu(first)))
        normed = self._layer_norm(self._both("ADD", "summed", first, second))
        return normed if len(head) == 2 else self._dense("head2", head[2], self._quantized("normed", normed))

    def _dense(self, name: str, layer: Conv, x: Tensor) -> Tensor:
        """int8 to float32, by an int16 layer.

        Before their norm, embeddings of quiet and of loud, common and odd clips differ in length by a factor of 20, so
        256 steps for all leave few to the short ones (a student of ESC-50 lost .005 of its mean cosine to float).
        """
        assert x.stored is not None
        symmetric = Affine(x.stored.scale, 0)
        fine = self.graph.add("QUANTIZE", (x,), self.graph.map(f"{x.name}.int16", x.shape, "int16", symmetric))
        weights, scales = rounded(layer.weights)
        units = symmetric.scale * scales
        inputs = (
            fine,
            self.graph.constant(f"{name}.weights", weights, scales),
            self.graph.constant(f"{name}.bias", np.round(layer.bias / units).astype(np.int64), units),
        )
        reached = max(self.calibration.largest[name] * MARGIN, SMALLEST_RANGE)
        made = self.graph.map(f"{name}.int16", (1, layer.out), "int16", Affine(reached / 32767, 0))
        self.graph.add("FULLY_CONNECTED", inputs, made)
        return self.graph.add("DEQUANTIZE", (made,), self.graph.map(name, made.shape, "float32"))

    def _quantized(self, name: str, x: Tensor) -> Tensor:
        return self.graph.add("QUANTIZE", (x,), self.graph.map(name, x.shape, "int8", self.calibration.stored[name]))

    def _gelu(self, x: Tensor) -> Tensor:
        """By tanh: TensorFlow Lite Micro has no error function; within 0.0005 (Hendrycks and Gimpel, 1606.08415)."""
        cubed = self._both("MUL", "gelu.cubed", x, self._both("MUL", "gelu.squared", x, x))
        inner = self._both("ADD", "gelu.inner", x, self._times("gelu.small", cubed, 0.044715))
        scaled = self._times("gelu.scaled", inner, math.sqrt(2 / math.pi))
        tanh = self.graph.add("TANH", (scaled,), self.graph.map("gelu.tanh", x.shape, "float32"))
        one = self._both("ADD", "gelu.one", tanh, self._number("gelu.ones", 1.0))
        return self._both("MUL", "gelu", one, self._times("gelu.half", x, 0.5))

    def _layer_norm(self, x: Tensor) -> Tensor:
        assert self.network.layer_norm is not None
        weight, bias, eps = self.network.layer_norm
        centred = self._both("SUB", "norm.centred", x, self._mean("norm.mean", x))
        variance = self._mean("norm.variance", self._both("MUL", "norm.squared", centred, centred))
        lifted = self._both("ADD", "norm.lifted", variance, self._number("norm.eps", eps))
        inverse = self.graph.add("RSQRT", (lifted,), self.graph.map("norm.inverse", lifted.shape, "float32"))
        normed = self._both("MUL", "norm.normed", centred, inverse)
        scaled = self._both("MUL", "norm.scaled", normed, self.graph.constant("norm.weight", weight[None]))
        return self._both("ADD", "norm", scaled, self.graph.constant("norm.bias", bias[None]))

    def _mean(self, name: str, x: Tensor) -> Tensor:
        axes = self.graph.constant(f"{name}.axes", np.array([1], np.int32))
        return self.graph.add("MEAN", (x, axes), self.graph.map(name, (1, 1), "float32"), keepDims=True)

    def _both(self, kind: str, name: str, one: Tensor, two: Tensor) -> Tensor:
        return self.graph.add(kind, (one, two), self.graph.map(name, one.shape, "float32"))

    def _times(self, name: str, x: Tensor, factor: float) -> Tensor:
        return self._both("MUL", name, x, self._number(f"{name}.factor", factor))

    def _number(self, name: str, value: float) -> Tensor:
        return self.graph.constant(name, np.array([[value]], np.float32))
