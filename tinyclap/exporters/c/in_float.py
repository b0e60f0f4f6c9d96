"""A network's constants in C, in float32."""

from typing import Any

import numpy as np

from tinyclap.exporters.c.buffers import map_names
from tinyclap.exporters.c.layers import LINEAR, Block, Conv, Network
from tinyclap.exporters.c.text import array, initialiser, struct, structs

PANEL = 8  # as in templates/network_float.c
KINDS = {LINEAR: "LINEAR", "relu": "RELU", "relu6": "RELU6", "hardswish": "HARD_SWISH"}

TYPES = """
typedef float image_t;
typedef float label_t;
typedef struct {
    int in, out, activation;
    const float *weights, *bias;
} dense_t;
typedef struct {
    int height, width, channels, hidden, out_height, out_width, stride_y, stride_x, residual, activation;
    const dense_t *expand, *squeeze, *excite, *project;
    const float *depthwise_weights, *depthwise_bias;
    size_t at_in, at_rows, at_inner, at_sums, at_squeezed, at_project_row, at_out;
} block_t;
#define to_image(db) (db)
"""


def float_network(network: Network, places: dict[str, int]) -> str:
    """The layers of a network, whose buffers lie at `places`."""
    parts = [array("norm_scale", network.scale), array("norm_shift", network.shift)]
    stem = network.stem.conv
    parts.append(dense("stem", Conv(stem.weights.reshape(stem.out, -1), stem.bias, stem.activation)))
    if network.last is not None:
        parts.append(dense("last", network.last))
    blocks = []
    names = map_names(network.blocks)
    for number, block in enumerate(network.blocks):
        text, fields = _block(f"block{number}", block)
        parts.append(text)
        blocks.append(initialiser(fields | block_places(f"block{number}", places, names, number)))
    parts.append(structs("block_t", "blocks", blocks))
    heads = []
    for number, layer in enumerate(network.head):
        parts += _panels(f"head{number}", layer)
        heads.append(initialiser(_fields(f"head{number}", layer)))
    parts.append(structs("dense_t", "head", heads))
    return "\n".join(parts)


def block_places(name: str, places: dict[str, int], maps: list[str], number: int) -> dict[str, int]:
    """Where a block's buffers lie."""
    own = {f"at_{part}": places.get(f"{name}.{part}", 0) for part in BUFFERS}
    return {"at_in": places[maps[number - 1]] if number else 0, **own, "at_out": places[maps[number]]}


BUFFERS = ("rows", "inner", "sums", "squeezed", "project_row")


def block_shape(block: Block) -> dict[str, Any]:
    """The sizes of a block."""
    shape = block.shape
    return {
        "height": block.height,
        "width": block.width,
        "channels": shape.in_channels,
        "hidden": shape.hidden_channels,
        "out_height": block.out_height,
        "out_width": block.out_width,
        "stride_y": shape.stride[0],
        "stride_x": shape.stride[1],
        "residual": int(shape.residual),
    }


def _block(name: str, block: Block) -> tuple[str, dict[str, Any]]:
    parts, fields = [], block_shape(block) | {"activation": KINDS[block.depthwise.activation]}
    for part in ("expand", "squeeze", "excite", "project"):
        layer = getattr(block, part)
        if layer is not None:
            parts.append(dense(f"{name}_{part}", layer))
            fields[part] = f"&{name}_{part}"
    depthwise = block.depthwise
    parts.append(array(f"{name}_depthwise_weights", depthwise.weights.transpose(1, 2, 0)))
    parts.append(array(f"{name}_depthwise_bias", depthwise.bias))
    fields |= {key: f"{name}_{key}" for key in ("depthwise_weights", "depthwise_bias")}
    return "\n".join(parts), fields


def dense(name: str, layer: Conv) -> str:
    """A pointwise layer."""
    return "\n".join([*_panels(name, layer), struct("dense_t", name, _fields(name, layer))])


def _fields(name: str, layer: Conv) -> dict[str, Any]:
    inputs = layer.weights.shape[1]
    return {
        "in": inputs,
        "out": layer.out,
        "activation": KINDS[layer.activation],
        "weights": f"{name}_weights",
        "bias": f"{name}_bias",
    }


def _panels(name: str, layer: Conv) -> list[str]:
    """Weights (out, in) as (panels, in, PANEL), filled up with zeros."""
    short = -layer.out % PANEL
    weights = np.pad(layer.weights, ((0, short), (0, 0))).reshape(-1, PANEL, layer.weights.shape[1])
    return [
        array(f"{name}_weights", weights.transpose(0, 2, 1).astype(np.float32)),
        array(f"{name}_bias", np.pad(layer.bias, (0, short)).astype(np.float32)),
    ]
