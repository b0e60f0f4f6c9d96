"""Windows that know their time, from a sound of any length in bounded memory."""

from collections.abc import Iterable, Iterator

import numpy as np

from tinyclap.audio.windows import fit


def timed(stretches: Iterable[np.ndarray], window: int, hop: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """A window every `hop` samples, the last one aligned to the end; of a shorter sound the only one, repeated.

    Args:
        stretches: consecutive pieces (n,) of a sound that is not empty, of any lengths.
        window, hop: samples.

    Yields:
        First sample, the one behind the last, and float32 (window,).
    """
    kept = np.empty(0, np.float32)
    begin = due = end = 0  # of what is kept; of the next window; of the last one
    for stretch in stretches:
        kept = np.concatenate([kept, stretch])
        heard = begin + len(kept)
        while due + window <= heard:
            end = due + window
            yield due, end, kept[due - begin :][:window]
            due += hop
        needless = max(0, min(due, heard - window) - begin)
        kept, begin = kept[needless:], begin + needless
    heard = begin + len(kept)
    if end < heard:
        start = max(0, heard - window)
        yield start, heard, fit(kept[start - begin :], window)
