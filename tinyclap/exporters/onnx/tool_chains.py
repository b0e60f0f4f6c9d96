"""What the tool chains of microcontroller makers say that they read: their lists of operators, with source and date."""

from dataclasses import dataclass
from typing import Literal

import onnx

from tinyclap.errors import TinyclapError
from tinyclap.exporters.onnx.graph import operators
from tinyclap.exporters.onnx.opset import opset_of

ToolChainName = Literal["st", "esp"]


@dataclass(frozen=True)
class ToolChain:
    """One of them.

    Attributes:
        title: its name.
        source: of the list, with its version or date.
        newest_opset: of ONNX that the source names.
        operators: by their names in ONNX.
        instead: what to do about operators that are not among them.
        rounds_itself: it takes float graphs alone.
    """

    title: str
    source: str
    newest_opset: int
    operators: frozenset[str]
    instead: str
    rounds_itself: bool = False

    @property
    def lacks_rounding(self) -> list[str]:
        """The operators of INT8 graphs that it does not list."""
        return sorted({"QuantizeLinear", "DequantizeLinear"} - self.operators)


_ST = """
Abs Acos Acosh Add And ArgMax ArgMin ArrayFeatureExtractor Asin Asinh Atan Atanh AveragePool BatchNormalization BitShift
Cast Ceil Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh DepthToSpace DequantizeLinear Div Dropout
Einsum Elu Equal Erf Exp Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool
Greater GreaterOrEqual GRU Hardmax HardSigmoid HardSwish Identity InstanceNormalization LabelEncoder LeakyRelu Less
LessOrEqual LinearClassifier Log LogSoftmax LpNormalization LRN LSTM MatMul Max MaxPool Mean Min Mod Mul Neg Normalizer
Not Or Pad Pow PRelu QLinearAdd QLinearAveragePool QLinearConcat QLinearConv QLinearGlobalAveragePool QLinearMatMul
QLinearMul QuantizeLinear Range Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
ReduceSum ReduceSumSquare Relu Reshape Resize Round Scaler ScatterND Selu Shape Sigmoid Sign Sin Sinh Slice Softmax
Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum SVMClassifier SVMRegressor Tan Tanh ThresholdedRelu Tile TopK
Transpose TreeEnsembleClassifier TreeEnsembleRegressor Unsqueeze Upsample Where Xor ZipMap
"""
_ESP = """
Add AveragePool Clip Concat Conv Div Elu Equal Exp Flatten Gather Gemm GlobalAveragePool Greater GreaterOrEqual
HardSigmoid HardSwish LeakyRelu Less LessOrEqual Log MatMul MaxPool Mul Pad PRelu ReduceL1 ReduceL2 ReduceLogSum
ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence
Sigmoid Slice Softmax Split Sqrt Squeeze Sub Swish Tanh Transpose Unsqueeze
"""
TOOL_CHAINS: dict[str, ToolChain] = {
    "st": ToolChain(
        "ST Edge AI Core",
        "ST Edge AI Core 2.2, ONNX toolbox support, 132 operators of opsets 7 to 20 "
        "(stedgeai-dc.st.com/assets/embedded-docs/supported_ops_onnx.html)",
        20,
        frozenset(_ST.split()),
        "export C instead with `tinyclap export --c OUT --int8`, or train a student with another head",
    ),
    "esp": ToolChain(
        "ESP-PPQ for ESP-DL",
        "ESP-DL, operator_support_state.md, 51 operators, generated on 2025-08-19 "
        "(github.com/espressif/esp-dl at 39adbd2); opset 18 by the notes of its release 3.2.0",
        18,
        frozenset(_ESP.split()),
        "`tinyclap export --tflite OUT.tflite` or `--c OUT` write what an ESP32 runs",
        rounds_itself=True,
    ),
}


def refuse_rounded(name: ToolChainName) -> None:
    """Raise TinyclapError for INT8 graphs if a tool chain takes float graphs alone."""
    chain = TOOL_CHAINS[name]
    if chain.rounds_itself:
        raise TinyclapError(
            f"--static-for {name}: {chain.title} does not list {', '.join(chain.lacks_rounding)}, of which INT8 graphs "
            f"are made ({chain.source}); it rounds float graphs itself, so export without --int8 and give it "
            "audio_static.onnx"
        )


def refuse_unknown(name: ToolChainName, file: str, graph: onnx.ModelProto) -> None:
    """Raise TinyclapError if a graph has operators that a tool chain does not list, or a newer opset; `file` is it."""
    chain = TOOL_CHAINS[name]
    missing = sorted(set(operators(graph)) - chain.operators)
    if missing:
        raise TinyclapError(
            f"--static-for {name}: {chain.title} does not list {', '.join(missing)} of {file} ({chain.source}); "
            f"{chain.instead}"
        )
    if opset_of(graph) > chain.newest_opset:
        raise TinyclapError(
            f"--static-for {name}: {file} is of opset {opset_of(graph)}, and {chain.title} is documented up to "
            f"{chain.newest_opset} ({chain.source}); add --opset {chain.newest_opset}"
        )
