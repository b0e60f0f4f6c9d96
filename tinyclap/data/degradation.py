"""What a device does to a sound before a model hears it: distance, noise, rooms, cheap microphones, codecs.

Every degradation is a pure function of its settings, so that it can be replayed, and in physical units (dB, Hz,
seconds), so that it is the same one at every sample rate.
"""

import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import soundfile
import soxr
from annotated_types import Ge, Le

from tinyclap.audio.windows import fit
from tinyclap.common.settings import Conflicts, Settings
from tinyclap.data.degradation_spec import (
    Clipping,
    Codec,
    Decay,
    DegradationSpec,
    Gain,
    Hertz,
    Rate,
    SignalToNoise,
)
from tinyclap.data.noise import unit_noise

NOISE_RATE = 16_000  # Hz: of noise and rooms, whose band every common rate holds
VERSION = 1  # raised when a degraded sound would sound different
WORST = 0.95  # libsndfile's compression_level, 0 to 1
FILES = {"mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS"), "vorbis": ("OGG", "VORBIS")}
RATES = {  # that a codec knows, Hz; others are resampled to the next one
    "mp3": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    "opus": (8_000, 12_000, 16_000, 24_000, 48_000),
}
MU = 255.0
ORDER = 4  # of the band's slopes, a Butterworth filter's
DIRECT_TO_REVERBERANT = 1.0  # of the energies


@dataclass(frozen=True)
class Degradation(Settings):
    """One degradation; what is None or 0 is left as it is. In this order:

    Args:
        reverb_s: time in which a synthetic room's sound decays by 60 dB, seconds.
        snr_db: coloured noise is added, at this ratio of signal to noise.
        noise_slope: its colour, from 0 for white to 2 for brown.
        low_hz, high_hz: band of the microphone.
        level_db: gain; what is then beyond full scale is clipped.
        dc: constant offset, of full scale.
        clip_db: this much of the peak is cut off, dB.
        rate: lower sample rate in between, Hz.
        codec: that the sound goes through, at its lowest quality; `mulaw` is telephony's (ITU-T G.711).
        seed: of the noise and the room.

    Raises:
        NotAllowedError: naming the first bad field, its value and what is allowed.
    """

    place: ClassVar[str] = "degradation"

    reverb_s: Decay = 0.0
    snr_db: SignalToNoise | None = None
    noise_slope: Annotated[float, Ge(0), Le(2)] = 1.0
    low_hz: Hertz | None = None
    high_hz: Hertz | None = None
    level_db: Gain = 0.0
    dc: Annotated[float, Ge(-1), Le(1)] = 0.0
    clip_db: Clipping = 0.0
    rate: Rate | None = None
    codec: Codec | None = None
    seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 0

    def conflicts(self) -> Conflicts:
        """An empty band."""
        if self.low_hz is not None and self.high_hz is not None and self.low_hz >= self.high_hz:
            yield "low_hz", f"below high_hz = {self.high_hz:g}"

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides how a sound is degraded."""
        parts = [VERSION, WORST, ORDER, DIRECT_TO_REVERBERANT, dataclasses.asdict(self)]
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()

    def in_words(self) -> str:
        """What is done, for tables: "level_db=-30, snr_db=10"."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        changed = {name: value for name, value in values.items() if value != getattr(Degradation, name)}
        words = [
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in changed.items()
        ]
        return ", ".join(words) or "none"


