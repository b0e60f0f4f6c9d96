"""A .tflite file from tensors and operators, packed with TensorFlow Lite's own schema as `tflite-micro` ships it."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyclap.common.install import extra_line
from tinyclap.errors import TinyclapError
from tinyclap.exporters.c.fixed_point import Affine

SCHEMA = "tensorflow.lite.micro.python.schema_py_generated"
ALIGNMENT = 16  # of constants, which are read where they lie
OPTIONS = {
    **{"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D", "FULLY_CONNECTED": "FullyConnected"},
    **{"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "MEAN": "Reducer", "REDUCE_MAX": "Reducer", "RESHAPE": "Reshape"},
    **{"PAD": "Pad", "QUANTIZE": "Quantize", "DEQUANTIZE": "Dequantize", "L2_NORMALIZATION": "L2Norm"},
    **{"HARD_SWISH": "HardSwish", "LOGISTIC": "", "TANH": "", "RSQRT": ""},
}
"""Every operator that is used, and what its options are called in the schema."""
VERSIONS = {
    "float32": {"MEAN": 1, "RSQRT": 1},
    "int8": {
        **{"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "ADD": 2, "MUL": 2, "MEAN": 2, "PAD": 2},
        **{"REDUCE_MAX": 2, "LOGISTIC": 2, "DEQUANTIZE": 2, "QUANTIZE": 2},
    },
    "int16": {"CONV_2D": 4, "DEPTHWISE_CONV_2D": 5, "FULLY_CONNECTED": 7, "PAD": 4, "QUANTIZE": 2, "DEQUANTIZE": 3},
}
"""Of operators, where it is not 1, by what they read (tensorflow/lite/tools/versioning/op_version.cc)."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of a graph.

    Attributes:
        index: among the graph's tensors.
        shape: of its numbers.
        dtype: "int8", "int16" or "float32" of a map, and of a constant also "int32" or "int64".
        stored: how real numbers are stored; None of floats, and of constants with a scale for each channel.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    stored: Affine | None = None

    @property
    def size_bytes(self) -> int:
        """Of all its numbers."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Step:
    """An operator of a graph."""

    kind: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    options: dict[str, Any]


@dataclass
class Graph:
    """Tensors and operators, in the order in which they are computed."""

    tensors: list[Tensor] = field(default_factory=list)
    constants: dict[int, np.ndarray] = field(default_factory=dict)
    scales: dict[int, tuple[np.ndarray, int]] = field(default_factory=dict)
    """Of constants by index, float64 (channels,), and the axis of the channels."""
    steps: list[Step] = field(default_factory=list)

    def map(self, name: str, shape: Sequence[int], dtype: str, stored: Affine | None = None) -> Tensor:
        """A new tensor that is computed, or the input."""
        sizes = tuple(int(size) for size in shape)
        self.tensors.append(Tensor(len(self.tensors), name, sizes, dtype, stored))
        return self.tensors[-1]

    def constant(self, name: str, values: np.ndarray, scales: np.ndarray | None = None, axis: int = 0) -> Tensor:
        """A new tensor of known numbers; integers that stand for others have a scale for each channel on an axis."""
        tensor = self.map(name, values.shape, str(values.dtype))
        self.constants[tensor.index] = values
        if scales is not None:
            self.scales[tensor.index] = (scales, axis)
        return tensor

    def add(self, kind: str, inputs: Sequence[Tensor], output: Tensor, **options: Any) -> Tensor:
        """Append an operator, and give what it computes."""
        self.steps.append(Step(kind, tuple(inputs), output, options))
        return output

    def packed(self, source: Tensor, target: Tensor, description: str, metadata: dict[str, bytes]) -> bytes:
        """The file: from `source` to `target`, with named bytes besides."""
        return _Packer(self).packed(source, target, description, metadata)


def tflite_micro(module: str) -> Any:
    """A module of the package.

    Raises:
        TinyclapError: it is not installed.
    """
    try:
        return importlib.import_module(f"tflite_micro.{module}")
    except ModuleNotFoundError as error:
        raise TinyclapError(
            f"--tflite needs the package tflite-micro, which exists for Linux on x86-64: {extra_line('tflite')}"
        ) from error


class _Packer:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.schema = graph, tflite_micro(SCHEMA)
        self.buffers = [self.schema.BufferT()]  # the first is nobody's
        self.codes: dict[tuple[str, int], int] = {}

    def packed(self, source: Tensor, target: Tensor, description: str, metadata: dict[str, bytes]) -> bytes:
        import flatbuffers

        s, builder = self.schema, flatbuffers.Builder(1 << 20)
        subgraph = s.SubGraphT(name="main", inputs=[source.index], outputs=[target.index])
        subgraph.tensors = [self._tensor(tensor) for tensor in self.graph.tensors]
        subgraph.operators = [self._operator(step) for step in self.graph.steps]
        model = s.ModelT(version=3, description=description, subgraphs=[subgraph])
        model.operatorCodes = [self._code(kind, version) for kind, version in self.codes]
        model.metadata = [s.MetadataT(name=name, buffer=self._buffer(data)) for name, data in metadata.items()]
        model.buffers = self.buffers
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _buffer(self, data: bytes) -> int:
        self.buffers.append(_aligned(self.schema, data))
        return len(self.buffers) - 1

    def _tensor(self, tensor: Tensor) -> Any:
        s, index = self.schema, tensor.index
        made = s.TensorT(name=tensor.name, shape=list(tensor.shape), hasRank=True)
        made.type = getattr(s.TensorType, tensor.dtype.upper())
        if index in self.graph.constants:
            made.buffer = self._buffer(np.ascontiguousarray(self.graph.constants[index]).tobytes())
        else:
            made.buffer = self._buffer(b"")
        if tensor.stored is not None:
            made.quantization = s.QuantizationParametersT(scale=[tensor.stored.scale], zeroPoint=[tensor.stored.zero])
        elif index in self.graph.scales:
            scales, axis = self.graph.scales[index]
            zeros = [0] * len(scales)
            made.quantization = s.QuantizationParametersT(
                scale=scales.tolist(), zeroPoint=zeros, quantizedDimension=axis
            )
        return made

    def _operator(self, step: Step) -> Any:
        s, options = self.schema, OPTIONS[step.kind]
        key = step.kind, VERSIONS[step.inputs[0].dtype].get(step.kind, 1)
        made = s.OperatorT(opcodeIndex=self.codes.setdefault(key, len(self.codes)))
        made.inputs, made.outputs = [tensor.index for tensor in step.inputs], [step.output.index]
        if options:
            made.builtinOptionsType = getattr(s.BuiltinOptions, f"{options}Options")
            made.builtinOptions = getattr(s, f"{options}OptionsT")(**step.options)
        return made

    def _code(self, kind: str, version: int) -> Any:
        code = getattr(self.schema.BuiltinOperator, kind)
        return self.schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=min(code, 127), version=version)


def _aligned(schema: Any, data: bytes) -> Any:
    """A buffer whose bytes begin where the schema's force_align asks, which Python's object API leaves out."""

    class Aligned(schema.BufferT):
        def Pack(self, builder: Any) -> int:
            vector = None
            if data:
                builder.Prep(ALIGNMENT, len(data))
                vector = builder.CreateByteVector(data)
            schema.BufferStart(builder)
            if vector is not None:
                schema.BufferAddData(builder, vector)
            return int(schema.BufferEnd(builder))

    return Aligned()
