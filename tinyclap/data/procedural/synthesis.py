"""The building bricks of synthetic sounds: noise, tones, ringing bodies, and when they happen.

Everything is made at `INTERNAL_RATE`. A time axis `t` holds the seconds of each sample, shape (n,); most bricks take
one and return a waveform of the same length. A *curve* is an equaliser drawn as {frequency in Hz: level in dB},
straight between its points over log-frequency and flat outside them.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import pi

import numpy as np

INTERNAL_RATE = 32_000
CEILING_HZ = 15_000  # the highest partial of a tone: below the Nyquist frequency, so that nothing folds back
CYCLE = 8_192  # samples in the stored cycle of a tone: reading the nearest one costs about -70 dB of noise

Rng = np.random.Generator
Wave = np.ndarray  # one dimension: samples, or a value for each sample
Curve = dict[float, float]


@dataclass(frozen=True)
class Span:
    """A parameter drawn log-uniformly from [low, high], and words for its values, spread evenly from low to high."""

    low: float
    high: float
    words: tuple[str, ...] = ("",)

    def draw(self, rng: Rng) -> tuple[float, str]:
        """A value and the word that describes it."""
        position = rng.random()
        return self.low * (self.high / self.low) ** position, self.words[int(position * len(self.words))]


@dataclass(frozen=True)
class Sound:
    """A class of sounds: `play(rng, t, **parameters)` renders it, each parameter drawn from its span.

    Captions may name a parameter in braces; its word ("fast", or nothing at all) is put there.
    """

    play: Callable[..., Wave]
    captions: tuple[str, ...]
    spans: dict[str, Span]


def sound(*captions: str, **spans: Span) -> Callable[[Callable[..., Wave]], Sound]:
    """Decorator that turns `play` into a `Sound` with these captions and parameters."""
    return lambda play: Sound(play, captions, spans)


def seconds(length_s: float) -> Wave:
    """A time axis of this length."""
    return np.arange(max(2, round(length_s * INTERNAL_RATE))) / INTERNAL_RATE


def length(t: Wave) -> float:
    """The seconds a time axis spans."""
    return len(t) / INTERNAL_RATE


def unit(waveform: Wave) -> Wave:
    """The waveform at a root mean square of 1."""
    return waveform / max(np.sqrt(np.mean(np.square(waveform))), 1e-12)


# Spectra -------------------------------------------------------------------------------------------------------------


def gain(curve: Curve, frequency: Wave) -> Wave:
    """Linear gain of an equaliser curve at each frequency in Hz; float32 makes inverse transforms 3 times faster."""
    points, levels = zip(*sorted(curve.items()), strict=True)
    level_db = np.interp(np.log(np.maximum(frequency, 1.0)), np.log(points), levels)
    return np.exp(level_db * (np.log(10) / 20)).astype(np.float32)


def formants(*centres: float) -> Curve:
    """A curve with a resonance at each centre: a throat, a wooden panel, an exhaust pipe."""
    around = {factor * centre: level for centre in centres for factor, level in ((0.7, -15), (1.0, 0), (1.4, -15))}
    return {min(centres) / 4: -40, **around, max(centres) * 4: -50}


def fft_size(n: int) -> int:
    """The next length from n on whose Fourier transform is fast: a power of two times 5, 6, 7 or 8."""
    step = 2 ** max(0, (n - 1).bit_length() - 3)
    return -(-n // step) * step


def frequencies(size: int) -> Wave:
    """The frequencies in Hz of the bins of a real Fourier transform, shape (size // 2 + 1,)."""
    return np.fft.rfftfreq(size, 1 / INTERNAL_RATE)


def filtered(waveform: Wave, curve: Curve) -> Wave:
    """The waveform through an equaliser (zero phase), at a root mean square of 1."""
    size = fft_size(len(waveform))
    spectrum = np.fft.rfft(waveform, size).astype(np.complex64) * gain(curve, frequencies(size))
    return unit(np.fft.irfft(spectrum, size)[: len(waveform)])


# Sources -------------------------------------------------------------------------------------------------------------


def noise_spectrum(rng: Rng, size: int, curve: Curve) -> np.ndarray:
    """The real Fourier transform of noise with the spectrum of a curve: complex64, shape (size // 2 + 1,)."""
    # Bins drawn from a square: as every sample sums thousands of them the noise is Gaussian, and it costs a third.
    bins = rng.random(2 * (size // 2 + 1), dtype=np.float32) - np.float32(0.5)
    return bins.view(np.complex64) * gain(curve, frequencies(size))


def noise(rng: Rng, t: Wave, curve: Curve) -> Wave:
    """Gaussian noise with the spectrum of a curve, at a root mean square of 1."""
    size = fft_size(len(t))
    return unit(np.fft.irfft(noise_spectrum(rng, size, curve), size)[: len(t)])


def cycles(t: Wave, frequency: float | Wave) -> Wave:
    """How many periods have passed at each sample; the frequency in Hz is a number or a curve over time, shape (n,)."""
    return t * frequency if np.ndim(frequency) == 0 else np.cumsum(frequency) / INTERNAL_RATE


def sine(t: Wave, frequency: float | Wave) -> Wave:
    """A pure tone of amplitude 1."""
    turns = cycles(t, frequency)
    return np.sin(2 * pi * (turns - np.floor(turns)).astype(np.float32))


def tone(t: Wave, frequency: float | Wave, curve: Curve) -> Wave:
    """A harmonic tone whose partials follow a curve, at a root mean square of 1."""
    partials = np.arange(1, max(1, min(CYCLE // 4, int(CEILING_HZ / np.max(frequency)))) + 1)
    spectrum = np.zeros(CYCLE // 2 + 1, dtype=np.complex64)
    spectrum[partials] = -1j * gain(curve, partials * np.mean(frequency))
    cycle = unit(np.fft.irfft(spectrum))
    turns = cycles(t, frequency)
    return cycle[((turns - np.floor(turns)) * CYCLE).astype(np.int32) % CYCLE]


def ring(partials: Iterable[float], decay_s: float) -> Wave:
    """A struck body: each partial in Hz rings and dies out, the higher the sooner and the softer; amplitude about 1."""
    t = seconds(5 * decay_s).astype(np.float32)
    hertz = np.array(list(partials), dtype=np.float32)[:, None]
    relative = hertz / hertz.min()
    waves = np.sin(2 * pi * hertz * t) * np.exp(-t / decay_s * np.sqrt(relative)) / np.sqrt(relative)
    return waves.sum(axis=0) / np.sqrt(len(hertz))


def burst(rng: Rng, decay_s: float, curve: Curve) -> Wave:
    """A knock without pitch: noise that dies out."""
    t = seconds(5 * decay_s)
    return noise(rng, t, curve) * np.exp(-t / decay_s)


# Envelopes and slow movements ----------------------------------------------------------------------------------------


def fade(t: Wave, attack_s: float, release_s: float) -> Wave:
    """An envelope: from 0 to 1 over the attack, and back to 0 over the release at the end."""
    envelope = np.ones(len(t))
    rise, fall = (min(len(t), 1 + int(edge_s * INTERNAL_RATE)) for edge_s in (attack_s, release_s))
    envelope[:rise] *= np.linspace(0, 1, rise)
    envelope[-fall:] *= np.linspace(1, 0, fall)
    return envelope


def gate(t: Wave, rate: float, share: float, edge_s: float = 0.01) -> Wave:
    """An envelope that is on for a share of every period, `rate` periods a second, with soft edges."""
    into_s = (t * rate - np.floor(t * rate)) / rate
    return np.clip(np.minimum(into_s, share / rate - into_s) / edge_s, 0, 1)


def wander(rng: Rng, t: Wave, rate: float, low: float, high: float) -> Wave:
    """A random line between low and high that heads for a new value `rate` times a second."""
    targets = rng.uniform(low, high, int(length(t) * rate) + 2)
    return np.interp(t * rate, np.arange(len(targets)), targets)


# Time ----------------------------------------------------------------------------------------------------------------


def beats(rng: Rng, t: Wave, rate: float, jitter: float = 0.04) -> Wave:
    """Times of a steady beat, each off by about `jitter` periods. At least one is well before the end."""
    period_s = min(1 / rate, length(t))
    steady = np.arange(rng.uniform(0, 0.4) * period_s, length(t), 1 / rate)
    return np.maximum(0, steady + period_s * rng.normal(0, jitter, len(steady)).clip(-2 * jitter, 2 * jitter))


def scatter(rng: Rng, t: Wave, rate: float) -> Wave:
    """Times of events that know nothing of each other, `rate` a second on average (a Poisson process). Never none."""
    return np.sort(rng.uniform(0, 0.95 * length(t), max(1, rng.poisson(rate * length(t)))))


def bouts(rng: Rng, t: Wave, count: int, step_s: float, pause_s: float) -> Iterator[Wave]:
    """Groups of times: `count` events every `step_s`, then a pause of about `pause_s`, and again."""
    start = rng.uniform(0, 0.1) * length(t)
    while start < length(t):
        group = start + step_s * (np.arange(count) + rng.normal(0, 0.03, count))
        yield np.maximum(0, group)
        start += count * step_s + pause_s * rng.uniform(0.7, 1.3)


def place(t: Wave, events: Iterable[tuple[float, Wave]]) -> Wave:
    """A waveform with each event's grain added at its time in seconds; what runs past the end is cut."""
    waveform = np.zeros(len(t))
    for time_s, grain in events:
        start = int(time_s * INTERNAL_RATE)
        piece = grain[: max(0, len(t) - start)]
        waveform[start : start + len(piece)] += piece
    return waveform


def melody(rng: Rng, count: int) -> Wave:
    """Pitch ratios of a tune that walks up and down one octave of the pentatonic scale, shape (count,)."""
    scale = np.array([0, 2, 4, 7, 9, 12])
    steps = np.cumsum(rng.choice([-2, -1, -1, 1, 1, 2], count)) + rng.integers(len(scale))
    folded = np.abs((steps % (2 * len(scale))) - len(scale)).clip(0, len(scale) - 1)
    return 2.0 ** (scale[folded] / 12)
