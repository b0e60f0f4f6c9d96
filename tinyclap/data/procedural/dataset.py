"""Everyday-like sounds made of numpy alone, with labels and captions: a data set without files.

What the classes sound like is in `sounds/`; here is how clips are drawn, described and recorded.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import soxr

from tinyclap.audio.checks import AudioError
from tinyclap.audio.files import AudioInfo
from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.procedural.classes import SOUNDS
from tinyclap.data.procedural.synthesis import (
    INTERNAL_RATE,
    Rng,
    Sound,
    Wave,
    fade,
    fft_size,
    frequencies,
    gain,
    noise_spectrum,
    seconds,
)
from tinyclap.errors import TinyclapError, listed

VERSION = 1  # part of the fingerprint: raise it whenever a clip sounds different than before
SALT = 0x7C1A9  # keeps our random streams apart from those of anyone who also seeds with (seed, number)
N_FOLDS = 5
SHORTEST_S, LONGEST_S = 0.1, 600.0  # too short to be recognised; too long to be made in one piece
PEAK = 0.99
TAIL = INTERNAL_RATE // 2  # samples of the longest reverberation
RESPONSE_EDGES_HZ = (60.0, 250.0, 1000.0, 4000.0, 12000.0)

PROCEDURAL_LABELS = tuple(SOUNDS)


class Procedural(Dataset):
    """`n_clips` generated clips of everyday-like sounds.

    Clip i has the label `labels[i % len(labels)]` and depends on its label, `seed`, i and `duration_s` alone. It is
    made at 32 kHz and then resampled, so that it is the same sound at every sample rate; nothing is above 16 kHz. Five
    folds hold equally many clips of each class. Raises TinyclapError for arguments that make no data set.

    Args:
        n_clips: how many, at least 1.
        seed: 0 or more; other seeds give other clips.
        duration_s: length of every clip, 0.1 to 600 seconds.
        labels: classes in the order of the clips; None for all of PROCEDURAL_LABELS.
    """

    def __init__(
        self, n_clips: int, *, seed: int = 0, duration_s: float = 5.0, labels: Sequence[str] | None = None
    ) -> None:
        classes = PROCEDURAL_LABELS if labels is None else tuple(labels)
        _check(n_clips, seed, duration_s, classes)
        self.seed = seed
        self.duration_s = duration_s
        super().__init__(f"procedural-{seed}", [self._clip(number, classes) for number in range(n_clips)])

    def _clip(self, number: int, classes: Sequence[str]) -> Clip:
        label = classes[number % len(classes)]
        _, captions = _describe(SOUNDS[label], self._rng(number))
        fold = 1 + number // len(classes) % N_FOLDS
        return Clip(f"{label}-{self.seed}-{number:05d}", label, captions, fold)

    def _rng(self, number: int) -> Rng:
        return np.random.default_rng([SALT, self.seed, number])

    def _info(self, clip: Clip) -> AudioInfo:
        return AudioInfo(self.duration_s, INTERNAL_RATE, 1)

    def _load(self, clip: Clip, sample_rate: int, start_s: float, duration_s: float | None) -> Wave:
        _check_span(clip.name, self.duration_s, sample_rate, start_s, duration_s)
        rng = self._rng(int(clip.name.rpartition("-")[2]))
        waveform = render(SOUNDS[str(clip.label)], rng, self.duration_s, sample_rate)
        start = round(start_s * sample_rate)
        stop = None if duration_s is None else start + max(1, round(duration_s * sample_rate))
        return waveform[start:stop]

    def _content(self, clip: Clip) -> bytes:
        return f"procedural {VERSION} {clip.name} {self.duration_s:.9g}".encode()


def render(source: Sound, rng: Rng, duration_s: float, sample_rate: int) -> Wave:
    """One recording of a sound: float32, shape (round(duration_s * sample_rate),), peak at most 0.99."""
    parameters, _ = _describe(source, rng)
    t = seconds(duration_s)
    # Half of the sounds start and stop within the recording.
    sounding = len(t) if rng.random() < 0.5 else int(len(t) * rng.uniform(0.6, 1))
    dry = source.play(rng, t[:sounding], **parameters) * fade(t[:sounding], 0.005, 0.03)
    onset = rng.integers(len(t) - sounding + 1)
    waveform = record(rng, np.pad(dry, (onset, len(t) - sounding - onset)))
    if sample_rate != INTERNAL_RATE:
        waveform = soxr.resample(waveform, INTERNAL_RATE, sample_rate, quality="HQ")
    n = max(1, round(duration_s * sample_rate))
    return np.pad(waveform[:n], (0, max(0, n - len(waveform)))).clip(-PEAK, PEAK)


def _describe(source: Sound, rng: Rng) -> tuple[dict[str, float], tuple[str, ...]]:
    """Draws the parameters and one to three captions that fit them, without making the sound."""
    drawn = {name: span.draw(rng) for name, span in source.spans.items()}
    words = {name: word for name, (_, word) in drawn.items()}
    chosen = rng.permutation(len(source.captions))[: rng.integers(1, 4)]
    captions = dict.fromkeys(tidy(source.captions[index].format(**words)) for index in chosen)
    return {name: value for name, (value, _) in drawn.items()}, tuple(captions)


def tidy(caption: str) -> str:
    """A template's caption without the gaps of empty words, and with "an" before vowels."""
    return re.sub(r"\ba (?=[aeiou])", "an ", re.sub(r"\s+(?=,|$)", "", re.sub(r" +", " ", caption)).strip())


