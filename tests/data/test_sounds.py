"""The building bricks of generated sounds, and whether the classes made of them can be told apart."""

from itertools import pairwise

import numpy as np
import pytest

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.data.procedural.dataset import PROCEDURAL_LABELS, Procedural
from tinyclap.data.procedural.synthesis import (
    INTERNAL_RATE,
    beats,
    bouts,
    fft_size,
    melody,
    noise,
    place,
    ring,
    scatter,
    seconds,
    sine,
    tone,
)

N_LABELS = len(PROCEDURAL_LABELS)


class TestSeparable:
    """A linear classifier on a few statistics of the log-mel spectrogram, trained on other seeds' clips."""

    SPEC = FrontendSpec(n_mels=40)

    def log_mels(self, n_each: int, seed: int) -> np.ndarray:
        clips = Procedural(n_each * N_LABELS, seed=seed)
        window, filters = np.hanning(512).astype(np.float32), self.SPEC.mel_filterbank()
        rows = []
        for index in range(len(clips)):
            frames = np.lib.stride_tricks.sliding_window_view(clips.load(index, 16_000), 512)[::320] * window
            rows.append(10 * np.log10(np.maximum(np.abs(np.fft.rfft(frames)) ** 2 @ filters, 1e-10)))
        levels = np.array(rows)
        return np.maximum(levels - levels.max(axis=(1, 2), keepdims=True), -50)  # (clips, frames, mels)

    @staticmethod
    def statistics(log_mels: np.ndarray) -> np.ndarray:
        bands = log_mels.reshape(*log_mels.shape[:2], 8, -1).mean(axis=-1)
        rhythm = np.abs(np.fft.rfft(bands - bands.mean(axis=1, keepdims=True), 512, axis=1))
        edges = [1, 3, 6, 10, 18, 32, 60, 110, 200, 256]
        rhythms = [np.log1p(rhythm[:, low:high].mean(axis=1)) for low, high in pairwise(edges)]
        changes = [np.abs(np.diff(log_mels, axis=axis)).mean(axis=1) for axis in (1, 2)]
        return np.concatenate([log_mels.mean(axis=1), log_mels.std(axis=1), *changes, *rhythms], axis=1)

    @staticmethod
    def accuracy(train: np.ndarray, test: np.ndarray) -> float:
        """Of linear discriminant analysis with a shrunken covariance."""
        mean, deviation = train.mean(axis=0), train.std(axis=0) + 1e-6
        train, test = (train - mean) / deviation, (test - mean) / deviation
        labels = np.arange(len(train)) % N_LABELS
        centres = np.stack([train[labels == label].mean(axis=0) for label in range(N_LABELS)])
        rest = train - centres[labels]
        weights = np.linalg.solve(rest.T @ rest / len(rest) + 0.3 * np.eye(len(mean)), centres.T)
        scores = test @ weights - 0.5 * np.sum(centres.T * weights, axis=0)
        return float(np.mean(scores.argmax(axis=1) == np.arange(len(test)) % N_LABELS))

    @pytest.mark.slow
    def test_by_spectrum_and_rhythm_but_not_by_the_mean_spectrum_alone(self) -> None:
        train, test = self.log_mels(8, seed=0), self.log_mels(4, seed=1)
        assert self.accuracy(self.statistics(train), self.statistics(test)) >= 0.8
        assert self.accuracy(train.mean(axis=1), test.mean(axis=1)) < 0.8


class TestBricks:
    def test_noise_has_the_spectrum_of_its_curve(self) -> None:
        t = seconds(4)
        waveform = noise(np.random.default_rng(0), t, {500: 0, 4_000: -30})
        power = np.abs(np.fft.rfft(waveform)) ** 2
        hertz = np.fft.rfftfreq(len(t), 1 / INTERNAL_RATE)

        def level_db(centre: float) -> float:
            return float(10 * np.log10(power[np.abs(hertz / centre - 1) < 0.05].mean()))

        assert level_db(1_000) - level_db(300) == pytest.approx(-10, abs=1)  # 30 dB in three octaves
        assert level_db(8_000) - level_db(300) == pytest.approx(-30, abs=1)
        assert np.sqrt(np.mean(np.square(waveform))) == pytest.approx(1, rel=1e-5)
        assert np.mean(waveform**4) == pytest.approx(3, abs=0.15)  # Gaussian

    def test_partials_of_a_tone_follow_its_curve_and_stay_below_the_ceiling(self) -> None:
        t = seconds(1)
        spectrum = np.abs(np.fft.rfft(tone(t, 1_000.0, {1_000: 0, 2_000: -12, 20_000: -20})))
        assert 20 * np.log10(spectrum[2_000] / spectrum[1_000]) == pytest.approx(-12, abs=0.1)
        assert spectrum[15_000] > 100 * spectrum[16_000]
        assert spectrum[1_500] < 0.002 * spectrum[1_000]

    def test_a_gliding_tone_is_where_its_frequency_says(self) -> None:
        t = seconds(1)
        gliding = sine(t, 1_000 + 1_000 * t)
        crossings = np.flatnonzero(np.diff(np.signbit(gliding).astype(int)) == -1)
        assert len(crossings) == pytest.approx(1_500, abs=1)

    def test_a_struck_body_rings_at_its_partials_and_dies_out(self) -> None:
        grain = ring([400, 1_000], decay_s=0.1)
        spectrum = np.abs(np.fft.rfft(grain, INTERNAL_RATE))
        assert np.argmax(spectrum) == pytest.approx(400, abs=2)
        assert np.argmax(spectrum[700:]) + 700 == pytest.approx(1_000, abs=3)
        assert np.abs(grain[-100:]).max() < 0.01 * np.abs(grain).max()

    def test_grains_land_on_their_times_and_are_cut_at_the_end(self) -> None:
        t = seconds(0.01)
        placed = place(t, [(0.001, np.ones(2)), (0.00996875, np.ones(9)), (5.0, np.ones(3))])
        assert np.flatnonzero(placed).tolist() == [32, 33, 319]

    @pytest.mark.parametrize("length_s", [0.05, 1.0, 10.0])
    def test_there_is_always_an_event_well_before_the_end(self, length_s: float) -> None:
        t = seconds(length_s)
        for seed in range(50):
            rng = np.random.default_rng(seed)
            for times in (beats(rng, t, 0.3, 0.2), scatter(rng, t, 0.3), next(bouts(rng, t, 3, 0.2, 1))):
                assert 0 <= times.min() < 0.96 * length_s

    def test_beats_keep_their_rate(self) -> None:
        times = beats(np.random.default_rng(0), seconds(10), 4, jitter=0.02)
        assert len(times) in (39, 40)
        assert np.diff(times) == pytest.approx(0.25, abs=0.03)

    def test_a_tune_stays_within_an_octave(self) -> None:
        tune = melody(np.random.default_rng(0), 1_000)
        assert tune.min() == 1
        assert tune.max() == 2
        assert np.abs(np.diff(12 * np.log2(tune))).max() <= 5 + 1e-9

    def test_transform_sizes_are_smooth_and_close(self) -> None:
        for n in (1, 7, 1_000, 160_000, 163_841, 999_999):
            size = fft_size(n)
            assert n <= size <= max(8, 1.26 * n)
            assert size // (size & -size) in (1, 3, 5, 7)
