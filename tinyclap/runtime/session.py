"""ONNX Runtime sessions that say what went wrong, and run where they were asked to."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.files import parse_json, refuse_odd_name, refuse_pointer
from tinyclap.errors import MachineError, TinyclapError
from tinyclap.runtime.bundle_contents import METADATA_KEY

CPU = "CPUExecutionProvider"
SUFFIX = "ExecutionProvider"
FLOAT_ARITHMETIC = ("session.qdq_matmulnbits_accuracy_level", "1")  # the default, 4, rounds what INT8 weights multiply
FATAL_ONLY = 4  # onnxruntime's log level; what it raises is said here, and its warnings are of no consequence
ORT_CODE = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : ")
ORT_SOURCE = re.compile(r"\S+\.(?:cc|h):\d+ (?:[^()]*::[^()]*\([^()]*\)(?: const)?|\w+) ")  # file, line and function


def open_session(
    path: Path,
    *,
    inputs: Sequence[str],
    output: str,
    providers: str | Sequence[str] | None,
    threads: int | None,
    width: int | None = None,
    exact: bool = False,
) -> Any:
    """An `onnxruntime.InferenceSession` of a graph with exactly these inputs and this output.

    Args:
        path: of the graph.
        inputs: names of its inputs.
        output: name of its output.
        providers: execution providers, first choice first, in full or without the suffix: "cuda"; None for the CPU.
        threads: working on one graph; None for one, which is best for small graphs.
        width: D of its output (batch, D); None for any.
        exact: multiply INT8 weights in float32, as ONNX Runtime does on processors for which it knows no faster way.

    Raises:
        TinyclapError: a provider that is not there or does not become active, a bad number of threads, or a graph
            that this onnxruntime cannot run or that is another one.
    """
    session = open_any(path, providers=providers, threads=threads, exact=exact)
    _check_interface(path, session, inputs, output, width)
    return session


def open_any(path: Path, *, providers: str | Sequence[str] | None, threads: int | None, exact: bool = False) -> Any:
    """As `open_session`, whatever the graph's inputs and outputs are."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as faults

    refuse_odd_name(path)
    refuse_pointer(path)
    wanted = _providers(providers, onnxruntime.get_available_providers())
    if threads is not None and threads < 1:
        raise TinyclapError(f"threads is {threads}: it must be 1 or more")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 1
    options.inter_op_num_threads = 1
    if exact:
        options.add_session_config_entry(*FLOAT_ARITHMETIC)
    options.log_severity_level = FATAL_ONLY
    options.logid = str(path)  # which is how the session is named where it fails
    try:
        session = onnxruntime.InferenceSession(os.fspath(path), options, providers=wanted, enable_fallback=0)
    except (
        faults.EPFail,
        faults.Fail,
        faults.InvalidArgument,
        faults.InvalidGraph,
        faults.InvalidProtobuf,
        faults.NotImplemented,
        faults.RuntimeException,
        UnicodeDecodeError,  # of a message that quotes a damaged graph
    ) as error:
        what = f"onnxruntime {onnxruntime.__version__} cannot run it ({_reason(error)})"
        raise TinyclapError(f"{path}: {what}") from error
    active = session.get_providers()
    if active[0] != wanted[0]:
        raise TinyclapError(
            f"provider {wanted[0]} was asked for and {active[0]} is active; check the drivers and libraries that it "
            f"needs, or ask for {active[0]}"
        )
    return session


def metadata_of(path: Path, session: Any) -> dict[str, Any]:
    """What a graph of ours says of itself, an object read from JSON; empty for any other graph.

    Raises:
        TinyclapError: it is no such object.
    """
    try:
        metadata = parse_json(session.get_modelmeta().custom_metadata_map.get(METADATA_KEY, "{}"))
    except ValueError as error:  # of JSON, or of text that is not UTF-8
        raise TinyclapError(f"{path}: metadata {METADATA_KEY!r} is no JSON ({error})") from error
    if not isinstance(metadata, dict):
        raise TinyclapError(f"{path}: metadata {METADATA_KEY!r} is {metadata!r}, expected an object")
    return metadata


def run(session: Any, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The one output of a graph of `open_session`; MachineError where onnxruntime gives up or it is not finite."""
    return run_output(session, inputs, None)


def embeddings_of(session: Any, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """As `run`, of a graph whose output (N, D) is embeddings: MachineError also where one is zero."""
    computed = run(session, inputs)
    if computed.ndim != 2 or not computed.any(axis=1).all():
        raise MachineError(
            f"{session.get_session_options().logid} computes no embeddings (shape {computed.shape}, or zeros): it is "
            "damaged, export it again"
        )
    return computed


def run_output(session: Any, inputs: Mapping[str, np.ndarray], output: str | None) -> np.ndarray:
    """As `run`, of a graph with several outputs the one of this name."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as faults

    quiet, name = onnxruntime.RunOptions(), session.get_session_options().logid
    quiet.log_severity_level = FATAL_ONLY
    try:
        computed: np.ndarray = session.run(None if output is None else [output], dict(inputs), quiet)[0]
    except (faults.EPFail, faults.Fail, faults.InvalidArgument, faults.RuntimeException) as error:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in inputs.items())
        raise MachineError(
            f"{name}: onnxruntime cannot compute {shapes} ({_reason(error)}); is memory short?"
        ) from error
    if not np.isfinite(computed).all():
        raise MachineError(f"{name} computes NaN or infinite numbers from finite ones: it is damaged, export it again")
    return computed


def _reason(error: Exception) -> str:
    """What onnxruntime says of a failure, without the places in its sources."""
    last = ORT_CODE.split(str(error).strip().splitlines()[0])[-1]
    return ORT_SOURCE.sub("", last)


def _check_interface(path: Path, session: Any, inputs: Sequence[str], output: str, width: int | None) -> None:
    found = [entry.name for entry in session.get_inputs()], [entry.name for entry in session.get_outputs()]
    if (sorted(found[0]), found[1]) != (sorted(inputs), [output]):
        raise TinyclapError(
            f"{path}: inputs {', '.join(found[0])} and outputs {', '.join(found[1])}, "
            f"expected {', '.join(inputs)} and {output}; export the bundle again"
        )
    shape = session.get_outputs()[0].shape
    if width is not None and (len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != width)):
        raise TinyclapError(f"{path} makes {tuple(shape)}, bundle.json says (batch, {width}); export the bundle again")


def _providers(asked: str | Sequence[str] | None, available: Sequence[str]) -> list[str]:
    """The full names of the providers asked for."""
    names = [CPU] if asked is None else [asked] if isinstance(asked, str) else list(asked)
    known = {provider.lower(): provider for provider in available}
    full = [known.get(name.lower(), known.get(f"{name}{SUFFIX}".lower())) for name in names]
    found = [provider for provider in full if provider is not None]
    if not found or len(found) < len(names):
        unknown = ", ".join(name for name, provider in zip(names, full, strict=True) if provider is None) or "(none)"
        raise TinyclapError(
            f"provider {unknown} is not in this onnxruntime; it has {', '.join(available)} "
            "(others come with other builds, e.g. pip install onnxruntime-gpu)"
        )
    return found
