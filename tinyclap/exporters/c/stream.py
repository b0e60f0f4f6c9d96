"""The sizes of a stream: windows that begin every hop, whose first and last frames their ends mirror."""

from dataclasses import dataclass

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError

DEFAULT_HOP_S = 1.0


@dataclass(frozen=True)
class StreamShape:
    """What a stream keeps.

    Attributes:
        hop: samples between the starts of two windows, whole frames.
        edges: frames that the start of a window mirrors.
        starts: windows whose first frames are kept at once.
        chunks: stretches of a frame's hop whose levels are kept.
        first_at_end: the first frame that the end of a window mirrors.
    """

    hop: int
    edges: int
    starts: int
    chunks: int
    first_at_end: int


def stream_shape(spec: FrontendSpec, window: int, hop_s: float | None = None) -> StreamShape:
    """The stream of windows of `window` samples, one every `hop_s` seconds, rounded to whole frames.

    Raises:
        TinyclapError: a window of fewer than two frames' samples, or a hop that is none.
    """
    if window < 2 * spec.n_fft:
        raise TinyclapError(
            f"--c: a window of {window} samples is too short for a stream; at least 2 * n_fft = {2 * spec.n_fft}"
        )
    half, frame_hop = spec.n_fft // 2, spec.hop_length
    wanted = min(DEFAULT_HOP_S, window / spec.sample_rate) if hop_s is None else hop_s
    hop = round(wanted * spec.sample_rate / frame_hop) * frame_hop
    if not frame_hop <= hop <= window:
        low, high = frame_hop / spec.sample_rate, window / spec.sample_rate
        raise TinyclapError(f"--hop {wanted:g}: allowed: {low:g} to {high:g} seconds, a frame's hop to a whole window")
    return StreamShape(
        hop=hop,
        edges=-(-half // frame_hop),
        starts=window // hop + 2,
        chunks=window // frame_hop + 1,
        first_at_end=max(0, (window - half) // frame_hop + 1),
    )
