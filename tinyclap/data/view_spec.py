"""What may vary between the views of a clip."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le, MinLen

from tinyclap.common.settings import Conflicts, Settings
from tinyclap.data.degradation_spec import DegradationSpec

VERSION = 1  # of draw and render: raised when a view would sound different, so that stored ones are made again
GRID_S = 0.01  # of times within clips: whole samples at every common rate, so that none gets another offset
NOISE_RATE = 32_000
SPEED_STEPS = 8
MIX_SNR_DB = (0.0, 12.0)
BAND_HZ = (50.0, 8_000.0)  # where bands are removed


Duration = Annotated[float, Gt(0), Le(3600)]


@dataclass(frozen=True)
class ViewSpec(Settings):
    """What may vary between the views of one clip; with everything off, the one view is the clip itself.

    Args:
        seed: of the draw; runs of other seeds that share this one reuse the stored views and teacher embeddings.
        per_clip: number of different views of each clip.
        duration_s: length of a view; shorter clips are repeated. Of several lengths the views of a clip take turns.
        repeat: false leaves shorter clips as short as they are, for a tower that hears any length.
        crop: begin anywhere in clips longer than a view.
        roll: shift circularly in time.
        gain_db: level change, uniform in ±gain_db.
        mix: probability of adding another clip, 0 to 12 dB below this one.
        speed: playback speed, log-uniform between 1/(1+speed) and 1+speed (tempo and pitch change together).
        noise_snr_db: lowest signal-to-noise ratio of added coloured noise (highest: 30 dB above); None adds none.
        time_mask_s: longest stretch that is silenced.
        band_mask_octaves: widest band that is removed.
        student: how the student may hear a view degraded, which its teacher hears as it is; None: it hears the same.

    Raises:
        NotAllowedError: naming the first bad field, its value and what is allowed.
    """

    place: ClassVar[str] = "views"

    seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 0
    per_clip: Annotated[int, Ge(1), Le(10_000)] = 16
    duration_s: Duration | Annotated[tuple[Duration, ...], MinLen(1)] = 5.0
    repeat: bool = True
    crop: bool = True
    roll: bool = True
    gain_db: Annotated[float, Ge(0), Le(60)] = 6.0
    mix: Annotated[float, Ge(0), Le(1)] = 0.5
    speed: Annotated[float, Ge(0), Le(1)] = 0.0
    noise_snr_db: Annotated[float, Ge(-20), Le(30)] | None = None
    time_mask_s: Annotated[float, Ge(0)] = 0.0
    band_mask_octaves: Annotated[float, Ge(0), Le(10)] = 0.0
    student: DegradationSpec | None = None

    def conflicts(self) -> Conflicts:
        """A silence as long as the shortest view."""
        if self.time_mask_s >= min(self.durations_s):
            yield "time_mask_s", f"less than duration_s = {min(self.durations_s):g}"

    @property
    def durations_s(self) -> tuple[float, ...]:
        """Of the views of a clip, in turns."""
        return self.duration_s if isinstance(self.duration_s, tuple) else (self.duration_s,)

    def duration_of(self, k: int) -> float:
        """Of the k-th view of a clip, seconds."""
        return self.durations_s[k % len(self.durations_s)]

    @property
    def longest_s(self) -> float:
        """Of the longest view: a student's window."""
        return max(self.durations_s)

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides how a view sounds to a teacher (not of the seed, nor of how many there are)."""
        left_out = ("seed", "per_clip", "student", *(["repeat"] if self.repeat else []))  # the last came later
        settings = {key: value for key, value in asdict(self).items() if key not in left_out}
        constants = [VERSION, GRID_S, NOISE_RATE, SPEED_STEPS, MIX_SNR_DB, BAND_HZ]
        return hashlib.blake2b(json.dumps([settings, constants], sort_keys=True).encode(), digest_size=16).hexdigest()


FIXED = ViewSpec(per_clip=1, crop=False, roll=False, gain_db=0.0, mix=0.0)
