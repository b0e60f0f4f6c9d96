"""A data set read as the original msclap reads files, for comparison with its published numbers."""

from pathlib import Path

import numpy as np
import torch
from torchaudio.functional import resample

from tinyclap.audio import files
from tinyclap.audio.files import AudioInfo
from tinyclap.data.dataset import Clip, Dataset


class AsMsclap(Dataset):
    """Channels one after the other instead of mixed, so that stereo lasts twice as long; resampled by torchaudio.

    Args:
        dataset: of files, or of sounds that have one channel anyway.
        sample_rate: of the result, Hz.
    """

    def __init__(self, dataset: Dataset, sample_rate: int) -> None:
        super().__init__(dataset.name, dataset.clips)
        self._dataset, self._sample_rate = dataset, sample_rate

    def _info(self, clip: Clip) -> AudioInfo:
        info = self._dataset._info(clip)
        return AudioInfo(info.duration_s * info.channels, self._sample_rate, 1)

    def _load(self, clip: Clip, sample_rate: int, start_s: float, duration_s: float | None) -> np.ndarray:
        if clip.path is None:
            return self._dataset._load(clip, sample_rate, start_s, duration_s)
        channels, rate = files.read_channels(clip.path)
        whole = resample(torch.from_numpy(channels.T.copy()), rate, sample_rate).reshape(-1).numpy()
        first = round(start_s * sample_rate)
        return whole[first:] if duration_s is None else whole[first : first + round(duration_s * sample_rate)]

    def _content(self, clip: Clip) -> Path | bytes:
        return self._dataset._content(clip)

    def _own_name(self, clip: Clip) -> str:
        return f"as msclap: {self._dataset._own_name(clip)}"
