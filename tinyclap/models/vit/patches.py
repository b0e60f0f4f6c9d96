"""Spectrograms of different lengths as one batch of patches, and which of these are padding."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tinyclap.models.vit.config import VitConfig


class Patches(NamedTuple):
    """Patches of a batch of clips, in the order of time, and of pitch within a time.

    Attributes:
        values: (B, N, patch_frames * patch_mels).
        columns: place of each in time, int (N,), from 0.
        rows: place of each in pitch, int (N,), from 0.
        valid: those that belong to a clip, bool (B, N); None where all do.
    """

    values: Tensor
    columns: Tensor
    rows: Tensor
    valid: Tensor | None

    @property
    def counts(self) -> list[int]:
        """Patches of each clip."""
        batch, n = self.values.shape[:2]
        return [n] * batch if self.valid is None else self.valid.sum(1).tolist()


def cut(logmel: Tensor, config: VitConfig, silence: float, lengths: Tensor | None = None) -> Patches:
    """Cut spectrograms into patches that do not overlap.

    Args:
        logmel: (B, frames, n_mels); beyond `lengths` silence.
        config: says how large a patch is.
        silence: value of a frame without sound, which fills up the last patch.
        lengths: frames of each clip, int (B,); None where all are whole.
    """
    frames, n_mels = logmel.shape[1:]
    high, wide = config.patch_mels, config.patch_frames
    n_columns, n_rows = (frames + wide - 1) // wide, n_mels // high  # -(-a // b) would be rounded down in ONNX
    whole = F.pad(logmel, (0, 0, 0, n_columns * wide - frames), value=silence)
    values = whole.unflatten(2, (n_rows, high)).unflatten(1, (n_columns, wide)).transpose(2, 3).flatten(3).flatten(1, 2)
    place = torch.arange(n_columns * n_rows, device=logmel.device)
    columns, rows = place // n_rows, place % n_rows
    valid = None if lengths is None else columns < ((lengths + wide - 1) // wide).unsqueeze(1)
    return Patches(values, columns, rows, valid)
