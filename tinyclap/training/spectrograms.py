"""The student's inputs: log-mel spectrograms of the views as it hears them, rendered once and kept.

Views are reused over the epochs, so rendering them anew each time would cost more than the student itself. A
spectrogram is kept as int16 hundredths of a decibel, an error of at most 0.005 dB.
"""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import torch

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.windows import fit
from tinyclap.common.cache_lock import cache_folder
from tinyclap.common.row_store import BLOCK_ROWS, RowStore, fill_stores
from tinyclap.data.degradation import VERSION as DEGRADED
from tinyclap.data.degradation import degrade, draw
from tinyclap.data.views import Views
from tinyclap.errors import TinyclapError
from tinyclap.models.student import Student

VERSION = 1
DECIBELS_PER_UNIT = 0.01


def logmel_store(views: Views, frontend: LogMel) -> RowStore:
    """The store of every view's spectrogram: int16 (clips * views, frames, mels).

    Raises:
        TinyclapError: views and front end of different sample rates.
    """
    spec = frontend.spec
    if views.decoded.sample_rate != spec.sample_rate:
        raise TinyclapError(f"views at {views.decoded.sample_rate} Hz for a student that expects {spec.sample_rate} Hz")
    parts: list[object] = [
        VERSION,
        BLOCK_ROWS,
        views.decoded.fingerprint,
        views.spec.fingerprint,
        views.spec.seed,
        views.spec.per_clip,
    ]
    if views.spec.student:
        parts.append([DEGRADED, views.spec.student.fingerprint])
    key = hashlib.blake2b(json.dumps([*parts, spec.key()]).encode(), digest_size=16).hexdigest()
    frames = spec.n_frames(round(views.spec.longest_s * spec.sample_rate))
    return RowStore(
        cache_folder("logmels") / key,
        (len(views) * views.spec.per_clip, frames, spec.n_mels),
        np.int16,
        lambda rows, waveforms: _logmels(views, frontend, rows, waveforms).squeeze(1).numpy(),
        scale=DECIBELS_PER_UNIT,
    )


class LogMelViews:
    """Log-mel spectrograms of every view.

    Args:
        views: at the front end's sample rate.
        frontend: of the student.
        keep: store them in the cache, frames * mels * 2 bytes for each view; otherwise render them whenever asked.

    Raises:
        TinyclapError: views and front end of different sample rates.
    """

    def __init__(self, views: Views, frontend: LogMel, *, keep: bool = True) -> None:
        store = logmel_store(views, frontend)
        self.views, self.frontend = views, frontend
        self.per_clip = views.spec.per_clip
        self.sizes: np.ndarray | None = None
        self._stored = fill_stores([store], views.block, progress="student's spectrograms")[0].rows if keep else None

    def __len__(self) -> int:
        return len(self.views)

    def check(self, student: Student) -> None:
        """Raise a TinyclapError unless the student's front end made them."""
        if self.frontend.spec != student.config.frontend:
            raise TinyclapError("the spectrograms were made by another front end than the student's")

    def batch(self, rows: Sequence[tuple[int, int]]) -> torch.Tensor:
        """Spectrograms by (clip, view): float32 (B, 1, frames, mels), decibels."""
        if self._stored is None:
            return self._render(rows)
        units = np.stack([self._stored[index * self.per_clip + k] for index, k in rows])
        return torch.from_numpy(units.astype(np.float32) * np.float32(DECIBELS_PER_UNIT)).unsqueeze(1)

    @torch.no_grad()
    def _render(self, rows: Sequence[tuple[int, int]]) -> torch.Tensor:
        numbers = [index * self.per_clip + k for index, k in rows]
        return _logmels(self.views, self.frontend, numbers, self.views.batch(rows))


def _logmels(views: Views, frontend: LogMel, rows: Sequence[int], waveforms: np.ndarray) -> torch.Tensor:
    """Spectrograms (B, 1, frames, mels) of views (B, T) by row, as the student hears them.

    Shorter ones are repeated up to T, as a student repeats short sounds.
    """
    whole, sounds = waveforms.shape[1], []
    for row, waveform, length in zip(rows, waveforms, views.lengths(rows), strict=True):
        sound = waveform[:length]
        if views.spec.student:
            how = draw(views.spec.student, views.spec.seed, *divmod(row, views.spec.per_clip))
            sound = degrade(sound, views.decoded.sample_rate, how)
        sounds.append(sound if length == whole else fit(sound, whole))
    return frontend(torch.from_numpy(np.stack(sounds)))
