"""From torch modules to ONNX graphs: traced, simplified, joined, and free of what the exporter leaves in them."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import onnx
import onnx.compose
import torch
from onnxscript import optimizer
from torch import Tensor, nn

from tinyclap.common.files import write_bytes
from tinyclap.runtime.bundle_contents import METADATA_KEY
from tinyclap.version import __version__

OPSET = 20
LARGEST_FOLDED = 4096  # elements of a constant that is computed now; larger ones when a graph is loaded

Axes = Mapping[str, Mapping[int, str]]


def to_onnx(module: nn.Module, example: Mapping[str, Tensor], output: str, axes: Axes) -> onnx.ModelProto:
    """Trace a module in evaluation mode.

    Convolutions come with their batch normalisation folded in, and nothing tells where on which machine it was traced.

    Args:
        module: its forward takes the inputs in order and returns one tensor.
        example: inputs by name; along dynamic axes larger than 1.
        output: name of the result.
        axes: names of the dynamic axes, by input and axis number; none give a graph of fixed shape.
    """
    program = _traced(module, example, output, axes)
    model = optimizer.optimize(program.model_proto, output_size_limit=LARGEST_FOLDED)
    assert model.opset_import[0].version == OPSET
    _name_axes(model, axes)
    onnx.checker.check_model(model, full_check=True)
    return cleaned(model)


def to_onnx_beside(
    module: nn.Module, example: Mapping[str, Tensor], output: str, axes: Axes, path: Path
) -> onnx.ModelProto:
    """Trace a module as `to_onnx` does, whose weights are more than one file may hold: they go into a second one.

    Args:
        path: of the graph, which is written there too; its weights go to `weights_beside(path)`.

    Returns:
        The graph, which reads its weights from a file of that name in its own folder.
    """
    program = _traced(module, example, output, axes)
    optimizer.optimize(program.model, output_size_limit=LARGEST_FOLDED)
    program.save(path, external_data=True)
    assert weights_beside(path).is_file()
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(path, load_external_data=False)
    assert model.opset_import[0].version == OPSET
    _name_axes(model, axes)
    return cleaned(model)


def weights_beside(path: Path) -> Path:
    """Where the weights of a graph lie that are not in its own file."""
    return path.with_name(f"{path.name}.data")


def _traced(module: nn.Module, example: Mapping[str, Tensor], output: str, axes: Axes) -> torch.onnx.ONNXProgram:
    dynamic = torch.export.Dim.DYNAMIC
    shapes = tuple(dict.fromkeys(axes.get(name, {}), dynamic) for name in example)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module.eval(),
            tuple(example.values()),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=shapes if any(shapes) else None,
            input_names=list(example),
            output_names=[output],
            external_data=False,
            optimize=False,
            verbose=False,
        )
    assert program is not None
    return program


def join(first: onnx.ModelProto, second: onnx.ModelProto) -> onnx.ModelProto:
    """One graph that feeds the output of `first` to the input of `second`."""
    inner = onnx.compose.add_prefix(first, "frontend/", rename_inputs=False, rename_outputs=False)
    link = (first.graph.output[0].name, second.graph.input[0].name)
    return cleaned(onnx.compose.merge_models(inner, second, io_map=[link]))


def save(model: onnx.ModelProto, path: Path, metadata: str | None = None) -> None:
    """Write a graph as one file, with `metadata` under the key METADATA_KEY."""
    if metadata is not None:
        onnx.helper.set_model_props(model, {METADATA_KEY: metadata})
    write_bytes(path, model.SerializeToString())


def operators(model: onnx.ModelProto) -> list[str]:
    """The distinct operators of a graph, sorted."""
    return sorted({node.op_type for node in model.graph.node})


def _name_axes(model: onnx.ModelProto, axes: Axes) -> None:
    """Call the dynamic axes by their names, wherever the exporter's symbols stand."""
    names: dict[str, str] = {}
    for value in model.graph.input:
        for axis, name in axes.get(value.name, {}).items():
            names[value.type.tensor_type.shape.dim[axis].dim_param] = name
    for value in (*model.graph.input, *model.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = names.get(dim.dim_param, dim.dim_param)


def cleaned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without stack traces, module names and intermediate shapes, one entry a domain, and tinyclap as the producer."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in versions.items())
    del model.graph.value_info[:]
    del model.metadata_props[:]
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.name, model.doc_string = "tinyclap", ""
    model.producer_name, model.producer_version = "tinyclap", __version__
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what every export says: torchvision is not there, and torch.export uses a deprecated class of torch."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".isinstance\(treespec, LeafSpec\).", category=FutureWarning)
            yield
    finally:
        registration.setLevel(level)
