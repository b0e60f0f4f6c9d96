"""Does a bundle compute what the student computes? On real sounds and on those that break front ends."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyclap.audio import checks, windows
from tinyclap.data.decoded import Decoded
from tinyclap.embeddings.latent_map import enlargement
from tinyclap.errors import GateError
from tinyclap.exporters.calibration import spread
from tinyclap.models.student import Student
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.session import open_session

TOLERANCE = 1e-4  # of unit vectors; more in a pruned space, where their entries are larger
BATCH_SIZES = (1, 3, 16)
WINDOWS = (0.02, 0.13, 0.4, 0.77, 1.0, 1.31, 2.0, 2.6)  # lengths of the clips
GRAPH_WINDOWS = (0.3, 1.0, 1.7)  # lengths of the batches
REAL_CLIPS, NOISES, TONES = 40, 8, 8


def test_sounds(train: Decoded, window: int) -> dict[str, np.ndarray]:
    """Sounds by what they are: training clips, tones, noise, clicks, clipping and silence of different lengths.

    Args:
        train: real sounds, at the student's sample rate.
        window: samples in a window.

    Returns:
        At least 64 waveforms, float32 (T,) in [-1, 1].
    """
    rng = np.random.default_rng(0)
    lengths = [max(checks.SHORTEST_MS * train.sample_rate // 1000, round(share * window)) for share in WINDOWS]
    sounds: dict[str, np.ndarray] = {}

    def add(name: str, waveform: np.ndarray) -> None:
        length = lengths[len(sounds) % len(lengths)]
        case = f"{name}, {length / train.sample_rate:g} s"
        sounds[case] = windows.fit(waveform.astype(np.float32), length)

    for index in spread(len(train), REAL_CLIPS):
        add(f"training clip {train.windows[index].name}", train.waveform(index))
    while len(sounds) < REAL_CLIPS:
        add(f"noise like clip {len(sounds)}", 0.1 * rng.standard_normal(window))
    seconds = np.arange(lengths[-1]) / train.sample_rate
    for hz in np.geomspace(40.0, 0.49 * train.sample_rate, TONES):
        add(f"tone of {hz:.0f} Hz", 0.7 * np.sin(2 * np.pi * hz * seconds))
    for level_db in np.linspace(-90.0, 0.0, NOISES):
        add(f"noise at {level_db:.0f} dB", np.clip(10 ** (level_db / 20) * rng.standard_normal(lengths[-1]), -1, 1))
    loud = train.waveform(0) / max(float(np.abs(train.waveform(0)).max()), 1e-9)
    click = np.zeros(lengths[-1])
    click[lengths[-1] // 3] = 1.0
    for _ in range(2):
        add("silence", np.zeros(lengths[-1]))
        add("clipping", np.clip(100.0 * loud, -1, 1))
        add("square wave", np.sign(np.sin(2 * np.pi * 441.0 * seconds)))
        add("click", click)
    return sounds


def check(folder: Path, student: Student, sounds: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Compare a bundle's float graph with the student: whole clips through the runtime, and batches in the graph.

    Args:
        folder: of the bundle, complete.
        student: in evaluation mode.
        sounds: by name.

    Returns:
        The manifest's `parity`.

    Raises:
        GateError: naming the sound on which the difference is above `tolerance`.
    """
    allowed = tolerance(student)
    clips = Worst(allowed)
    bundle = Bundle.load(folder, graph="float")
    for name, waveform in sounds.items():
        expected = student.embed_audio(torch.from_numpy(waveform)[None]).numpy()
        clips.note(name, bundle.embed([waveform], sample_rate=student.sample_rate), expected)
    batches = Worst(allowed)
    for name, embeddings, expected in _batches(folder / bundle.graph, bundle.manifest.input, student, sounds):
        batches.note(name, embeddings, expected)
    for worst in (clips, batches):
        worst.refuse(bundle.graph)
    return {
        "tolerance": allowed,
        "clips": len(sounds),
        "max_abs_clips": clips.difference,
        "worst_clip": clips.name,
        "batch_sizes": list(BATCH_SIZES),
        "max_abs_batches": batches.difference,
    }


def check_static(path: Path, student: Student, duration_s: float, sounds: Mapping[str, np.ndarray]) -> float:
    """The largest difference of the static graph from the student; raises as `check` does."""
    session = open_session(path, inputs=["logmel"], output="embedding", providers=None, threads=None)
    length, worst = round(duration_s * student.sample_rate), Worst(tolerance(student))
    for name, waveform in sounds.items():
        with torch.no_grad():
            logmel = student.frontend(torch.from_numpy(windows.fit(waveform, length))[None])
            expected = student.encode(logmel).numpy()
        worst.note(name, session.run(None, {"logmel": logmel.numpy()})[0], expected)
    worst.refuse(path.name)
    return worst.difference


def tolerance(student: Student) -> float:
    """What two unit vectors of a student's space may differ in each entry."""
    mapped = student.latent_map
    return TOLERANCE if mapped is None else TOLERANCE * enlargement(mapped.full_dim, mapped.dim)


class Worst:
    """The largest difference so far, and where it was; `allowed` is the largest that there may be."""

    def __init__(self, allowed: float = TOLERANCE) -> None:
        self.difference, self.name, self.allowed = 0.0, "", allowed

    def note(self, name: str, computed: np.ndarray, expected: np.ndarray) -> None:
        """Compare two arrays of unit vectors; another shape and what is not a number count as infinitely far away."""
        difference = np.inf
        if computed.shape == expected.shape:
            difference = float(np.nan_to_num(np.abs(computed - expected), nan=np.inf).max())
        if difference >= self.difference:
            self.difference, self.name = difference, name

    def refuse(self, graph: str) -> None:
        """Raise GateError if the difference is above what is allowed."""
        if self.difference > self.allowed:
            raise GateError(
                f"parity: {graph} differs from torch by {self.difference:.2g} (allowed: {self.allowed:.2g}) on "
                f"{self.name}, so nothing was written; a hardly trained student amplifies rounding: train it longer; "
                "else compare the versions of torch, onnx and onnxruntime with "
                "those that tinyclap is tested with"
            )


def _batches(
    path: Path, kind: str, student: Student, sounds: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """The graph itself on batches of every size and length: what, computed, expected."""
    session = open_session(path, inputs=[kind], output="embedding", providers=None, threads=None)
    names, at = list(sounds), 0
    for share in GRAPH_WINDOWS:
        length = round(share * student.config.window_samples)
        for size in BATCH_SIZES:
            chosen = [names[(at + row) % len(names)] for row in range(size)]
            at += size
            waveforms = torch.from_numpy(np.stack([windows.fit(sounds[name], length) for name in chosen]))
            with torch.no_grad():
                expected, logmel = student(waveforms).numpy(), student.frontend(waveforms)
            given = waveforms if kind == "waveform" else logmel
            computed = session.run(None, {kind: given.numpy()})[0]
            for row, name in enumerate(chosen):
                case = f"{name} (cut to {length} samples, in a batch of {size})"
                yield case, computed[row : row + 1], expected[row : row + 1]