STANDARD = {
    "6 dB louder": Degradation(level_db=6.0),
    "20 dB quieter": Degradation(level_db=-20.0),
    "40 dB quieter": Degradation(level_db=-40.0),
    "noise, 20 dB SNR": Degradation(snr_db=20.0),
    "noise, 10 dB SNR": Degradation(snr_db=10.0),
    "noise, 0 dB SNR": Degradation(snr_db=0.0),
    "telephone band": Degradation(low_hz=300.0, high_hz=3400.0),
    "cheap microphone": Degradation(low_hz=150.0, high_hz=6000.0),
    "room, 0.3 s": Degradation(reverb_s=0.3),
    "room, 1 s": Degradation(reverb_s=1.0),
    "clipped by 12 dB": Degradation(clip_db=12.0),
    "offset of 0.05": Degradation(dc=0.05),
    "8 kHz": Degradation(rate=8000),
    "mu-law": Degradation(codec="mulaw"),
    "MP3": Degradation(codec="mp3"),
    "Opus": Degradation(codec="opus"),
    "Vorbis": Degradation(codec="vorbis"),
    "20 dB quieter, noise, room": Degradation(level_db=-20.0, snr_db=10.0, reverb_s=0.5),
}
"""Conditions to measure robustness under: `tinyclap evaluate --degrade standard`."""


def draw(spec: DegradationSpec, seed: int, index: int, k: int) -> Degradation:
    """How the k-th view of clip `index` is degraded: a pure function of its arguments."""
    rng = np.random.default_rng([seed, index, k, VERSION])
    if rng.random() >= spec.share:
        return Degradation()

    def between(limits: tuple[float, float] | None, *, octaves: bool = False) -> float | None:
        """A value of a range, or None; drawn whether or not it is used, so that kinds do not depend on each other."""
        used, at = rng.random() < spec.each, rng.random()
        if limits is None or not used:
            return None
        low, high = limits
        return float(low * (high / low) ** at) if octaves else float(low + (high - low) * at)

    def one_of(choices: Sequence[Any]) -> Any:
        used, at = rng.random() < spec.each, rng.random()
        return choices[int(at * len(choices))] if used and choices else None

    return Degradation(
        reverb_s=between(spec.reverb_s) or 0.0,
        snr_db=between(spec.snr_db),
        noise_slope=float(rng.uniform(0.0, 2.0)),
        low_hz=between(spec.low_hz, octaves=True),
        high_hz=between(spec.high_hz, octaves=True),
        level_db=between(spec.level_db) or 0.0,
        clip_db=between(spec.clip_db) or 0.0,
        dc=between((-spec.dc, spec.dc)) or 0.0,
        rate=one_of(spec.rates),
        codec=one_of(spec.codecs),
        seed=int(rng.integers(2**32 - 1)),
    )


def degrade(waveform: np.ndarray, sample_rate: int, how: Degradation) -> np.ndarray:
    """A degraded sound, of the same length.

    Args:
        waveform: float32 (T,) in [-1, 1].
        sample_rate: Hz.
        how: what is done to it.

    Returns:
        float32 (T,) in [-1, 1].
    """
    sound = waveform.astype(np.float64)
    if how.reverb_s:
        sound = _in_a_room(sound, sample_rate, how)
    if how.snr_db is not None:
        level = math.sqrt(float(np.mean(np.square(sound)))) * 10.0 ** (-how.snr_db / 20.0)
        sound = sound + level * coloured_noise(len(sound), sample_rate, how.noise_slope, how.seed)
    if how.low_hz is not None or how.high_hz is not None:
        sound = _in_band(sound, sample_rate, how.low_hz, how.high_hz)
    sound = sound * 10.0 ** (how.level_db / 20.0) + how.dc
    if how.clip_db:
        most = float(np.abs(sound).max()) * 10.0 ** (-how.clip_db / 20.0)
        sound = sound.clip(-most, most)
    heard = sound.clip(-1.0, 1.0).astype(np.float32)
    if how.rate is not None and how.rate < sample_rate:
        heard = _through(how.rate, heard, sample_rate, lambda narrow: narrow)
    if how.codec is not None:
        heard = _coded(heard, sample_rate, how.codec)
    return heard.clip(-1.0, 1.0)


