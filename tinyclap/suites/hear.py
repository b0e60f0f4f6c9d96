"""A bundle behind the interface of HEAR 2021: this module is what `heareval.embeddings.runner` is given.

Follows https://hearbenchmark.com/hear-api.html and hear-validator 2021.0.6.
"""

import numpy as np
import torch

from tinyclap.audio.windows import mono
from tinyclap.suites.frames import check_times, embed_at
from tinyclap.suites.loading import Named, bundle_of

SAMPLE_RATES = (16_000, 22_050, 32_000, 44_100, 48_000)  # which HEAR has its sounds in
HOP_MS = 50.0  # the longest that HEAR advises: its tasks tolerate 50 ms
WINDOW_S = 0.5


class Model(torch.nn.Module):
    """What `load_model` gives.

    Attributes:
        bundle: that embeds, on the CPU.
        sample_rate: that HEAR has to send, Hz: the bundle's, or the next higher one that HEAR knows.
        scene_embedding_size, timestamp_embedding_size: dimensions.
        hop_ms, window_s: of timestamp embeddings.
    """

    def __init__(self, bundle: Named, hop_ms: float, window_s: float | None) -> None:
        super().__init__()
        self.bundle = bundle_of(bundle)
        check_times(hop_ms / 1000, window_s, self.bundle)
        self.hop_ms, self.window_s = hop_ms, window_s
        self.sample_rate = next((rate for rate in SAMPLE_RATES if rate >= self.bundle.sample_rate), SAMPLE_RATES[-1])
        self.scene_embedding_size = self.timestamp_embedding_size = self.bundle.embed_dim


def load_model(model_file_path: Named = None, *, hop_ms: float = HOP_MS, window_s: float | None = WINDOW_S) -> Model:
    """Load a bundle for HEAR.

    Args:
        model_file_path: see `loading.Named`; HEAR's programs pass a path.
        hop_ms: from one timestamp to the next.
        window_s: seconds that a timestamp embedding hears; None for the bundle's window.

    Raises:
        TinyclapError: there is no such bundle, or a hop or window out of range.
    """
    return Model(model_file_path or None, hop_ms, window_s)


def get_timestamp_embeddings(audio: torch.Tensor, model: Model) -> tuple[torch.Tensor, torch.Tensor]:
    """Embed what is heard around each timestamp.

    Args:
        audio: float (N, samples) in [-1, 1] at `model.sample_rate`, at least 10 ms.
        model: of `load_model`.

    Returns:
        Unit-norm float32 (N, T, timestamp_embedding_size), and the timestamps in ms, float32 (N, T): 0, hop_ms,
        2 hop_ms, ... up to the end of the audio; on its device.

    Raises:
        TinyclapError: audio that is too short, or no samples in [-1, 1].
    """
    last = int(1000 * audio.shape[-1] / model.sample_rate / model.hop_ms + 1e-9)
    timestamps = np.arange(last + 1) * model.hop_ms
    embedded = np.stack(
        [
            embed_at(
                model.bundle,
                mono(sound, model.sample_rate, model.bundle.sample_rate),
                timestamps / 1000,
                model.window_s,
            )
            for sound in _arrays(audio)
        ]
    )
    times = torch.from_numpy(timestamps.astype(np.float32)).expand(len(embedded), -1)
    return torch.from_numpy(embedded).to(audio.device), times.to(audio.device)


def get_scene_embeddings(audio: torch.Tensor, model: Model) -> torch.Tensor:
    """Embed each sound as a whole, as `Bundle.embed` does.

    Args:
        audio: as for `get_timestamp_embeddings`.
        model: of `load_model`.

    Returns:
        Unit-norm float32 (N, scene_embedding_size), on the device of the audio.

    Raises:
        TinyclapError: as `get_timestamp_embeddings`.
    """
    embedded = model.bundle.embed(list(_arrays(audio)), sample_rate=model.sample_rate)
    return torch.from_numpy(embedded).to(audio.device)


def _arrays(audio: torch.Tensor) -> np.ndarray:
    return audio.detach().cpu().float().numpy()
