"""From a sound of any kind and length to its embedding, or to one for each of its windows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypedDict, Unpack

import numpy as np

from tinyclap.audio.level import FAINTEST, in_dbfs, rms
from tinyclap.audio.windows import timed
from tinyclap.common.checks import is_number, plain
from tinyclap.common.parallel import stop_if_asked
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.runtime.sounds import Sound, stretches

if TYPE_CHECKING:
    from tinyclap.runtime.bundle import Bundle


class EmbedOptions(TypedDict, total=False):
    """Keyword arguments of `Bundle.embed`, which says what they are."""

    sample_rate: float | None
    hop_s: float | None
    channel: int | None


class EmbeddedSound(NamedTuple):
    """A sound's unit vector, float32 (embed_dim,), and the level of its loudest window (`audio.level`)."""

    embedding: np.ndarray
    level_dbfs: float


def refuse_unknown(options: EmbedOptions) -> None:
    """Raise a TypeError for keywords that are none, as Python does where they are written out."""
    unknown = sorted(set(options) - set(EmbedOptions.__annotations__))
    if unknown:
        known = ", ".join(EmbedOptions.__annotations__)
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}; besides those written out there are {known}")


def embed_sound(bundle: "Bundle", sound: Sound, **options: Unpack[EmbedOptions]) -> EmbeddedSound:
    """What `Bundle.embed_with_level` gives."""
    refuse_unknown(options)
    hop = hop_samples(bundle, options.get("hop_s"), at_most_window=True)
    total, loudest = np.zeros(bundle.embed_dim), 0.0
    for _, _, window in _windows(bundle, sound, hop, options):
        level = rms(window)
        total += (level + FAINTEST) * bundle.encode(window[None])[0]
        loudest = max(loudest, level)
    return EmbeddedSound(unit(total).astype(np.float32), in_dbfs(loudest))


def timed_embeddings(
    bundle: "Bundle", sound: Sound, **options: Unpack[EmbedOptions]
) -> Iterator[tuple[float, float, np.ndarray]]:
    """Start and end in seconds of each window, and its unit-norm float32 (embed_dim,), as soon as it is known.

    Raises:
        TinyclapError: as `Bundle.embed_windows` does.
    """
    hop, rate = hop_samples(bundle, options.get("hop_s"), at_most_window=False), bundle.sample_rate
    return (
        (start / rate, end / rate, bundle.encode(samples[None])[0])
        for start, end, samples in _windows(bundle, sound, hop, options)
    )


def hop_samples(bundle: "Bundle", hop_s: float | None, *, at_most_window: bool) -> int:
    """Samples from one window to the next: a window for None.

    Raises:
        TinyclapError: less than one sample, or, with `at_most_window`, windows that do not touch.
    """
    window, hop_s = bundle.manifest.window_samples, plain(hop_s)
    if hop_s is None:
        return window
    hop = round(hop_s * bundle.sample_rate) if is_number(hop_s) else 0
    if at_most_window and not 1 <= hop <= window:
        raise TinyclapError(
            f"hop_s is {hop_s}: it must be above 0 and at most a window, {bundle.manifest.window_s:g} s"
        )
    if hop < 1:
        raise TinyclapError(f"hop_s is {hop_s}: it must be at least one sample, {1 / bundle.sample_rate:.1g} s")
    return hop


def _windows(bundle: "Bundle", sound: Sound, hop: int, options: EmbedOptions) -> Iterator[tuple[int, int, np.ndarray]]:
    """What `audio.windows.timed` gives, at the bundle's rate."""
    window = bundle.manifest.window_samples
    pieces = stretches(sound, options.get("sample_rate"), bundle.sample_rate, window, options.get("channel"))
    for found in timed(pieces, window, hop):
        stop_if_asked()
        yield found
