"""An audio tower as one graph from waveform to embedding, to be timed beside a student or used elsewhere."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from transformers.models.clap.modeling_clap import ClapAudioEncoder

from tinyclap.errors import GateError, TinyclapError
from tinyclap.exporters.onnx.graph import join, save, to_onnx
from tinyclap.exporters.onnx.student import AXES, OUTPUT, frontend_graph
from tinyclap.runtime.session import open_session, run
from tinyclap.teachers.base import AudioTower
from tinyclap.teachers.describe import describe_tower

TOLERANCE = 1e-4  # of unit vectors
LENGTHS, BATCH_SIZES = (0.3, 0.71, 1.0), (1, 4)  # in windows, that a graph is compared with torch on
CUBIC = -0.75  # torch's constant of bicubic interpolation (Keys 1981); others take -0.5


def export_tower(tower: AudioTower, path: Path) -> dict[str, Any]:
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
    graph = tower_graph(tower)
    facts = describe_tower(tower) | {"input": "waveform"}
    with tempfile.TemporaryDirectory() as folder:
        save(graph, Path(folder) / path.name)
        facts["max_abs"] = _difference(tower, Path(folder) / path.name)
    save(graph, path, json.dumps(facts))
    return facts


def tower_graph(tower: AudioTower) -> onnx.ModelProto:
    """The graph of `export_tower`."""
    spec = tower.frontend.spec
    example = {"logmel": torch.zeros(2, 1, spec.n_frames(tower.window), spec.n_mels)}
    encoder = to_onnx(_Encoder(tower), example, OUTPUT, AXES)
    return join(frontend_graph(tower.frontend, tower.window), encoder)


class _Encoder(nn.Module):
    """`encode_logmel`; HTSAT gets its input stretched already, in a way that ONNX Runtime computes as torch does."""

    def __init__(self, tower: AudioTower) -> None:
        super().__init__()
        self.tower = tower
        htsat = [module for module in tower.modules() if isinstance(module, ClapAudioEncoder)]
        self.stretch = ResizeFrames(int(htsat[0].spec_size * htsat[0].freq_ratio)) if htsat else nn.Identity()

    def forward(self, logmel: Tensor) -> Tensor:
        return self.tower.encode_logmel(self.stretch(logmel))


class ResizeFrames(nn.Module):
    """Frames (B, 1, T, n_mels) to a fixed number of them: torch's bicubic `interpolate` with `align_corners=True`.

    ONNX Runtime's own Resize differs from torch by up to 4e-4, so the four taps are gathered and weighed here. HTSAT
    does this behind a norm that is the same for all frames, which changes nothing, as the weights add up to 1.

    Args:
        frames: of the result; an input of more frames is an error in ONNX Runtime.
    """

    allowed: Tensor

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.register_buffer("allowed", torch.zeros(frames + 1), persistent=False)

    def forward(self, logmel: Tensor) -> Tensor:
        """(B, 1, T, n_mels) to (B, 1, frames, n_mels)."""
        n = logmel.shape[2]
        guard = self.allowed.index_select(0, torch.full((1,), n, dtype=torch.int64))  # out of bounds: too long
        places = torch.arange(self.frames) * ((torch.full((1,), n) - 1) / (self.frames - 1)) + guard
        first = places.floor()
        t = places - first
        stretched: Tensor | float = 0.0
        for tap, weight in zip(range(-1, 3), (_far(t + 1), _near(t), _near(1 - t), _far(2 - t)), strict=True):
            rows = logmel.index_select(2, (first.long() + tap).clamp(min=0).clamp(max=n - 1))
            stretched = stretched + rows * weight[:, None]
        assert isinstance(stretched, Tensor)
        return stretched


def _near(t: Tensor) -> Tensor:
    return ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1


def _far(t: Tensor) -> Tensor:
    return ((CUBIC * t - 5 * CUBIC) * t + 8 * CUBIC) * t - 4 * CUBIC


def _difference(tower: AudioTower, path: Path) -> float:
    """The largest difference of the graph from torch, at several lengths and batch sizes."""
    session = open_session(path, inputs=["waveform"], output=OUTPUT, providers=None, threads=None)
    rng, worst = np.random.default_rng(0), 0.0
    for length in LENGTHS:
        for size in BATCH_SIZES:
            waveform = rng.uniform(-0.5, 0.5, (size, round(length * tower.window))).astype(np.float32)
            with torch.no_grad():
                wanted = tower.eval().cpu().encode_audio(torch.from_numpy(waveform)).numpy()
            worst = max(worst, float(np.abs(run(session, {"waveform": waveform}) - wanted).max()))
    if not worst <= TOLERANCE:
        raise GateError(
            f"parity: the graph of {tower.name}'s audio tower differs from torch by {worst:.2g} (allowed: "
            f"{TOLERANCE:g}), so nothing was written; please report this with its name"
        )
    return worst
