"""From a sound of any kind and length to its embedding, or to one for each of its windows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypedDict, Unpack

import numpy as np

from tinyclap.audio.level import LOWEST_DBFS, level_dbfs, weight
from tinyclap.audio.timed_windows import timed
from tinyclap.audio.windows import mono, of_array, of_file
from tinyclap.common.checks import is_number
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.runtime.sounds import Sound, as_file, samples_of, stretches

if TYPE_CHECKING:
    from tinyclap.runtime.bundle import Bundle


class HowToHear(TypedDict, total=False):
    """Keyword arguments of `Bundle.embed`, which says what they are."""

    sample_rate: float | None
    hop_s: float | None
    channel: int | None


class Heard(NamedTuple):
    """A sound's unit vector, float32 (embed_dim,), and the level of its loudest window (`audio.level`)."""

    embedding: np.ndarray
    level_dbfs: float


def hear(bundle: "Bundle", sound: Sound, **how: Unpack[HowToHear]) -> Heard:
    """What `Bundle.hear` gives."""
    total, loudest = np.zeros(bundle.embed_dim), LOWEST_DBFS
    for window in _windows(bundle, sound, **how):
        total += weight(window) * bundle.encode(window[None])[0]
        loudest = max(loudest, level_dbfs(window))
    return Heard(unit(total).astype(np.float32), loudest)


def timed_embeddings(
    bundle: "Bundle", sound: Sound, **how: Unpack[HowToHear]
) -> Iterator[tuple[float, float, np.ndarray]]:
    """Start and end in seconds of each window, and its unit-norm float32 (embed_dim,), as soon as it is known.

    Raises:
        TinyclapError: as `Bundle.embed_windows` does.
    """
    window, rate, hop_s = bundle.manifest.window_samples, bundle.sample_rate, how.get("hop_s")
    hop = window if hop_s is None else samples_in(hop_s, rate)
    pieces = stretches(sound, how.get("sample_rate"), rate, window, how.get("channel"))
    return (
        (start / rate, end / rate, bundle.encode(samples[None])[0])
        for start, end, samples in timed(pieces, window, hop)
    )


def samples_in(hop_s: float, rate: int) -> int:
    """Samples in a hop, at least one; raises a TinyclapError for what is none."""
    hop_s = hop_s.item() if isinstance(hop_s, np.generic) else hop_s
    hop = round(hop_s * rate) if is_number(hop_s) else 0
    if hop < 1:
        raise TinyclapError(f"hop_s is {hop_s}: it must be at least one sample, {1 / rate:.1g} s")
    return hop


def refuse_hop(bundle: "Bundle", hop_s: float | None) -> int | None:
    """Samples from one window to the next; raises a TinyclapError unless windows touch."""
    hop_s = hop_s.item() if isinstance(hop_s, np.generic) else hop_s
    if hop_s is None:
        return None
    if not (is_number(hop_s) and 1 <= round(hop_s * bundle.sample_rate) <= bundle.manifest.window_samples):
        raise TinyclapError(
            f"hop_s is {hop_s}: it must be above 0 and at most a window, {bundle.manifest.window_s:g} s"
        )
    return round(hop_s * bundle.sample_rate)


def _windows(bundle: "Bundle", sound: Sound, **how: Unpack[HowToHear]) -> Iterator[np.ndarray]:
    """Float32 (window,) at the bundle's rate."""
    window, hop, channel = bundle.manifest.window_samples, refuse_hop(bundle, how.get("hop_s")), how.get("channel")
    array = samples_of(sound, how.get("sample_rate"), channel)
    if array is not None:
        yield from of_array(mono(*array, bundle.sample_rate), window, hop)
        return
    with as_file(sound) as path:
        yield from of_file(path, bundle.sample_rate, window, hop, channel)
