"""The student as graphs compute it: the same numbers in fewer, plainer operators."""

import math
from typing import Literal, cast

import onnx
import torch
from torch import Tensor, nn

from tinyclap.audio.log_mel.in_onnx import OnnxLogMel
from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.errors import TinyclapError
from tinyclap.exporters.onnx.graph import operators, to_onnx
from tinyclap.models.heads import MappedProjection, Projection, pool, unit_norm
from tinyclap.models.student import Student

Input = Literal["waveform", "logmel"]
OUTPUT = "embedding"
AXES = {"waveform": {0: "batch", 1: "samples"}, "logmel": {0: "batch", 2: "frames"}}
HEAD_NODES = ("Mul", "Add", "Conv")  # of the graph: the norm of the mel bands, the first convolution
TAIL_NODES = ("Pow", "ReduceSum", "Clip", "Sqrt", "Reciprocal", "Mul")  # the unit norm
PLAIN_TAIL_NODES = ("Mul", "ReduceSum", "Clip", "Sqrt", "Div")  # the same in what ESP-DL lists

# What every tool chain for microcontrollers can be expected to know; all are in ONNX since opset 14 at the latest.
PLAIN_OPERATORS = {
    *("Conv", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Clip", "Relu", "HardSwish", "Sigmoid", "Erf"),
    *("Pow", "Sqrt", "Reciprocal", "ReduceMean", "ReduceSum", "ReduceMax", "Reshape", "Flatten"),
}


class GraphEncoder(nn.Module):
    """Decibels (B, 1, frames, n_mels) to unit-norm (B, embed_dim), as `Student.encode` in evaluation mode.

    The norm of the mel bands is one multiplication and one addition, without the transpositions around it.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, student: Student, *, plain: bool = False) -> None:
        super().__init__()
        norm = student.norm
        mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
        scale = norm.weight.detach() * torch.rsqrt(variance + norm.eps)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", norm.bias.detach() - mean * scale)
        self.trunk, self.last_conv, self.pooling = student.trunk, student.last_conv, student.config.pooling
        self.head = plain_head(student.head) if plain else student.head
        self.unit_norm = plain_unit_norm if plain else unit_norm

    def forward(self, logmel: Tensor) -> Tensor:
        """(B, 1, frames, n_mels) to unit-norm (B, embed_dim)."""
        feature_map = self.last_conv(self.trunk(logmel * self.scale + self.shift))
        return self.unit_norm(self.head(pool(feature_map, self.pooling)))


def plain_unit_norm(embeddings: Tensor) -> Tensor:
    """Rows scaled to length 1, without Pow and Reciprocal."""
    return embeddings / torch.sqrt((embeddings * embeddings).sum(-1, keepdim=True).clamp_min(1e-24))


def plain_head(head: nn.Module) -> nn.Module:
    """A head in plain operators."""
    if isinstance(head, MappedProjection):
        return nn.Sequential(PlainProjection(head.projection), head.map)
    return PlainProjection(head) if isinstance(head, Projection) else head


class PlainProjection(nn.Module):
    """`heads.Projection` without the operators Gelu and LayerNormalization."""

    def __init__(self, head: Projection) -> None:
        super().__init__()
        self.linear1, self.linear2, self.norm = head.linear1, head.linear2, head.layer_norm

    def forward(self, x: Tensor) -> Tensor:
        first = self.linear1(x)
        summed = first + self.linear2(0.5 * first * (1.0 + torch.erf(first / math.sqrt(2.0))))
        centred = summed - summed.mean(-1, keepdim=True)
        deviation = torch.sqrt((centred * centred).mean(-1, keepdim=True) + self.norm.eps)
        return centred / deviation * self.norm.weight + self.norm.bias


def encoder_graph(student: Student) -> onnx.ModelProto:
    """`logmel` (batch, 1, frames, n_mels) to `embedding` (batch, embed_dim)."""
    spec = student.config.frontend
    example = torch.zeros(2, 1, spec.n_frames(student.config.window_samples), spec.n_mels)
    return to_onnx(GraphEncoder(student), {"logmel": example}, OUTPUT, AXES)


def frontend_graph(frontend: LogMel, samples: int) -> onnx.ModelProto:
    """`waveform` (batch, samples) to `logmel` (batch, 1, frames, n_mels), traced on so many samples."""
    return to_onnx(frontend_module(frontend), {"waveform": torch.zeros(2, samples)}, "logmel", AXES)


def frontend_module(frontend: LogMel) -> nn.Module:
    """A front end as a graph computes it."""
    return frontend.in_graph() or OnnxLogMel(frontend.spec, filterbank=frontend.filterbank.cpu().numpy())


def static_graph(student: Student, duration_s: float) -> onnx.ModelProto:
    """`logmel` (1, 1, frames, n_mels) of one duration, in seconds, to `embedding` (1, embed_dim), in plain operators.

    Raises:
        TinyclapError: a duration too short for the front end, or an operator that is not plain.
    """
    spec = student.config.frontend
    samples = round(duration_s * spec.sample_rate)
    if samples <= spec.n_fft // 2:
        allowed = f"{spec.shortest_s:g} s or more"
        raise TinyclapError(f"--static {duration_s:g}: too short for the front end; allowed: {allowed}")
    example = {"logmel": torch.zeros(1, 1, spec.n_frames(samples), spec.n_mels)}
    graph = to_onnx(GraphEncoder(student, plain=True), example, OUTPUT, {})
    special = set(operators(graph)) - PLAIN_OPERATORS
    if special:
        raise TinyclapError(f"--static: the graph needs {', '.join(sorted(special))}, which few tool chains know")
    return graph
