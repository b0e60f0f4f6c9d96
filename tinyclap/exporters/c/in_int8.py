"""A network's constants in C, in INT8."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyclap.exporters.c.buffers import map_names
from tinyclap.exporters.c.calibrate import Calibration
from tinyclap.exporters.c.fixed_point import Affine, hard_swish, multiplier, rounded, sigmoid, table
from tinyclap.exporters.c.in_float import block_places, block_shape
from tinyclap.exporters.c.layers import Block, Conv, Network
from tinyclap.exporters.c.text import array, defines, initialiser, real, struct, structs

IMAGE_STEPS = 64  # of a decibel, in the int16 of the image
LARGEST_SUM = 2**30 - 2**28  # of a bias, so that a sum can be doubled
ADD_SHIFT = 20  # of both terms of a sum, as in TensorFlow Lite


@dataclass
class Int8Writer:
    """Writes a network's layers, with how its maps are stored and the places of its buffers."""

    network: Network
    calibration: Calibration
    places: dict[str, int]
    shifts: list[int] = field(default_factory=list)
    """Of all rescaling that ends a layer's sums."""

    def constants(self) -> str:
        """All constants of the network."""
        network = self.network
        image = self.calibration.image_scale
        parts = [self._image(image)]
        stem = network.stem.conv
        flat = Conv(stem.weights.reshape(stem.out, -1), stem.bias, stem.activation)
        text, current = self._layer("stem", flat, image, "stem")
        parts.append(text)
        blocks, names = [], map_names(network.blocks)
        for number, block in enumerate(network.blocks):
            text, fields, current = self._block(f"block{number}", block, current)
            parts.append(text)
            blocks.append(initialiser(fields | block_places(f"block{number}", self.places, names, number)))
        parts.append(structs("block_t", "blocks", blocks))
        if network.last is not None:
            text, current = self._layer("last", network.last, current.scale, "last", zero=current.zero)
            parts.append(text)
        parts += [self._pool(current), self._heads()]
        parts.append(defines({"ALL_SHIFT_RIGHT": int(max(self.shifts) < 0)}))
        return "\n".join(parts)

    def _image(self, scale: float) -> str:
        """The normalisation of the image's bands: int16 decibels to int16."""
        factors = self.network.scale.astype(np.float64) / (IMAGE_STEPS * scale)
        least = round(IMAGE_STEPS * 10 * math.log10(self.network.spec.amin))
        offsets = np.round(self.network.shift.astype(np.float64) / scale)
        return "\n".join(
            [
                defines({"IMAGE_STEPS": IMAGE_STEPS, "LEAST_IMAGE": f"({least})"}),
                array("norm_multiplier", np.round(factors * 2**16).astype(np.int32)),
                array("norm_offset", offsets.astype(np.int32)),
            ]
        )

    def _layer(
        self, name: str, layer: Conv, scale: float, observed: str, *, zero: int = 0, depthwise: bool = False
    ) -> tuple[str, Affine]:
        """A convolution whose input has this scale and zero point, as C, and how its output is stored."""
        stored = self.calibration.stored
        computed = f"{observed}.pre" if f"{observed}.pre" in stored else observed
        read, written, activation = stored[computed], stored[observed], None
        if layer.activation == "hardswish":
            activation = table(hard_swish, read, written)
        elif observed.endswith(".excite"):
            activation = table(sigmoid, read, written)
        weights, scales = rounded(layer.weights)
        pairs = [multiplier(scale * one / read.scale) for one in scales.tolist()]
        shifted = layer.bias + self.calibration.biases[computed]
        self.shifts += [shift for _, shift in pairs]
        bias = np.round(shifted / (scale * scales)) - zero * weights.reshape(layer.out, -1).sum(axis=1, dtype=int)
        laid_out = weights.transpose(1, 2, 0) if depthwise else weights
        arrays = {
            "weights": np.ascontiguousarray(laid_out),
            "bias": np.clip(bias, -LARGEST_SUM, LARGEST_SUM).astype(np.int32),
            "multiplier": np.array([value for value, _ in pairs], np.int32),
        }
        parts = [array(f"{name}_{key}", values) for key, values in arrays.items()]
        parts.append(array(f"{name}_shift", np.array([shift for _, shift in pairs], np.int8), "shift_t"))
        fields: dict[str, Any] = {"in": weights[0].size, "out": layer.out}
        fields |= {key: f"{name}_{key}" for key in (*arrays, "shift")}
        if activation is not None:
            parts.append(array(f"{name}_table", activation))
            fields["table"] = f"{name}_table"
        fields["zero"] = read.zero
        parts.append(struct("dense_t", name, fields))
        return "\n".join(parts), written

    def _block(self, name: str, block: Block, entering: Affine) -> tuple[str, dict[str, Any], Affine]:
        parts, fields, current = [], block_shape(block), entering
        if block.expand is not None:
            text, current = self._layer(
                f"{name}_expand", block.expand, entering.scale, f"{name}.expand", zero=entering.zero
            )
            parts.append(text)
            fields["expand"] = f"&{name}_expand"
        fields["hidden_zero"] = current.zero
        text, current = self._layer(
            f"{name}_depthwise", block.depthwise, current.scale, f"{name}.depthwise", zero=current.zero, depthwise=True
        )
        parts.append(text)
        fields["depthwise"] = f"&{name}_depthwise"
        if block.squeeze is not None and block.excite is not None:
            text, more, current = self._gates(name, block, current)
            parts.append(text)
            fields |= more
        text, out = self._layer(f"{name}_project", block.project, current.scale, f"{name}.project", zero=current.zero)
        parts.append(text)
        fields["project"] = f"&{name}_project"
        if not block.shape.residual:
            return "\n".join(parts), fields, out
        total = self.calibration.stored[f"{name}.sum"]
        kept = entering  # of a block without expansion the stem's map, which is stored as its input is
        return "\n".join(parts), fields | {"add": _sum(kept, out, total)}, total

    def _gates(self, name: str, block: Block, current: Affine) -> tuple[str, dict[str, Any], Affine]:
        """Squeeze and excitation of a map."""
        assert block.squeeze is not None
        assert block.excite is not None
        mean = self.calibration.stored[f"{name}.mean"]
        squeeze, middle = self._layer(f"{name}_squeeze", block.squeeze, mean.scale, f"{name}.squeeze", zero=mean.zero)
        excite, gates = self._layer(f"{name}_excite", block.excite, middle.scale, f"{name}.excite", zero=middle.zero)
        positions = block.out_height * block.out_width
        gated = self.calibration.stored[f"{name}.gated"]
        self.shifts.append(multiplier(current.scale * gates.scale / gated.scale)[1])
        fields = {
            "squeeze": f"&{name}_squeeze",
            "excite": f"&{name}_excite",
            "mean": _scaling(current.scale / (positions * mean.scale), positions * current.zero, mean.zero),
            "gate": _scaling(current.scale * gates.scale / gated.scale, current.zero, gated.zero),
        }
        return f"{squeeze}\n{excite}", fields, gated

    def _pool(self, current: Affine) -> str:
        network = self.network
        height, width, _ = network.pool_size
        counted = {"mean": height * width, "mean_max": height * width, "mels": height}[network.pooling]
        sums = 2 if network.pooling == "mean_max" else 1  # of a mean and of a maximum
        features = self.calibration.stored["features"]
        fields = _scaling(current.scale / (counted * features.scale), sums * counted * current.zero, features.zero)
        return f"static const scaling_t pooled_scaling = {fields};\n"

    def _heads(self) -> str:
        parts, heads, inputs = [], [], ("features", "curved", "normed")
        for number, layer in enumerate(self.network.head):
            name, read = f"head{number}", self.calibration.stored[inputs[number]]
            weights, scales = rounded(layer.weights)
            bias = np.round(layer.bias / (read.scale * scales)) - read.zero * weights.sum(axis=1, dtype=int)
            parts += [
                array(f"{name}_weights", weights),
                array(f"{name}_bias", bias.astype(np.int32)),
                array(f"{name}_scales", (read.scale * scales).astype(np.float32)),
            ]
            fields: dict[str, Any] = {key: f"{name}_{key}" for key in ("weights", "bias", "scales")}
            fields |= {"in": layer.weights.shape[1], "out": layer.out}
            heads.append(initialiser(fields | {"in_scale": real(read.scale), "in_zero": read.zero}))
        return "\n".join([*parts, structs("head_t", "head", heads)])


def _scaling(factor: float, subtracted: int, zero: int) -> str:
    value, shift = multiplier(factor)
    return initialiser({"multiplier": value, "shift": shift, "subtracted": subtracted, "zero": zero})


def _sum(first: Affine, second: Affine, total: Affine) -> str:
    """TensorFlow Lite's addition: both terms to twice the larger scale, shifted left, and their sum to its own."""
    twice = 2 * max(first.scale, second.scale)
    return initialiser(
        {
            "first": _scaling(first.scale / twice, first.zero, 0),
            "second": _scaling(second.scale / twice, second.zero, 0),
            "sum": _scaling(twice / (2**ADD_SHIFT * total.scale), 0, total.zero),
        }
    )