def record(rng: Rng, dry: Wave) -> Wave:
    """A microphone somewhere: float32, shape as `dry`.

    Half of the places reverberate (exponentially decaying noise). The microphone's response is uneven by 5 dB, the
    background noise falls by 0 to 9 dB per octave and lies 10 to 45 dB below the sound, and the peak lies 1 to 20 dB
    below full scale.
    """
    size = fft_size(len(dry) + TAIL)
    response = gain({edge_hz: rng.uniform(-5, 5) for edge_hz in RESPONSE_EDGES_HZ}, frequencies(size))
    sound = np.fft.rfft(dry, size).astype(np.complex64) * response
    if rng.random() < 0.5:
        sound *= np.fft.rfft(_room(rng), size).astype(np.complex64)
    tilt = rng.uniform(0, 9)
    background = noise_spectrum(rng, size, {60: 0, 15360: -8 * tilt})  # eight octaves
    background *= np.float32(10 ** (-rng.uniform(10, 45) / 20) * np.linalg.norm(sound) / np.linalg.norm(background))
    mixed = np.fft.irfft(sound + background, size)[: len(dry)]
    return mixed * np.float32(10 ** (-rng.uniform(1, 20) / 20) / np.abs(mixed).max())


def _room(rng: Rng) -> Wave:
    """An impulse response: the direct sound, then a tail of 50 to 500 ms that is 6 to 30 dB softer as a whole."""
    tail = np.arange(int(TAIL * rng.uniform(0.1, 1)))
    response = rng.standard_normal(len(tail)) * np.exp(-6.9 * tail / len(tail))
    response *= 10 ** (-rng.uniform(6, 30) / 20) / np.linalg.norm(response)
    response[0] += 1
    return response


def _check(n_clips: int, seed: int, duration_s: float, classes: Sequence[str]) -> None:
    if not n_clips >= 1:
        raise TinyclapError(f"procedural data: n_clips is {n_clips}; allowed: 1 or more")
    if not seed >= 0:
        raise TinyclapError(f"procedural data: seed is {seed}; allowed: 0 or more")
    if not SHORTEST_S <= duration_s <= LONGEST_S:
        raise TinyclapError(
            f"procedural data: duration_s is {duration_s}; allowed: {SHORTEST_S:g} to {LONGEST_S:g} seconds"
        )
    unknown = [label for label in classes if label not in SOUNDS]
    if unknown or not classes:
        given = f"does not know {listed(unknown)}" if unknown else "got an empty list of labels"
        raise TinyclapError(f"procedural data: {given}; allowed: {', '.join(PROCEDURAL_LABELS)}")
    twice = [label for label, count in Counter(classes).items() if count > 1]
    if twice:
        raise TinyclapError(f"procedural data: labels must differ, given twice: {listed(twice)}")


def _check_span(name: str, length_s: float, sample_rate: int, start_s: float, duration_s: float | None) -> None:
    if not (isinstance(sample_rate, int | np.integer) and sample_rate >= 1):
        raise TinyclapError(f"sample_rate is {sample_rate}; allowed: a whole number of Hz, 1 or more, e.g. 16000")
    if duration_s is not None and not (duration_s > 0 and math.isfinite(duration_s)):
        raise TinyclapError(f"duration_s is {duration_s}; allowed: above 0 seconds")
    if not (start_s >= 0 and math.isfinite(start_s)):
        raise TinyclapError(f"start_s is {start_s}; allowed: 0 or more seconds")
    if start_s >= length_s:
        raise AudioError(name, f"lasts {length_s:g} s, nothing at {start_s:g} s")
