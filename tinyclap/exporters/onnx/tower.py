"""An audio tower as one graph from waveform to embedding, to be timed beside a student or used elsewhere."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from tinyclap.errors import GateError, TinyclapError
from tinyclap.exporters.onnx.graph import join, save, to_onnx, to_onnx_beside, weights_beside
from tinyclap.exporters.onnx.student import AXES, OUTPUT, frontend_graph, frontend_module
from tinyclap.runtime.session import open_session, run
from tinyclap.teachers.describe import describe_encoder
from tinyclap.teachers.encoder import AudioGraph, ExportableModel

TOLERANCE = 1e-4  # of unit vectors
LARGEST_FILE, BYTES_PER_WEIGHT = 2**31 - 2**24, 4  # ONNX's limit less what a graph takes besides; of float32
LENGTHS, BATCH_SIZES = (0.3, 0.71, 1.0), (1, 4)  # in windows, that a graph is compared with torch on


def export_tower(tower: ExportableModel, path: Path) -> dict[str, Any]:
    """Write an audio tower: `waveform` (batch, samples) to unit-norm `embedding` (batch, embed_dim).

    It takes up to `window_s` seconds as they are. What a teacher does around it is left to the caller: shorter clips
    are padded to a window, longer ones cut into windows that are averaged. Weights of more than LARGEST_FILE bytes go
    into a second file, named like the first with `.data` behind it.

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
    taken = next((file for file in (path, weights_beside(path)) if file.exists()), None)
    if taken:
        raise TinyclapError(f"{taken} exists already and is left as it is; name a new file")
    parts = tower.audio_graph()
    facts = describe_encoder(tower) | {"input": "waveform"}
    is_large = BYTES_PER_WEIGHT * (facts["parameters"] or 0) > LARGEST_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent if is_large else None) as folder:
        draft = Path(folder) / path.name
        graph = _large_graph(parts, draft) if is_large else tower_graph(parts)
        save(graph, draft)
        facts["max_abs"] = _difference(parts, draft, tower.name)
        if is_large:
            weights_beside(draft).replace(weights_beside(path))
    save(graph, path, json.dumps(facts))
    return facts


def tower_graph(parts: AudioGraph) -> onnx.ModelProto:
    """The graph of `export_tower`."""
    spec = parts.frontend.spec
    example = {"logmel": torch.zeros(2, 1, spec.n_frames(parts.window), spec.n_mels)}
    encoder = to_onnx(parts.encoder, example, OUTPUT, AXES)
    return join(frontend_graph(parts.frontend, parts.window), encoder)


def _large_graph(parts: AudioGraph, path: Path) -> onnx.ModelProto:
    """The graph of `export_tower`, its weights in a file beside `path`."""
    whole = nn.Sequential(frontend_module(parts.frontend), parts.encoder)
    return to_onnx_beside(whole, {"waveform": torch.zeros(2, parts.window)}, OUTPUT, AXES, path)


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
