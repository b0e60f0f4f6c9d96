"""One embedding for each of many moments of a sound, for suites that ask when something sounds."""

import numpy as np

from tinyclap.audio.windows import fit
from tinyclap.common.checks import is_number
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle

LONGEST_HOP_S = 60.0


def embed_at(bundle: Bundle, samples: np.ndarray, seconds: np.ndarray, window_s: float | None = None) -> np.ndarray:
    """Embed what is heard around each moment.

    A window lies around its moment, moved where it would leave the sound. Windows at the same place are embedded once.

    Args:
        bundle: that embeds.
        samples: float32 (T,) in [-1, 1] at the bundle's rate, T > 0.
        seconds: F moments.
        window_s: that is heard; it is repeated up to the bundle's window, as a short sound is. None for all of that.

    Returns:
        Unit-norm float32 (F, embed_dim).
    """
    rate, whole = bundle.sample_rate, bundle.manifest.window_samples
    window = whole if window_s is None else min(whole, max(1, round(window_s * rate)))
    first = np.rint(np.asarray(seconds) * rate).astype(np.int64) - window // 2
    places, at = np.unique(np.clip(first, 0, max(0, len(samples) - window)), return_inverse=True)
    embedded = [bundle.encode(fit(samples[place : place + window], whole)[None])[0] for place in places]
    return np.stack(embedded)[at]


def check_times(hop_s: float, window_s: float | None, bundle: Bundle) -> None:
    """Raise a TinyclapError for a hop or a window that is out of range."""
    if not (is_number(hop_s) and 0.001 <= hop_s <= LONGEST_HOP_S):
        raise TinyclapError(f"hop_s is {hop_s}: it must be 0.001 to {LONGEST_HOP_S:g} s")
    longest = bundle.manifest.window_s
    if window_s is not None and not (is_number(window_s) and 0.01 <= window_s <= longest):
        raise TinyclapError(
            f"window_s is {window_s}: it must be 0.01 to {longest:g} s, the bundle's own window, or None"
        )
