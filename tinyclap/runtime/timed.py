"""Embeddings of a sound's windows, each with its time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tinyclap.audio.timed_windows import timed
from tinyclap.common.checks import is_number
from tinyclap.errors import TinyclapError
from tinyclap.runtime.sounds import Sound, stretches

if TYPE_CHECKING:
    from tinyclap.runtime.bundle import Bundle


def timed_embeddings(
    bundle: "Bundle", sound: Sound, hop_s: float | None = None, *, sample_rate: float | None = None
) -> Iterator[tuple[float, float, np.ndarray]]:
    """Start and end in seconds of each window, and its unit-norm float32 (embed_dim,), as soon as it is known.

    Raises:
        TinyclapError: as `Bundle.embed_windows` does.
    """
    window, rate = bundle.manifest.window_samples, bundle.sample_rate
    hop = window if hop_s is None else samples_in(hop_s, rate)
    return _embedded(bundle, timed(stretches(sound, sample_rate, rate, window), window, hop))


def samples_in(hop_s: float, rate: int) -> int:
    """Samples in a hop, at least one; raises a TinyclapError for what is none."""
    hop_s = hop_s.item() if isinstance(hop_s, np.generic) else hop_s
    hop = round(hop_s * rate) if is_number(hop_s) else 0
    if hop < 1:
        raise TinyclapError(f"hop_s is {hop_s}: it must be at least one sample, {1 / rate:.1g} s")
    return hop


def _embedded(
    bundle: "Bundle", windows: Iterator[tuple[int, int, np.ndarray]]
) -> Iterator[tuple[float, float, np.ndarray]]:
    for start, end, samples in windows:
        yield start / bundle.sample_rate, end / bundle.sample_rate, bundle.encode(samples[None])[0]
