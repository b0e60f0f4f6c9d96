"""What a student may hear worse than its teacher does."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from tinyclap.common.settings import Conflicts, Settings

Codec = Literal["mulaw", "mp3", "opus", "vorbis"]
CODECS: tuple[Codec, ...] = ("mulaw", "mp3", "opus", "vorbis")
Decay = Annotated[float, Ge(0), Le(10)]
SignalToNoise = Annotated[float, Ge(-30), Le(100)]
Hertz = Annotated[float, Gt(0), Le(500_000)]
Gain = Annotated[float, Ge(-100), Le(60)]
Clipping = Annotated[float, Ge(0), Le(60)]
Rate = Annotated[int, Ge(2000), Le(500_000)]
RANGES = ("reverb_s", "snr_db", "low_hz", "high_hz", "level_db", "clip_db")


@dataclass(frozen=True)
class DegradationSpec(Settings):
    """How the views that a student learns from may be degraded; its teacher hears them as they are.

    A range is [lowest, highest], and null or an empty list leaves a kind out; what each kind is, `degradation` says.

    Args:
        share: of the views that are degraded at all.
        each: probability of every kind in a degraded view.
        reverb_s: decay time of a room, seconds.
        snr_db: signal-to-noise ratio of coloured noise, dB.
        low_hz, high_hz: band of the microphone, Hz.
        level_db: gain, dB.
        clip_db: how much of the peak is cut off, dB.
        dc: largest constant offset, of full scale.
        rates: lower sample rates in between, Hz.
        codecs: of `mulaw`, `mp3`, `opus`, `vorbis`.

    Raises:
        NotAllowedError: naming the first bad field, its value and what is allowed.
    """

    place: ClassVar[str] = "views.student"

    share: Annotated[float, Ge(0), Le(1)] = 0.8
    each: Annotated[float, Gt(0), Le(1)] = 0.3
    reverb_s: tuple[Decay, Decay] | None = (0.1, 1.0)
    snr_db: tuple[SignalToNoise, SignalToNoise] | None = (0.0, 30.0)
    low_hz: tuple[Hertz, Hertz] | None = (50.0, 500.0)
    high_hz: tuple[Hertz, Hertz] | None = (2000.0, 8000.0)
    level_db: tuple[Gain, Gain] | None = (-40.0, 6.0)
    clip_db: tuple[Clipping, Clipping] | None = (1.0, 20.0)
    dc: Annotated[float, Ge(0), Le(1)] = 0.05
    rates: tuple[Rate, ...] = (8000,)
    codecs: tuple[Codec, ...] = CODECS

    def conflicts(self) -> Conflicts:
        """Ranges the wrong way round, bands that may be empty."""
        for name in RANGES:
            given = getattr(self, name)
            if given is not None and given[0] > given[1]:
                yield name, "[lowest, highest]"
        if self.low_hz and self.high_hz and self.low_hz[1] >= self.high_hz[0]:
            yield "low_hz", f"below high_hz = {list(self.high_hz)}"

    @property
    def fingerprint(self) -> str:
        """Hash of all settings."""
        return hashlib.blake2b(json.dumps(asdict(self), sort_keys=True).encode(), digest_size=16).hexdigest()
