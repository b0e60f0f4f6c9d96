"""A graph in another opset of ONNX, for tool chains that know only older or only newer ones.

Upwards `onnx` converts. Downwards its converter stops at Gelu (20) and at Pad and Split (18), and leaves the Reduce...
of 18 as they are; so what changed is rewritten here, in forms that ONNX Runtime fuses again.
"""

import math
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, defs, helper, numpy_helper, version_converter
from onnxscript import optimizer

from tinyclap.errors import TinyclapError
from tinyclap.exporters.onnx.graph import cleaned, save
from tinyclap.runtime.session import open_any

OLDEST = 15
"""HardSwish came in 14, Shape's start and end in 15: an older graph would be another one."""

Constants = Mapping[str, np.ndarray]
Rewrite = Callable[[onnx.NodeProto, Constants], list[onnx.NodeProto]]


@cache
def newest() -> int:
    """The newest opset in which `onnx` and ONNX Runtime here know the operators of a bundle.

    ONNX Runtime does not say which that is, and takes graphs of opsets whose operators it has not: so it is asked for
    a graph that quantises.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.onnx"
        for version in range(defs.onnx_opset_version(), OLDEST, -1):
            model = helper.make_model(_PROBE, opset_imports=[helper.make_opsetid("", version)])
            model.ir_version = helper.find_min_ir_version_for(model.opset_import)
            save(model, path)
            try:
                open_any(path, providers=None, threads=1)
            except TinyclapError:
                continue
            return version
    return OLDEST


def allowed() -> str:
    """The opsets that an export can be asked for, and by which versions."""
    known = f"what onnx {onnx.__version__} and ONNX Runtime {onnxruntime.__version__} here know"
    return f"a whole number from {OLDEST} to {newest()}, {known}"


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that a graph is written in."""
    return next(int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def at_opset(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    """The same graph in an opset from OLDEST to `newest()`, with the oldest IR version that goes with it.

    Raises:
        TinyclapError: it needs an operator, or a form of one, that this opset has not.
    """
    source = opset_of(model)
    made = onnx.ModelProto()
    made.CopyFrom(model)
    try:
        if source < version:
            made = version_converter.convert_version(made, version)
        elif source > version:
            _lower(made, source, version)
        made = cleaned(made)
        made.ir_version = helper.find_min_ir_version_for(made.opset_import, ignore_unknown=True)
        onnx.checker.check_model(made, full_check=True)
    except (RuntimeError, version_converter.ConvertError, onnx.checker.ValidationError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise TinyclapError(
            f"opset {version}: the graph of opset {source} cannot be written in it ({reason}); choose a newer one"
        ) from error
    return made


def _lower(model: onnx.ModelProto, source: int, target: int) -> None:
    """Rewrite what changed between two opsets; what has no older form stays, for the checker to refuse."""
    nodes, constants = model.graph.node, _constants(model.graph)
    rewritten: list[onnx.NodeProto] = []
    for node in nodes:
        until, rewrite = REWRITES.get(node.op_type, (0, None))
        rewritten.extend(rewrite(node, constants) if rewrite and target < until and not node.domain else [node])
    for node in rewritten:
        _leave_out_defaults(node, source, target)
    del nodes[:]
    nodes.extend(rewritten)
    for entry in model.opset_import:
        if not entry.domain:
            entry.version = target
    optimizer.remove_unused_nodes(model)  # axes that are attributes now


def _leave_out_defaults(node: onnx.NodeProto, source: int, target: int) -> None:
    """Remove attributes that the older form has not, where they say what it does anyway."""
    if node.domain or not defs.has(node.op_type, target, ""):
        return
    new, old = (defs.get_schema(node.op_type, version, "").attributes for version in (source, target))
    for attribute in [each for each in node.attribute if each.name in new and each.name not in old]:
        default = new[attribute.name].default_value
        if default.type and helper.get_attribute_value(default) == helper.get_attribute_value(attribute):
            node.attribute.remove(attribute)


def _constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """Small whole numbers by name: axes."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    return {
        name: numpy_helper.to_array(tensor)
        for name, tensor in tensors.items()
        if tensor.data_type == TensorProto.INT64 and len(tensor.dims) < 2
    }


def _axes_as_attribute(node: onnx.NodeProto, constants: Constants) -> list[onnx.NodeProto]:
    """Reduce... before 18; without axes it is over all of them in both, or not at all (which has no older form)."""
    axes = constants.get(node.input[1]) if len(node.input) > 1 and node.input[1] else None
    if axes is None or not axes.size:
        return [node]
    made = helper.make_node(node.op_type, node.input[:1], node.output, node.name, axes=axes.tolist())
    made.attribute.extend(each for each in node.attribute if each.name == "keepdims")
    return [made]


def _equal_parts(node: onnx.NodeProto, constants: Constants) -> list[onnx.NodeProto]:
    """Split before 18: into as many equal parts as there are outputs; ONNX Runtime refuses what does not divide."""
    made = onnx.NodeProto()
    made.CopyFrom(node)
    del made.attribute[:]
    made.attribute.extend(each for each in node.attribute if each.name != "num_outputs")
    return [made]


def _gelu(node: onnx.NodeProto, constants: Constants) -> list[onnx.NodeProto]:
    """Gelu before 20: x/2 · (1 + erf(x/√2)), or with tanh where the graph approximates."""
    (x,) = node.input
    steps = _Steps(node)
    if any(each.name == "approximate" and each.s == b"tanh" for each in node.attribute):
        cubed = steps("Mul", steps("Mul", steps("Mul", x, x), x), steps.number(0.044715))
        turned = steps("Tanh", steps("Mul", steps("Add", x, cubed), steps.number(math.sqrt(2 / math.pi))))
    else:
        turned = steps("Erf", steps("Div", x, steps.number(math.sqrt(2))))
    return steps.ending("Mul", steps("Mul", x, steps("Add", turned, steps.number(1.0))), steps.number(0.5))


def _layer_normalization(node: onnx.NodeProto, constants: Constants) -> list[onnx.NodeProto]:
    """LayerNormalization before 17, over the last axes and with nothing but its first output."""
    given = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    axis = given.get("axis", -1)
    if axis >= 0 or len(node.output) > 1:
        return [node]
    x, scale, *bias = (name for name in node.input if name)
    steps, axes = _Steps(node), list(range(axis, 0))
    centred = steps("Sub", x, steps("ReduceMean", x, axes=axes))
    variance = steps("ReduceMean", steps("Pow", centred, steps.number(2.0)), axes=axes)
    deviation = steps("Sqrt", steps("Add", variance, steps.number(given.get("epsilon", 1e-5))))
    normed = steps("Div", centred, deviation)
    return steps.ending("Add", steps("Mul", normed, scale), *bias) if bias else steps.ending("Mul", normed, scale)


class _Steps:
    """Nodes that together stand for another one, with names made of its own."""

    def __init__(self, node: onnx.NodeProto) -> None:
        self._name, self._output = node.name or node.output[0], node.output[0]
        self._nodes: list[onnx.NodeProto] = []

    def __call__(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a step; returns the name of what it computes."""
        name = f"{self._name}/{len(self._nodes)}_{operator}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def number(self, value: float) -> str:
        """Add a float32 constant."""
        return self("Constant", value=helper.make_tensor("value", TensorProto.FLOAT, [], [value]))

    def ending(self, operator: str, *inputs: str) -> list[onnx.NodeProto]:
        """All steps, with a last one that computes what the node did."""
        self(operator, *inputs)
        self._nodes[-1].output[:] = [self._output]
        return self._nodes


REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
REWRITES: Mapping[str, tuple[int, Rewrite]] = {
    **{f"Reduce{name}": (18, _axes_as_attribute) for name in REDUCTIONS},
    "Split": (18, _equal_parts),
    "Gelu": (20, _gelu),
    "LayerNormalization": (17, _layer_normalization),
}
"""What is rewritten, and from which opset on it has the form that it has now."""

_PROBE = helper.make_graph(
    [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["rounded", "scale", "zero"], ["y"]),
    ],
    "probe",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    [helper.make_tensor("scale", TensorProto.FLOAT, [], [0.5]), helper.make_tensor("zero", TensorProto.UINT8, [], [1])],
)
