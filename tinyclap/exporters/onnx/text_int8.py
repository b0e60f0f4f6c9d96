"""A text graph with its tables and matrices as INT8: four times smaller, computed in float.

Every row of a table that is looked up, and every output of a matrix, has a scale of its own. What is looked up is made
float after it was looked up, so that a table takes a quarter of the memory too; or an eighth, with 4 bits a number.
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tinyclap.runtime.graph_weights import in_steps

LEAST = 1000  # numbers in what is rounded
LEAST_WIDTH = 8  # numbers in a row of a table
FOUR_BITS, ZERO, SIXTEEN = 7, 8, 16  # the largest number in four bits, what stands for zero, and their shift

Tensors = dict[str, np.ndarray]
Uses = dict[str, list[onnx.NodeProto]]


def rounded(graph: onnx.ModelProto, table_bits: int = 8) -> onnx.ModelProto:
    """The graph with its matrices rounded; others, and what is computed, stay float.

    Args:
        graph: of floats.
        table_bits: 8 or 4, of a number in a table that is looked up.
    """
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    uses: dict[str, list[onnx.NodeProto]] = {}
    for node in made.graph.node:
        for name in node.input:
            uses.setdefault(name, []).append(node)
    nodes = []
    for node in made.graph.node:
        if _is_lookup(node, tensors, uses):
            table = tensors[node.input[0]]
            look_up = _lookup if table_bits == 8 or table.shape[1] % 2 else _lookup_in_4_bits
            nodes.extend(look_up(made, node, table))
            continue
        axis = _matrix_axis(node, tensors, uses)
        if axis is not None:
            nodes.append(_matrix(made, node, tensors[node.input[1]], axis))
        nodes.append(node)
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    used = {name for node in made.graph.node for name in node.input}
    kept = [tensor for tensor in made.graph.initializer if tensor.name in used]
    del made.graph.initializer[:]
    made.graph.initializer.extend(kept)
    return made


def _large(name: str, tensors: Tensors, uses: Uses) -> bool:
    array = tensors.get(name)
    return (
        array is not None
        and array.ndim == 2
        and array.dtype == np.float32
        and array.size >= LEAST
        and len(uses[name]) == 1
    )


def _is_lookup(node: onnx.NodeProto, tensors: Tensors, uses: Uses) -> bool:
    if node.op_type != "Gather" or not _large(node.input[0], tensors, uses):
        return False
    return tensors[node.input[0]].shape[1] >= LEAST_WIDTH and not any(entry.i for entry in node.attribute)


def _matrix_axis(node: onnx.NodeProto, tensors: Tensors, uses: Uses) -> int | None:
    """The axis of a matrix's outputs; None for a node that is no product with a matrix of the graph's own."""
    if node.op_type not in ("MatMul", "Gemm") or not _large(node.input[1], tensors, uses):
        return None
    transposed = any(entry.name == "transB" and entry.i for entry in node.attribute)
    return 0 if transposed else 1


def _scaled(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """An array (rows, columns) as int8, and the scale of each row (axis 0) or column (axis 1)."""
    if axis == 0:
        return in_steps(array)
    values, scale = in_steps(array.T)
    return np.ascontiguousarray(values.T), scale


def _lookup(made: onnx.ModelProto, node: onnx.NodeProto, table: np.ndarray) -> list[onnx.NodeProto]:
    name, indices, output = node.input[0], node.input[1], node.output[0]
    values, scale = _scaled(table, 0)
    made.graph.initializer.append(numpy_helper.from_array(values, f"{name}.int8"))
    made.graph.initializer.append(numpy_helper.from_array(scale[:, None], f"{name}.scale"))
    return [
        helper.make_node("Gather", [f"{name}.int8", indices], [f"{output}.int8"], axis=0),
        helper.make_node("Cast", [f"{output}.int8"], [f"{output}.unscaled"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{name}.scale", indices], [f"{output}.scale"], axis=0),
        helper.make_node("Mul", [f"{output}.unscaled", f"{output}.scale"], [output]),
    ]


def _lookup_in_4_bits(made: onnx.ModelProto, node: onnx.NodeProto, table: np.ndarray) -> list[onnx.NodeProto]:
    """As `_lookup`: a byte holds a number of the row's first half (its upper four bits) and one of its second half.

    They are taken apart by plain arithmetic, which every opset and every runtime has.
    """
    name, indices, output = node.input[0], node.input[1], node.output[0]
    values, scale = in_steps(table, FOUR_BITS)
    positive, half = (values + ZERO).astype(np.uint8), table.shape[1] // 2
    packed = (positive[:, :half] << 4) + positive[:, half:]
    constants = {"int4": packed, "scale": scale[:, None], "sixteen": np.float32(SIXTEEN), "zero": np.float32(ZERO)}
    for what, array in constants.items():
        made.graph.initializer.append(numpy_helper.from_array(np.asarray(array), f"{name}.{what}"))

    def step(kind: str, inputs: list[str], result: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(kind, inputs, [result], **attributes)

    return [
        step("Gather", [f"{name}.int4", indices], f"{output}.int4", axis=0),
        step("Cast", [f"{output}.int4"], f"{output}.bytes", to=TensorProto.FLOAT),
        step("Div", [f"{output}.bytes", f"{name}.sixteen"], f"{output}.shifted"),
        step("Floor", [f"{output}.shifted"], f"{output}.upper"),
        step("Mul", [f"{output}.upper", f"{name}.sixteen"], f"{output}.above"),
        step("Sub", [f"{output}.bytes", f"{output}.above"], f"{output}.lower"),
        step("Concat", [f"{output}.upper", f"{output}.lower"], f"{output}.whole", axis=-1),
        step("Sub", [f"{output}.whole", f"{name}.zero"], f"{output}.unscaled"),
        step("Gather", [f"{name}.scale", indices], f"{output}.scale", axis=0),
        step("Mul", [f"{output}.unscaled", f"{output}.scale"], output),
    ]


def _matrix(made: onnx.ModelProto, node: onnx.NodeProto, matrix: np.ndarray, axis: int) -> onnx.NodeProto:
    name = node.input[1]
    values, scale = _scaled(matrix, axis)
    made.graph.initializer.append(numpy_helper.from_array(values, f"{name}.int8"))
    made.graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
    node.input[1] = f"{name}.float"
    return helper.make_node("DequantizeLinear", [f"{name}.int8", f"{name}.scale"], [f"{name}.float"], axis=axis)
