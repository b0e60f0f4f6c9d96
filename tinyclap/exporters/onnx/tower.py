"""An audio tower as one graph from waveform to embedding, to be timed beside a student or used elsewhere."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from tinyclap.errors import GateError, TinyclapError
from tinyclap.exporters.onnx.graph import join, save, to_onnx
from tinyclap.exporters.onnx.student import AXES, OUTPUT, frontend_graph
from tinyclap.runtime.session import open_session, run
from tinyclap.teachers.describe import describe_encoder
from tinyclap.teachers.encoder import AudioGraph, ExportableModel

TOLERANCE = 1e-4  # of unit vectors
LENGTHS, BATCH_SIZES = (0.3, 0.71, 1.0), (1, 4)  # in windows, that a graph is compared with torch on


def export_tower(tower: ExportableModel, path: Path) -> dict[str, Any]:
    """Write an audio tower: `waveform` (batch, samples) to unit-norm `embedding` (batch, embed_dim).

    It takes up to `window_s` seconds as they are. What a teacher does around it is left to the caller: shorter clips
    are padded to a window, longer ones cut into windows that are averaged.

    Args:
        tower: a teacher of any kind, or an encoder alone.
        path: a new file; the graph carries what is returned as metadata too.

    Returns:
        The facts: name, licence, parameters, macs (of a window, without the front end), sample_rate, window_s,
        embed_dim, input, and max_abs, the largest difference from torch.

    Raises:
        TinyclapError: the file exists.
        GateError: the graph does not compute what the tower computes; nothing is written.
    """
    if path.exists():
        raise TinyclapError(f"{path} exists already and is left as it is; name a new file")
    parts = tower.audio_graph()
    graph = tower_graph(parts)
    facts = describe_encoder(tower) | {"input": "waveform"}
    with tempfile.TemporaryDirectory() as folder:
        save(graph, Path(folder) / path.name)
        facts["max_abs"] = _difference(parts, Path(folder) / path.name, tower.name)
    save(graph, path, json.dumps(facts))
    return facts


def tower_graph(parts: AudioGraph) -> onnx.ModelProto:
    """The graph of `export_tower`."""
    spec = parts.frontend.spec
    example = {"logmel": torch.zeros(2, 1, spec.n_frames(parts.window), spec.n_mels)}
    encoder = to_onnx(parts.encoder, example, OUTPUT, AXES)
    return join(frontend_graph(parts.frontend, parts.window), encoder)


def _difference(parts: AudioGraph, path: Path, name: str) -> float:
    """The largest difference of the graph from torch, at several lengths and batch sizes."""
    session = open_session(path, inputs=["waveform"], output=OUTPUT, providers=None, threads=None)
    rng, worst = np.random.default_rng(0), 0.0
    for length in LENGTHS:
        for size in BATCH_SIZES:
            waveform = rng.uniform(-0.5, 0.5, (size, round(length * parts.window))).astype(np.float32)
            with torch.no_grad():
                wanted = parts.encode(torch.from_numpy(waveform)).numpy()
            worst = max(worst, float(np.abs(run(session, {"waveform": waveform}) - wanted).max()))
    if not worst <= TOLERANCE:
        raise GateError(
            f"parity: the graph of {name}'s audio tower differs from torch by {worst:.2g} (allowed: "
            f"{TOLERANCE:g}), so nothing was written; please report this with its name"
        )
    return worst
