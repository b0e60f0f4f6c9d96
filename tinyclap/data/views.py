"""Random views of clips that can be replayed: the k-th view of a clip is always the same sound.

A teacher embedding computed once belongs to exactly one waveform, so teacher and student hear the same view
("consistent teaching"; stored views as in MobileCLIP's reinforced data, arXiv 2311.17049). What is random is drawn
first, in seconds and decibels, and rendered afterwards at any sample rate: the teacher may hear 48 kHz and the student
16 kHz of one and the same view.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from tinyclap.audio.windows import fit
from tinyclap.data.decoded import Decoded
from tinyclap.data.noise import unit_noise
from tinyclap.data.view_spec import BAND_HZ, GRID_S, MIX_SNR_DB, NOISE_RATE, SPEED_STEPS, ViewSpec


@dataclass(frozen=True)
class Segment:
    """A stretch of one clip: where it begins, how far it is rolled, how fast it is played."""

    index: int
    start_s: float
    roll_s: float
    speed: float


@dataclass(frozen=True)
class View:
    """Everything that was drawn for one view, in units that do not depend on a sample rate."""

    duration_s: float
    own: Segment
    other: Segment | None
    mix_snr_db: float
    gain_db: float
    noise_snr_db: float | None
    noise_slope: float
    noise_seed: int
    mask_start_s: float
    mask_s: float
    band_hz: tuple[float, float] | None

    @property
    def other_share(self) -> float:
        """The other clip's share of the amplitude, 0 where nothing is mixed in."""
        amplitude = 0.0 if self.other is None else 10.0 ** (-self.mix_snr_db / 20.0)
        return amplitude / (1.0 + amplitude)


def draw(spec: ViewSpec, durations_s: Sequence[float], index: int, k: int) -> View:
    """Draw the k-th view of clip `index`: a pure function of its arguments.

    Args:
        durations_s: duration of every clip in the data set, which mixing partners are drawn from.
    """
    rng = np.random.default_rng([spec.seed, index, k])
    speed = _draw_speed(spec, rng)
    duration_s = spec.duration_of(k) if spec.repeat else min(spec.duration_of(k), durations_s[index] / speed)
    own = _draw_segment(spec, duration_s, durations_s, index, speed, rng)
    other = None
    if spec.mix and len(durations_s) > 1 and rng.random() < spec.mix:
        partner = (index + 1 + int(rng.integers(len(durations_s) - 1))) % len(durations_s)
        other = _draw_segment(spec, duration_s, durations_s, partner, _draw_speed(spec, rng), rng)
    mask_s = rng.uniform(0.0, spec.time_mask_s if spec.repeat else min(spec.time_mask_s, duration_s / 2))
    octaves = rng.uniform(0.0, spec.band_mask_octaves)
    low_hz = BAND_HZ[0] * 2.0 ** rng.uniform(0.0, max(0.0, math.log2(BAND_HZ[1] / BAND_HZ[0]) - octaves))
    noise_snr_db = None if spec.noise_snr_db is None else spec.noise_snr_db + rng.uniform(0.0, 30.0)
    return View(
        duration_s=duration_s,
        own=own,
        other=other,
        mix_snr_db=rng.uniform(*MIX_SNR_DB),
        gain_db=rng.uniform(-spec.gain_db, spec.gain_db),
        noise_snr_db=noise_snr_db,
        noise_slope=rng.uniform(0.0, 1.0),
        noise_seed=int(rng.integers(2**32)),
        mask_start_s=rng.uniform(0.0, duration_s - mask_s),
        mask_s=mask_s,
        band_hz=(low_hz, low_hz * 2.0**octaves) if spec.band_mask_octaves else None,
    )


def _draw_speed(spec: ViewSpec, rng: np.random.Generator) -> float:
    if not spec.speed:
        return 1.0
    # A grid of a few speeds, because building a resampling filter costs more than applying it.
    position = int(rng.integers(-SPEED_STEPS, SPEED_STEPS + 1)) / SPEED_STEPS
    return round((1.0 + spec.speed) ** position, 3)


def _draw_segment(
    spec: ViewSpec, duration_s: float, durations_s: Sequence[float], index: int, speed: float, rng: np.random.Generator
) -> Segment:
    spare_s = max(0.0, durations_s[index] - duration_s * speed)
    start_s = _on_grid(rng.uniform(0.0, spare_s)) if spec.crop else 0.0
    roll_s = _on_grid(rng.uniform(0.0, duration_s)) if spec.roll else 0.0
    return Segment(index, start_s, roll_s, speed)


def _on_grid(time_s: float) -> float:
    return math.floor(time_s / GRID_S) * GRID_S


