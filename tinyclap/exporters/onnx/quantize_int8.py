"""INT8 graphs: static, QDQ, per channel, calibrated on training clips, and measured against float."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnxruntime import InferenceSession
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from tinyclap.bench.timing import interleaved_ms, median_ratio
from tinyclap.embeddings import similarity, zero_shot
from tinyclap.embeddings.joint_space import Head
from tinyclap.errors import GateError, TinyclapError
from tinyclap.exporters.onnx.student import HEAD_NODES, PLAIN_TAIL_NODES, TAIL_NODES

MIN_COSINE, MIN_AGREEMENT = 0.98, 0.95


def quantize(graph: onnx.ModelProto, logmels: Iterable[np.ndarray]) -> onnx.ModelProto:
    """Weights as int8 by output channel, activations as uint8 with the ranges that they take on `logmels`.

    The norm of the mel bands, the first convolution and the unit norm at the end stay float: the first sees decibels,
    whose range wastes steps; the second takes differences between neighbouring bins, which are smaller than a step
    (in INT8 it leaves a quickstart's student a mean cosine of .949 to float, in float one of .998); the last sees
    squares. Unsigned activations are the fast ones on x86, and ranges from the extremes cost no memory.

    Args:
        graph: `logmel` to `embedding`, of `student.encoder_graph`.
        logmels: decibels (B, 1, frames, n_mels), of training clips only.
    """
    source = onnx.ModelProto()
    source.CopyFrom(graph)
    add_pre_process_metadata(source)  # it is simplified already, and onnxruntime would complain on the root logger
    nodes = source.graph.node
    tail = next(
        (known for known in (TAIL_NODES, PLAIN_TAIL_NODES) if _kinds(nodes[-len(known) :]) == known), TAIL_NODES
    )
    ends = [*nodes[: len(HEAD_NODES)], *nodes[-len(tail) :]]
    kinds = _kinds(ends)
    if kinds != (*HEAD_NODES, *tail):
        raise TinyclapError(
            f"INT8: the graph begins and ends with {', '.join(kinds)}, not with the nodes that must stay float "
            f"({', '.join((*HEAD_NODES, *TAIL_NODES))}); export without --int8"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            source,
            path,
            _Reader(logmels),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in ends],
        )
        return onnx.load(path)


def _kinds(nodes: Iterable[onnx.NodeProto]) -> tuple[str, ...]:
    return tuple(node.op_type for node in nodes)


class _Reader(CalibrationDataReader):
    def __init__(self, logmels: Iterable[np.ndarray]) -> None:
        self._batches: Iterator[np.ndarray] = iter(logmels)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"logmel": batch}


@dataclass(frozen=True)
class Measured:
    """An INT8 graph beside the float graph.

    Attributes:
        cosine_to_float: mean over the clips; of several teachers' heads the lowest, the whole's among them.
        agreement: share of clips to which both give the same class; None without classes.
        latency_ratio: INT8's time over float's for one window on one thread, median of interleaved calls.
    """

    cosine_to_float: float
    agreement: float | None
    latency_ratio: float


def measure(
    exact: InferenceSession,
    quantized: InferenceSession,
    batches: Iterable[np.ndarray],
    classes: np.ndarray | None,
    heads: Sequence[Head] = (),
) -> Measured:
    """Compare two graphs on inputs (B, ...) of whole windows; `classes` are unit vectors (C, D), `heads` parts of D."""
    name, sessions = exact.get_inputs()[0].name, {"float": exact, "int8": quantized}
    embedded: dict[str, list[np.ndarray]] = {key: [] for key in sessions}
    one = {}
    for batch in batches:
        one = {name: batch[:1]}
        for key, session in sessions.items():
            embedded[key].append(session.run(None, {name: batch})[0])
    floats, ints = (np.concatenate(rows) for rows in embedded.values())
    agreement = None
    if classes is not None:
        agreement = float(np.mean(zero_shot.predict(ints, classes) == zero_shot.predict(floats, classes)))
    taken = interleaved_ms({key: partial(session.run, None, one) for key, session in sessions.items()})
    pairs = [(ints, floats), *((head.of(ints), head.of(floats)) for head in heads)]
    cosines = [similarity.mean_cosine(*pair) for pair in pairs]
    return Measured(min(cosines), agreement, median_ratio(taken["int8"], taken["float"]))


def gate(graph: str, measured: Measured, min_cosine: float, min_agreement: float) -> None:
    """Raise GateError unless an INT8 graph is close enough to float; `graph` is its name."""
    missed = []
    if not measured.cosine_to_float >= min_cosine:
        missed.append(f"mean cosine to float {measured.cosine_to_float:.6f} (needed: {min_cosine:g})")
    if measured.agreement is not None and not measured.agreement >= min_agreement:
        shares = f"{100 * measured.agreement:.1f} % of the clips (needed: {100 * min_agreement:g} %)"
        missed.append(f"the same class as float on {shares}")
    if missed:
        raise GateError(
            f"{graph}: {'; '.join(missed)}, so nothing was written; export without --int8, or accept less with "
            "--int8-min-cosine and --int8-min-agreement"
        )
