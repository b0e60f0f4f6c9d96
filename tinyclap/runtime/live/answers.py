"""Live sound at work: after every hop, what the last window holds."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from tinyclap.audio.level import level_dbfs
from tinyclap.audio.windows import at_rate, of_stream
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.runtime.embed_sound import hop_samples
from tinyclap.runtime.judge import Answer, Judge

if TYPE_CHECKING:
    from tinyclap.runtime.bundle import Bundle


def embeddings(
    bundle: "Bundle",
    blocks: Iterable[np.ndarray],
    *,
    hop_s: float = 1.0,
    smoothing: float = 0.0,
    sample_rate: float | None = None,
    channel: int | None = None,
) -> Iterator[tuple[float, np.ndarray]]:
    """What `Bundle.stream` gives."""
    windows, embed = _windows(bundle, blocks, hop_s, smoothing, sample_rate, channel), _Smoothed(bundle, smoothing)
    return ((time_s, embed(window)) for time_s, window in windows)


def answers(
    bundle: "Bundle",
    judge: Judge,
    blocks: Iterable[np.ndarray],
    *,
    hop_s: float = 1.0,
    smoothing: float = 0.0,
    sample_rate: float | None = None,
    channel: int | None = None,
) -> Iterator[tuple[float, Answer]]:
    """Classify live sound: after every hop, the last window.

    Silent windows are not embedded, and smoothing begins anew after them.

    Args:
        bundle: that embeds.
        judge: `bundle.judge(...)`.
        blocks, hop_s, smoothing, sample_rate, channel: as for `Bundle.stream`.

    Yields:
        Seconds of sound so far, and the answer.

    Raises:
        TinyclapError: as `Bundle.stream` does.
    """
    windows = _windows(bundle, blocks, hop_s, smoothing, sample_rate, channel)
    return _answers(windows, judge, _Smoothed(bundle, smoothing))


def _answers(
    windows: Iterable[tuple[float, np.ndarray]], judge: Judge, embed: "_Smoothed"
) -> Iterator[tuple[float, Answer]]:
    for time_s, window in windows:
        level = level_dbfs(window)
        if judge.is_silence(level):
            embed.forget()
            yield time_s, judge.silence(level)
        else:
            yield time_s, judge(embed(window), level)


class _Smoothed:
    """Embeds windows; each embedding is smoothing times the one before plus (1 - smoothing) times the new one."""

    def __init__(self, bundle: "Bundle", smoothing: float) -> None:
        self._bundle, self._smoothing = bundle, smoothing
        self._past: np.ndarray | None = None

    def __call__(self, window: np.ndarray) -> np.ndarray:
        new = self._bundle.encode(window[None])[0].astype(np.float64)
        past = new if self._past is None else self._past
        self._past = self._smoothing * past + (1 - self._smoothing) * new
        return unit(self._past).astype(np.float32)

    def forget(self) -> None:
        """Begin anew."""
        self._past = None


def _windows(
    bundle: "Bundle",
    blocks: Iterable[np.ndarray],
    hop_s: float,
    smoothing: float,
    sample_rate: float | None,
    channel: int | None,
) -> Iterator[tuple[float, np.ndarray]]:
    """Seconds so far and the last window, for every hop; the settings are checked at once."""
    hop = hop_samples(bundle, hop_s, at_most_window=False)
    if not 0 <= smoothing < 1:
        raise TinyclapError(f"smoothing is {smoothing}: it must be at least 0 and below 1")
    own = at_rate(blocks, bundle.sample_rate if sample_rate is None else sample_rate, bundle.sample_rate, channel)
    windows = of_stream(own, bundle.manifest.window_samples, hop)
    return ((end / bundle.sample_rate, window) for end, window in windows)