def render(decoded: Decoded, view: View) -> np.ndarray:
    """The waveform of a view at the rate of `decoded`: float32 (round(view.duration_s * sample_rate),).

    The peaks of the files bound its own to 1; resampling may reach between their samples and overshoot by some 10 %.
    Rates agree on what is below both their Nyquist frequencies; at a speed below 1, below that fraction of them.
    """
    windows, rate, duration_s = decoded.windows, decoded.sample_rate, view.duration_s
    waveform = _render_segment(decoded, view.own, duration_s)
    own = windows[view.own.index]
    peak, power = own.peak, own.rms**2
    if view.other is not None:
        other = windows[view.other.index]
        ratio = own.rms / other.rms * 10.0 ** (-view.mix_snr_db / 20.0)
        waveform = waveform + np.float32(ratio) * _render_segment(decoded, view.other, duration_s)
        peak, power = peak + ratio * other.peak, power + (ratio * other.rms) ** 2
    if view.noise_snr_db is not None:
        level = math.sqrt(power) * 10.0 ** (-view.noise_snr_db / 20.0)
        waveform = waveform + np.float32(level) * _noise(view, duration_s, rate)
        peak += 4.0 * level
    if view.band_hz is not None:
        waveform = _without_band(waveform, view.band_hz, rate)
    # Levels come from the files, not from this rendering, so that every sample rate gets the same gain.
    gain = min(10.0 ** (view.gain_db / 20.0), 1.0 / peak) if peak > 0 else 1.0
    waveform = waveform * np.float32(gain)
    if view.mask_s:
        waveform[round(view.mask_start_s * rate) : round((view.mask_start_s + view.mask_s) * rate)] = 0.0
    return waveform.astype(np.float32, copy=False)


def _render_segment(decoded: Decoded, segment: Segment, duration_s: float) -> np.ndarray:
    rate = decoded.sample_rate
    length = round(duration_s * rate)
    waveform = decoded.waveform(segment.index, segment.start_s, duration_s * segment.speed)
    if segment.speed != 1.0:
        # Repeated before it is resampled: rates would round the length of a short clip differently at every repetition.
        waveform = fit(waveform, round(duration_s * segment.speed * rate))
        waveform = soxr.resample(waveform, segment.speed, 1.0, quality="MQ")
    waveform = fit(waveform, length)
    return np.roll(waveform, round(segment.roll_s * rate)) if segment.roll_s else waveform


def _noise(view: View, duration_s: float, sample_rate: int) -> np.ndarray:
    """Noise of unit power between white (slope 0) and pink (slope 1), the same at every sample rate."""
    noise = unit_noise(round(duration_s * NOISE_RATE), view.noise_slope, view.noise_seed).astype(np.float32)
    return fit(soxr.resample(noise, NOISE_RATE, sample_rate, quality="HQ"), round(duration_s * sample_rate))


def _without_band(waveform: np.ndarray, band_hz: tuple[float, float], sample_rate: int) -> np.ndarray:
    spectrum = np.fft.rfft(waveform)
    first, last = (int(hz / sample_rate * len(waveform)) for hz in band_hz)
    spectrum[first:last] = 0.0
    return np.fft.irfft(spectrum, len(waveform)).astype(np.float32)


class Views:
    """All views of a decoded data set, by clip index and view number.

    Args:
        decoded: the clips.
        spec: what varies.
    """

    def __init__(self, decoded: Decoded, spec: ViewSpec) -> None:
        self.decoded, self.spec = decoded, spec
        self._durations_s = decoded.windows.durations_s

    def __len__(self) -> int:
        return len(self.decoded)

    def draw(self, index: int, k: int) -> View:
        """What was drawn for view `k` of clip `index`."""
        return draw(self.spec, self._durations_s, index, k)

    def waveform(self, index: int, k: int) -> np.ndarray:
        """View `k` of clip `index`: float32 (T,), T its own duration."""
        return render(self.decoded, self.draw(index, k))

    def duration_s(self, index: int, k: int) -> float:
        """Seconds of view `k` of clip `index`."""
        return self.draw(index, k).duration_s

    def batch(self, rows: Sequence[tuple[int, int]]) -> np.ndarray:
        """Views by (index, k): float32 (B, T), T samples of the longest duration, zeros behind shorter ones."""
        longest = self._samples(self.spec.longest_s)
        waveforms = [self.waveform(index, k) for index, k in rows]
        return np.stack([np.pad(waveform, (0, longest - len(waveform))) for waveform in waveforms])

    def lengths(self, rows: Sequence[int]) -> np.ndarray:
        """Samples of the views that `block` makes of these rows: int (B,)."""
        return np.array([self._samples(self.spec.duration_of(row % self.spec.per_clip)) for row in rows])

    def _samples(self, duration_s: float) -> int:
        return round(duration_s * self.decoded.sample_rate)

    def block(self, rows: range) -> np.ndarray:
        """Views by row, where a row counts through the views of one clip after the other: float32 (B, T)."""
        return self.batch([divmod(row, self.spec.per_clip) for row in rows])