def coloured_noise(length: int, sample_rate: int, slope: float, seed: int) -> np.ndarray:
    """Noise (length,) of unit power, its density falling as 1 / f ** slope; the same sound at every sample rate."""
    own_length = math.ceil(length / sample_rate * NOISE_RATE) + 1
    noise = unit_noise(_fast(own_length), slope, seed)
    return fit(soxr.resample(noise[:own_length], NOISE_RATE, sample_rate, quality="HQ"), length)


def _fast(length: int) -> int:
    """The next power of two, of which Fourier transforms are fast."""
    return int(2 ** math.ceil(math.log2(length)))


def _in_a_room(sound: np.ndarray, sample_rate: int, how: Degradation) -> np.ndarray:
    """The direct sound and as much of exponentially decaying reflections (Polack's model), at the level of before."""
    length = max(2, round(how.reverb_s * sample_rate))
    tail = coloured_noise(length, sample_rate, 1.0, how.seed + 1) * 10.0 ** (-3.0 * np.arange(length) / length)
    energy = how.reverb_s * NOISE_RATE / (6.0 * math.log(10.0))  # of the squared decay's sum, at the noise's rate
    tail *= NOISE_RATE / sample_rate / math.sqrt(DIRECT_TO_REVERBERANT * energy)
    tail[0] += 1.0
    size = _fast(len(sound) + length)
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[: len(sound)]
    dry_rms, wet_rms = (math.sqrt(float(np.mean(np.square(part)))) for part in (sound, wet))
    return wet * (dry_rms / max(wet_rms, 1e-12))


def _in_band(sound: np.ndarray, sample_rate: int, low_hz: float | None, high_hz: float | None) -> np.ndarray:
    """A Butterworth band, without its phase."""
    size = _fast(len(sound))
    hz = np.fft.rfftfreq(size, 1.0 / sample_rate)
    gain = np.ones_like(hz)
    if low_hz is not None:
        gain /= np.sqrt(1.0 + (low_hz / np.maximum(hz, 1e-3)) ** (2 * ORDER))
    if high_hz is not None:
        gain /= np.sqrt(1.0 + (hz / high_hz) ** (2 * ORDER))
    return np.fft.irfft(np.fft.rfft(sound, size) * gain, size)[: len(sound)]


def _through(rate: int, sound: np.ndarray, sample_rate: int, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A sound changed at another sample rate, of the same length afterwards."""
    narrow = sound if rate == sample_rate else soxr.resample(sound, sample_rate, rate, quality="HQ")
    changed = change(narrow.clip(-1.0, 1.0))
    changed = np.pad(changed[: len(narrow)], (0, max(0, len(narrow) - len(changed))))
    back = changed if rate == sample_rate else soxr.resample(changed, rate, sample_rate, quality="HQ")
    return np.pad(back[: len(sound)], (0, max(0, len(sound) - len(back)))).astype(np.float32)


def _coded(sound: np.ndarray, sample_rate: int, codec: Codec) -> np.ndarray:
    if codec == "mulaw":
        return _through(8_000, sound, sample_rate, _mu_law)
    rates = RATES.get(codec, (sample_rate,))
    rate = next((known for known in rates if known >= sample_rate), rates[-1])
    form, subtype = FILES[codec]

    def there_and_back(samples: np.ndarray) -> np.ndarray:
        with io.BytesIO() as content:
            soundfile.write(content, samples, rate, format=form, subtype=subtype, compression_level=WORST)
            content.seek(0)
            decoded: np.ndarray = soundfile.read(content, dtype="float32")[0]
        return decoded

    return _through(rate, sound, sample_rate, there_and_back)


def _mu_law(sound: np.ndarray) -> np.ndarray:
    """Eight bits a sample, finer where it is quiet (ITU-T G.711's companding, continuous form)."""
    code = np.sign(sound) * np.log1p(MU * np.abs(sound)) / math.log1p(MU)
    code = np.round(code * 127.0) / 127.0
    return (np.sign(code) * np.expm1(np.abs(code) * math.log1p(MU)) / MU).astype(np.float32)
