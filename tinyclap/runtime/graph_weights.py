"""An ONNX graph without its weights, and the weights: put together without the package onnx.

An ONNX file is a protobuf message, and two messages written one after the other are one message in which repeated
fields are joined. So weights are added to a graph by appending them to its file.
"""

from collections.abc import Mapping

import numpy as np

BATCH_NORM_EPS = 1e-3
LEAST_INT8 = 1000
MODEL_GRAPH, GRAPH_INITIALIZER = 7, 5  # field numbers of onnx.proto
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW = 1, 2, 8, 9
TYPES = {np.dtype(np.float32): 1, np.dtype(np.int8): 3, np.dtype(np.int64): 7}
VARINT, BYTES = 0, 2


def with_weights(graph: bytes, weights: Mapping[str, np.ndarray]) -> bytes:
    """A model file with further initializers: float32, int8 or int64 arrays by name."""
    tensors = b"".join(_field(GRAPH_INITIALIZER, _tensor(name, array)) for name, array in weights.items())
    return graph + _field(MODEL_GRAPH, tensors)


def folded(tensors: Mapping[str, np.ndarray], eps: float = BATCH_NORM_EPS) -> dict[str, np.ndarray]:
    """Weights for a graph of convolutions without batch normalisation, float32.

    Where a layer `NAME.0` is followed by a batch normalisation `NAME.1`, the latter is folded into the former's
    weights, `NAME.0.weight`, and a bias, `NAME.0.bias`; all others stay as they are.
    """
    made: dict[str, np.ndarray] = {}
    for name, array in tensors.items():
        norm, owner = name.rpartition(".")[0], name.removesuffix(".0.weight")
        if f"{norm}.running_var" in tensors:
            continue
        if name.endswith(".0.weight") and f"{owner}.1.running_var" in tensors:
            scale = tensors[f"{owner}.1.weight"] / np.sqrt(tensors[f"{owner}.1.running_var"] + np.float32(eps))
            made[name] = _float32(array * scale.reshape(-1, *[1] * (array.ndim - 1)))
            made[f"{owner}.0.bias"] = _float32(tensors[f"{owner}.1.bias"] - tensors[f"{owner}.1.running_mean"] * scale)
        else:
            made[name] = _float32(array)
    return made


def int8_weights(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The matrices and filters among weights as int8, `NAME.int8`, and a scale an output channel, `NAME.scale`.

    Those of fewer than LEAST_INT8 numbers stay as they are: the first layers, where rounding costs most (mn04's mean
    cosine to float is .975 without, .999 with them in float).
    """
    made: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        if not becomes_int8(array):
            made[name] = array
            continue
        made[f"{name}.int8"], made[f"{name}.scale"] = in_steps(array)
    return made


def in_steps(array: np.ndarray, steps: int = 127) -> tuple[np.ndarray, np.ndarray]:
    """An array as whole numbers from -steps to steps, int8, and the float32 size of a step in each row (first axis)."""
    largest = np.abs(array).reshape(len(array), -1).max(axis=1)
    scale = np.where(largest > 0, largest / np.float32(steps), np.float32(1)).astype(np.float32)
    return np.rint(array / scale.reshape(-1, *[1] * (array.ndim - 1))).astype(np.int8), scale


def becomes_int8(array: np.ndarray) -> bool:
    """Whether `int8_weights` rounds an array."""
    return array.ndim > 1 and array.size >= LEAST_INT8


def _float32(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=np.float32)


def _tensor(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(_varint(TENSOR_DIMS << 3 | VARINT) + _varint(size) for size in array.shape)
    kind = _varint(TENSOR_TYPE << 3 | VARINT) + _varint(TYPES[array.dtype])
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return dims + kind + _field(TENSOR_NAME, name.encode()) + _field(TENSOR_RAW, little.tobytes())


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)
