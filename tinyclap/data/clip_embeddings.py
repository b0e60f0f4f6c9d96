"""One embedding for each clip of a decoded data set."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tinyclap.audio.level import weight
from tinyclap.common.progress import counted
from tinyclap.common.row_store import (
    BLOCK_ROWS,
)
from tinyclap.data.windows import Windows
from tinyclap.embeddings.similarity import unit


class Clips(Protocol):
    """Decoded clips, as they are or degraded; see `decoded.Decoded`."""

    windows: Windows
    n_clips: int
    fingerprint: str

    def __len__(self) -> int:
        """Number of windows."""
        ...

    def waveform(self, index: int) -> np.ndarray:
        """Samples of a window, float32 (T,)."""
        ...


def clip_embeddings(embed: Callable[[Tensor, Tensor], Tensor], decoded: Clips, *, progress: str) -> np.ndarray:
    """Whole clips: the windows that a long one was decoded into are averaged, by their length and `level.weight`.

    Args:
        embed: waveforms (B, T) and lengths (B,) -> unit-norm (B, D).
        decoded: at the model's sample rate.
        progress: what the progress bar says.

    Returns:
        Unit-norm float32 (n_clips, D); a row of zeros for a clip that was unusable.
    """
    sums: np.ndarray | None = None
    firsts = range(0, len(decoded), BLOCK_ROWS)
    for first in counted(firsts, progress, len(firsts), "block"):
        indices = range(first, min(first + BLOCK_ROWS, len(decoded)))
        waveforms = [decoded.waveform(index) for index in indices]
        levels = [weight(waveform) for waveform in waveforms]
        clips = [torch.from_numpy(waveform) for waveform in waveforms]
        lengths = torch.tensor([len(clip) for clip in clips])
        rows = embed(torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), lengths).cpu().numpy()
        sums = np.zeros((decoded.n_clips, rows.shape[1]), np.float32) if sums is None else sums
        windows = [decoded.windows[index] for index in indices]
        weights = np.array([[each.duration_s * level] for each, level in zip(windows, levels, strict=True)], np.float32)
        np.add.at(sums, [window.clip for window in windows], weights * rows)
    assert sums is not None
    return unit(sums)
