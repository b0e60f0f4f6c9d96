"""A bundle as an audio encoder of X-ARES: `tinyclap.suites.xares.Encoder("everyday")`.

Follows `xares.audio_encoder_checker` (xares 0.1.3). X-ARES finds the class in this module by the end of its name, so
`xares.run` can be given this file: it takes the newest bundle.
"""

import hashlib
import math
import re
from functools import partial
from typing import Any

import numpy as np
import torch

from tinyclap.audio.windows import mono
from tinyclap.matching.encoder import text_identity
from tinyclap.suites.decoding import let_torchaudio_read
from tinyclap.suites.frames import check_times, embed_at
from tinyclap.suites.loading import Named, bundle_of


class Encoder(torch.nn.Module):
    """One embedding for each stretch of `hop_s`: of the window around its middle.

    Where X-ARES takes the mean over time, as for clips, a hop of a second loses nothing; to tell when something sounds
    (DESED, MAESTRO) use a finer one and a shorter window, e.g. 0.1 and 1.

    X-ARES keeps embeddings and scores by the name of the class, and would give those of one bundle to the next; so each
    bundle, hop and window has a class of its own, e.g. `everyday_0f3a9c21_Encoder`.

    Args:
        bundle: see `loading.Named`.
        hop_s: seconds from one embedding to the next.
        window_s: seconds that each embedding hears; None for the bundle's window.

    Attributes:
        bundle: that embeds, on the CPU; results are moved to where the sound was.
        sampling_rate: that it takes, Hz.
        output_dim: of its embeddings.
        hop_size_in_ms: from one to the next.

    Raises:
        TinyclapError: there is no such bundle, or a hop or window out of range.
    """

    def __init__(self, bundle: Named = None, *, hop_s: float = 1.0, window_s: float | None = None) -> None:
        super().__init__()
        self.bundle = bundle_of(bundle)
        check_times(hop_s, window_s, self.bundle)
        self.hop_s, self.window_s = hop_s, window_s
        self.sampling_rate = self.bundle.sample_rate
        self.output_dim = self.bundle.embed_dim
        self.hop_size_in_ms = 1000 * hop_s
        let_torchaudio_read()
        if type(self) is Encoder:
            self.__class__ = self._class_of_its_own()

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """Embed sounds of at least 10 ms.

        Zeros at the end are what X-ARES fills batches up with. No window moves on into them; one that holds the last of
        the sound is repeated.

        Args:
            audio: float (B, samples) or (samples,) in [-1, 1] at `sampling_rate`.

        Returns:
            Unit-norm float32 (B, T, output_dim), T = the duration / hop_s, rounded up; on the device of the audio.

        Raises:
            TinyclapError: a sound that is too short, or no samples in [-1, 1].
        """
        sounds = audio.detach().cpu().float().numpy()
        embedded = np.stack([self._frames(sound) for sound in (sounds if sounds.ndim > 1 else sounds[None])])
        return torch.from_numpy(embedded).to(audio.device)

    def _frames(self, waveform: np.ndarray) -> np.ndarray:
        samples = mono(waveform, self.sampling_rate, self.sampling_rate)
        count = math.ceil(round(len(samples) / self.sampling_rate / self.hop_s, 6))
        seconds = (np.arange(max(1, count)) + 0.5) * self.hop_s
        sound = without_padding(samples, self.bundle.manifest.window_samples)
        return embed_at(self.bundle, sound, seconds, self.window_s)

    def _class_of_its_own(self) -> type["Encoder"]:
        told = repr((text_identity(self.bundle, self.bundle.graph), self.hop_s, self.window_s))
        name = re.sub(r"\W+", "_", self.bundle.manifest.name)
        name = f"{name}_{hashlib.blake2b(told.encode(), digest_size=4).hexdigest()}_Encoder"
        return type(name, (Encoder,), {"__doc__": Encoder.__doc__, "__module__": __name__, "__reduce__": _made_again})


def without_padding(samples: np.ndarray, least: int) -> np.ndarray:
    """Samples (T,) without the zeros at their end, but for those up to `least` samples."""
    sounding = np.flatnonzero(samples)
    return samples[: max(least, sounding[-1] + 1 if len(sounding) else 0)]


def _made_again(encoder: Encoder) -> tuple[Any, ...]:
    """For `pickle` and copies: another process makes the class again."""
    return partial(Encoder, hop_s=encoder.hop_s, window_s=encoder.window_s), (encoder.bundle,)
