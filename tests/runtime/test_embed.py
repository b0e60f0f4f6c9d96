"""Embedding arrays and files: what torch computes, whatever the length, rate or number of sounds."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.sounds import PARITY, RATE, noise, write
from tests.support.tiny_bundles import tiny_embed
from tinyclap.audio import files, windows
from tinyclap.audio.checks import AudioError
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle


class TestEmbed:
    @pytest.mark.parametrize("kind", ["logmel", "waveform"])
    def test_arrays_of_any_length_as_torch(self, folders: dict[str, Path], kind: str) -> None:
        sounds = [noise(seconds, seed) for seed, seconds in enumerate((0.02, 0.5, 0.99, 1.0, 1.01, 2.0, 3.7))]
        sounds += [np.zeros(RATE, np.float32), np.sign(np.sin(np.arange(20_000) / 9)).astype(np.float32)]
        ours = Bundle.load(folders[kind]).embed(sounds, sample_rate=RATE)
        assert ours.dtype == np.float32
        assert np.abs(ours - tiny_embed(sounds, kind)).max() < PARITY
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)

    def test_speech_files_of_every_kind_as_torch(self, bundle: Bundle, clsp_root: Path) -> None:
        paths = sorted(clsp_root.glob("*.wav"))
        expected = tiny_embed([files.read(path, RATE) for path in paths])
        assert np.abs(bundle.embed(paths) - expected).max() < PARITY

    @pytest.mark.parametrize(
        ("rate", "channels", "encoding"),
        [(96_000, 1, "PCM_24"), (8_000, 2, "PCM_U8"), (44_100, 2, "PCM_16"), (48_000, 6, "FLOAT")],
    )
    def test_other_rates_channels_and_word_sizes(
        self, bundle: Bundle, tmp_path: Path, rate: int, channels: int, encoding: str
    ) -> None:
        samples = np.stack([noise(2.3, seed, rate) for seed in range(channels)], axis=1)
        path = write(tmp_path / "a.wav", samples, rate, subtype=encoding)
        assert np.abs(bundle.embed(path) - tiny_embed([files.read(path, RATE)])).max() < PARITY
        mixed = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
        np.testing.assert_allclose(bundle.embed(mixed, sample_rate=rate), bundle.embed(path), atol=1e-6)

    def test_one_or_many(self, bundle: Bundle, tmp_path: Path) -> None:
        sound = noise(1.5)
        path = write(tmp_path / "a.wav", sound, subtype="FLOAT")
        single = bundle.embed(sound, sample_rate=RATE)
        assert single.shape == (1, 16)
        for sounds in (path, str(path), [path], np.stack([sound]), [sound], iter([path])):
            np.testing.assert_array_equal(bundle.embed(sounds, sample_rate=RATE), single)
        assert bundle.embed([]).shape == (0, 16)

    def test_a_sound_does_not_depend_on_its_neighbours(self, bundle: Bundle) -> None:
        sounds = [noise(seconds, seed) for seed, seconds in enumerate((0.5, 3.2, 1.0))]
        together = bundle.embed(sounds, sample_rate=RATE)
        for row, sound in enumerate(sounds):
            np.testing.assert_array_equal(bundle.embed(sound, sample_rate=RATE)[0], together[row])

    @pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
    @pytest.mark.parametrize("seconds", [9.0, 9.99, 10.0, 11.0, 12.3, 21.7])
    def test_a_file_read_in_stretches_is_the_file_read_whole(
        self, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, seconds: float
    ) -> None:
        path = write(tmp_path / f"a.{suffix}", noise(seconds, rate=44_100), 44_100)
        whole = files.read(path, RATE)
        monkeypatch.setattr(windows, "STRETCH_S", 5.0)
        stretches = list(windows.read_chunks(path, RATE, RATE))
        assert [len(stretch) % RATE for stretch in stretches[:-1]] == [0] * (len(stretches) - 1)
        np.testing.assert_allclose(np.concatenate(stretches), whole, atol=2e-6)
        assert np.abs(bundle.embed(path) - tiny_embed([whole])).max() < PARITY

    def test_an_hour_stays_in_bounded_memory(self, bundle: Bundle, tmp_path: Path) -> None:
        minute = noise(60.0, rate=8_000)
        with soundfile.SoundFile(tmp_path / "long.flac", "w", 8_000, 1) as file:
            for _ in range(60):
                file.write(minute)
        tracemalloc.start()
        try:
            long = bundle.embed(tmp_path / "long.flac")
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak_bytes < 30e6  # float32 of the whole recording takes 230 MB
        short = write(tmp_path / "short.wav", minute, 8_000)
        assert np.abs(long - bundle.embed(short)).max() < 5e-3  # but for the resampling where the minutes meet

    @pytest.mark.parametrize(
        ("samples", "message"),
        [
            (np.zeros(RATE, np.int16), r"an array of int16; expected floats in \[-1, 1\]"),
            (np.zeros((1, 40, RATE)), r"shape \(40, 16000\): neither axis is clearly that of channels"),
            (np.zeros(0), r"an array of shape \(0,\) at 16000 Hz: empty"),
            (np.ones(100), "shorter than 10 ms"),
            (np.full(RATE, np.nan), "NaN or infinite samples"),
        ],
    )
    def test_arrays_that_cannot_be_used(self, bundle: Bundle, samples: np.ndarray, message: str) -> None:
        with pytest.raises(TinyclapError, match=message):
            bundle.embed(samples, sample_rate=RATE)

    def test_an_array_needs_its_rate(self, bundle: Bundle) -> None:
        with pytest.raises(TinyclapError, match="needs its sample rate"):
            bundle.embed(noise(1.0))

    def test_files_that_cannot_be_used(self, bundle: Bundle, tmp_path: Path) -> None:
        empty = write(tmp_path / "empty.wav", np.zeros(0))
        click = write(tmp_path / "click.wav", np.ones(100))
        broken = write(tmp_path / "nan.wav", np.full(RATE, np.nan), subtype="FLOAT")
        for path, reason in ((empty, "empty"), (click, "shorter than 10 ms"), (broken, "NaN"), (tmp_path, "a folder")):
            with pytest.raises(AudioError, match=reason) as caught:
                bundle.embed(path)
            assert caught.value.name == str(path)
