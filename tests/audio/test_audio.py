"""Reading, streaming and checking audio: against tones known in closed form, and files broken in every way."""

import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyclap.audio import checks, files, windows
from tinyclap.audio.checks import AudioError
from tinyclap.errors import TinyclapError

LOSSLESS, LOSSY = ("wav", "flac", "aiff"), ("ogg", "mp3", "opus")
RATE = 44_100
SECONDS = 3
LEFT_HZ, RIGHT_HZ = 440.0, 1234.5


def tone(sample_rate: int, hz: float = LEFT_HZ, seconds: float = SECONDS) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * hz * np.arange(round(seconds * sample_rate)) / sample_rate)).astype(np.float32)


def write(path: Path, samples: np.ndarray, sample_rate: int) -> Path:
    """Encode in the format that the suffix names; Opus wants one of its own rates."""
    encoding = {"format": "OGG", "subtype": "OPUS"} if path.suffix == ".opus" else {}
    soundfile.write(path, samples, sample_rate, **encoding)
    return path


def native_rate(suffix: str) -> int:
    return 48_000 if suffix == "opus" else RATE


@pytest.fixture(scope="module")
def stereo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same two tones, one per channel, in every format."""
    folder = tmp_path_factory.mktemp("stereo")
    made = {}
    for suffix in LOSSLESS + LOSSY:
        rate = native_rate(suffix)
        channels = np.stack([tone(rate), tone(rate, RIGHT_HZ)], axis=1)
        made[suffix] = write(folder / f"tones.{suffix}", channels, rate)
    return made


class TestRead:
    @pytest.mark.parametrize("suffix", LOSSLESS + LOSSY)
    @pytest.mark.parametrize("sample_rate", [16_000, 32_000, 48_000])
    def test_the_mean_of_the_channels_at_the_asked_rate(
        self, stereo: dict[str, Path], suffix: str, sample_rate: int
    ) -> None:
        waveform = files.read(stereo[suffix], sample_rate)
        expected = (tone(sample_rate) + tone(sample_rate, RIGHT_HZ)) / 2
        inner = slice(sample_rate // 10, -sample_rate // 10)
        assert waveform.dtype == np.float32
        assert waveform.shape == expected.shape
        assert np.abs(waveform[inner] - expected[inner]).max() < (1e-3 if suffix in LOSSLESS else 3e-2)

    def test_what_the_new_rate_cannot_hold_is_filtered_out(self, tmp_path: Path) -> None:
        path = write(tmp_path / "high.wav", tone(RATE, 12_000.0), RATE)
        assert np.abs(files.read(path, 16_000)[1600:-1600]).max() < 1e-3

    @pytest.mark.parametrize("suffix", LOSSLESS + LOSSY)
    @pytest.mark.parametrize(
        ("start_s", "duration_s"), [(0.0, 1.0), (1.0, 0.5), (1.23456, 1.0), (2.5, 9.0), (2.0, None)]
    )
    def test_a_piece_is_cut_from_the_whole(
        self, stereo: dict[str, Path], suffix: str, start_s: float, duration_s: float | None
    ) -> None:
        whole = files.read(stereo[suffix], 16_000)
        first = round(start_s * 16_000)
        stop = None if duration_s is None else first + round(duration_s * 16_000)
        piece = files.read(stereo[suffix], 16_000, start_s, duration_s)
        np.testing.assert_allclose(piece, whole[first:stop], atol=2e-6)

    @pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_255, 96_000])
    def test_pieces_keep_the_grid_at_any_rate(self, tmp_path: Path, rate: int) -> None:
        noise = np.random.default_rng(0).normal(0, 0.1, 3 * rate).astype(np.float32)
        path = tmp_path / "noise.wav"
        soundfile.write(path, noise, rate, subtype="FLOAT")
        for target in (16_000, 44_100):
            whole = files.read(path, target)
            piece = files.read(path, target, 1.5, 0.75)
            first = round(1.5 * target)
            np.testing.assert_allclose(piece, whole[first : first + round(0.75 * target)], atol=2e-6)

    @pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
    def test_every_sample_format_has_the_same_scale(self, tmp_path: Path, subtype: str) -> None:
        soundfile.write(tmp_path / "a.wav", tone(RATE), RATE, subtype=subtype)
        np.testing.assert_allclose(files.read(tmp_path / "a.wav", RATE), tone(RATE), atol=2**-15)

    @pytest.mark.parametrize(
        ("pair", "reason"),
        [
            ((np.inf, -np.inf), r"NaN or infinite samples, the first at 0\.52 s"),
            ((0.1, np.nan), r"NaN or infinite samples, the first at 0\.52 s"),
            (
                (3e37, 0),
                r"a peak of 1\.5e\+37, where floats in \[-1, 1\] are .*; the first sample beyond is .* at 0\.52 s",
            ),
        ],
    )
    def test_samples_that_are_none_are_named_with_their_place(
        self, tmp_path: Path, pair: tuple[float, float], reason: str
    ) -> None:
        samples = np.stack([tone(RATE), tone(RATE)], axis=1)
        samples[round(0.52 * RATE)] = pair
        soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
        for sample_rate in (RATE, 16_000):
            with pytest.raises(AudioError, match=reason):
                files.read(tmp_path / "a.wav", sample_rate)
        assert len(files.read(tmp_path / "a.wav", RATE, 1.0)) == (SECONDS - 1) * RATE, "the rest is sound"

    def test_floats_in_the_range_of_integers_say_what_to_do(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "a.wav", 32_000 * tone(RATE), RATE, subtype="FLOAT")
        with pytest.raises(AudioError, match=r"a peak of .*: divide int16 by 32768"):
            files.read(tmp_path / "a.wav", 16_000)

    @pytest.mark.parametrize(
        "span",
        [{"sample_rate": 0}, {"sample_rate": -1}, {"start_s": -0.1}, {"duration_s": 0}, {"start_s": float("nan")}],
    )
    def test_an_impossible_span_is_named(self, stereo: dict[str, Path], span: dict[str, float]) -> None:
        with pytest.raises(TinyclapError, match=next(iter(span))):
            files.read(stereo["wav"], **({"sample_rate": 16_000} | span))  # type: ignore[arg-type]

    def test_a_start_behind_the_end_says_how_long_the_file_is(self, stereo: dict[str, Path]) -> None:
        with pytest.raises(AudioError, match=r"lasts 3 s, nothing at 3 s"):
            files.read(stereo["wav"], 16_000, start_s=3.0)


class TestRealClips:
    def test_speech_of_every_word_size_and_rate(self, clsp_root: Path) -> None:
        paths = sorted(clsp_root.glob("*.wav"))
        assert len({soundfile.info(path).subtype for path in paths}) > 1
        for path in paths:
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
            info = files.info(path)
            assert (info.sample_rate, info.channels) == (rate, samples.shape[1])
            assert info.duration_s == len(samples) / rate
            np.testing.assert_array_equal(files.read(path, rate), samples.mean(axis=1))
            waveform = files.read(path, 16_000)
            assert abs(len(waveform) - info.duration_s * 16_000) <= 1
            assert checks.fault(waveform, 16_000) is None

    def test_ogg_recordings_are_five_seconds(self, esc10_root: Path) -> None:
        for path in sorted((esc10_root / "audio").glob("*.ogg"))[::40]:
            whole = files.read(path, 16_000)
            assert abs(len(whole) / 16_000 - 5) < 0.05
            for start_s in (0.5, 4.3):  # the last Ogg page is where libsndfile's own seek is off
                first = round(start_s * 16_000)
                piece = files.read(path, 16_000, start_s, 0.5)
                np.testing.assert_allclose(piece, whole[first : first + 8_000], atol=2e-6)


class TestPieces:
    @pytest.mark.parametrize("suffix", LOSSLESS + LOSSY)
    @pytest.mark.parametrize("chunk_frames", [4_999, files.CHUNK_FRAMES])
    def test_pieces_join_without_seams(
        self, stereo: dict[str, Path], suffix: str, chunk_frames: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = files.read(stereo[suffix], 16_000)
        monkeypatch.setattr(files, "CHUNK_FRAMES", chunk_frames)
        parts = [files.read(stereo[suffix], 16_000, start_s, 0.75) for start_s in (0.0, 0.75, 1.5, 2.25)]
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=2e-6)

    def test_three_hours_stay_in_bounded_memory(self, tmp_path: Path) -> None:
        minute = tone(8_000, 440.0, 60.0)
        with soundfile.SoundFile(tmp_path / "long.flac", "w", 8_000, 1) as file:
            for _ in range(180):
                file.write(minute)
        tracemalloc.start()
        try:
            piece = files.read(tmp_path / "long.flac", 16_000, start_s=3 * 3600 - 10, duration_s=5.0)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak_bytes < 16e6  # float32 of the whole recording takes 691 MB
        assert np.abs(piece - tone(16_000, 440.0, 5.0)).max() < 1e-3


class TestBrokenFiles:
    @pytest.mark.parametrize("suffix", LOSSLESS + LOSSY)
    @pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
    def test_a_truncated_file_does_not_pass_for_a_shorter_one(self, tmp_path: Path, suffix: str, share: float) -> None:
        rate = native_rate(suffix)
        path = write(tmp_path / f"a.{suffix}", np.random.default_rng(0).normal(0, 0.1, 5 * rate), rate)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(AudioError) as caught:
            files.read(path, 16_000)
        assert caught.value.name == str(path)
        assert caught.value.reason.startswith(("truncated", "cannot be decoded: "))

    @pytest.mark.parametrize("suffix", ["flac", "ogg", "opus"])
    def test_noise_in_the_middle_of_compressed_audio(self, tmp_path: Path, suffix: str) -> None:
        rng = np.random.default_rng(0)
        rate = native_rate(suffix)
        path = write(tmp_path / f"a.{suffix}", rng.normal(0, 0.1, 5 * rate), rate)
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 4000] = rng.bytes(4000)
        path.write_bytes(content)
        with pytest.raises(AudioError, match=r"damaged|cannot be decoded"):
            files.read(path, 16_000)

    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            ("a.wav", b"", "a.wav: empty$"),
            ("a.mp3", b"", "a.mp3: empty$"),
            ("a.wav", b"hello, I am no audio " * 99, "cannot be decoded: Invalid data"),
            ("a.mp3", b"hello, I am no audio " * 99, "cannot be decoded: libsndfile finds no audio in it"),
        ],
    )
    def test_no_audio(self, tmp_path: Path, name: str, content: bytes, reason: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(AudioError, match=reason):
            files.info(tmp_path / name)

    def test_a_header_without_samples_is_empty(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.wav", np.zeros(0), RATE)
        for use in (
            lambda: files.info(path),
            lambda: files.read(path, RATE),
        ):
            with pytest.raises(AudioError, match=r"a\.wav: empty"):
                use()

    def test_missing_files_and_folders(self, tmp_path: Path) -> None:
        with pytest.raises(AudioError, match=r"none\.wav: no such file"):
            files.read(tmp_path / "none.wav", 16_000)
        with pytest.raises(AudioError, match="is a folder"):
            files.read(tmp_path, 16_000)

    @pytest.mark.parametrize(("low_bits", "rest"), [(0x0, b"\0" * 4), (0xF, b"\xff" * 4)])
    def test_a_header_that_lies_about_the_length(self, tmp_path: Path, low_bits: int, rest: bytes) -> None:
        """36 bits of FLAC's STREAMINFO count the samples: 0 is "unknown"; all set, they would take 256 GB."""
        path = write(tmp_path / "a.flac", tone(RATE), RATE)
        content = bytearray(path.read_bytes())
        content[21] = content[21] & 0xF0 | low_bits
        content[22:26] = rest
        path.write_bytes(content)
        if low_bits:
            with pytest.raises(AudioError, match=r"its header says that it lasts .* h; cut it, 168 h at most"):
                files.read(path, 16_000)
        else:
            assert len(files.read(path, RATE)) == SECONDS * RATE

    @pytest.mark.parametrize("rate", [1, 999, 2_000_000_000])
    def test_a_rate_that_is_none_of_sound(self, tmp_path: Path, rate: int) -> None:
        path = write(tmp_path / "a.wav", tone(RATE), RATE)
        content = bytearray(path.read_bytes())
        content[24:28] = rate.to_bytes(4, "little")
        path.write_bytes(content)
        with pytest.raises(AudioError, match=r"a sample rate of .* Hz, where 1,000 to 1,000,000 Hz are expected"):
            files.read(path, 16_000)

    def test_a_recorders_placeholder_size_is_no_damage(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.wav", tone(RATE), RATE)
        content = bytearray(path.read_bytes())
        content[4:8] = content[40:44] = b"\xff" * 4
        path.write_bytes(content)
        assert len(files.read(path, RATE)) == SECONDS * RATE

    def test_the_error_crosses_processes(self) -> None:
        error = pickle.loads(pickle.dumps(AudioError("a.wav", "empty")))
        assert (str(error), error.name, error.reason, error.exit_code) == ("a.wav: empty", "a.wav", "empty", 2)


class TestFault:
    @pytest.mark.parametrize(
        ("waveform", "reason"),
        [
            (np.zeros(0), "empty"),
            (np.ones(1), "shorter than 10 ms"),
            (tone(16_000)[:159], "shorter than 10 ms"),
            (tone(16_000)[:160], None),
            (np.zeros(16_000), "silent"),
            (np.full(16_000, 0.5), "silent"),
            (tone(16_000) * 7e-5, "silent"),
            (tone(16_000) * 8e-5, None),
            (np.append(tone(16_000), np.nan), "NaN or infinite samples, the first at 3.00 s"),
            (np.append(tone(16_000), -np.inf), "NaN or infinite samples, the first at 3.00 s"),
            (
                np.append(tone(16_000), 9.0),
                "a peak of 9, where floats in [-1, 1] are expected; the first sample beyond is 9 at 3.00 s",
            ),
            (tone(16_000), None),
        ],
    )
    def test_reasons(self, waveform: np.ndarray, reason: str | None) -> None:
        assert checks.fault(waveform.astype(np.float32), 16_000) == reason

    def test_places_in_several_channels(self) -> None:
        samples = np.full((1000, 2), 0.1, np.float32)
        samples[500, 0] = -100
        told = checks.wrong_samples(samples, 1000.0)
        assert told is not None
        assert told.endswith("the first sample beyond is 100 at 0.50 s")
        assert "divide int16" in str(checks.wrong_samples(np.full((1000, 2), -2000.0), 1000.0))


class TestLengths:
    def test_repeat_pad_tiles_the_whole_waveform(self) -> None:
        assert files.repeat_pad(np.arange(3), 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
        assert files.repeat_pad(np.arange(3), 3).tolist() == [0, 1, 2]

    def test_fit_cuts_or_pads(self) -> None:
        assert windows.fit(np.arange(5), 3).tolist() == [0, 1, 2]
        assert windows.fit(np.arange(2), 3).tolist() == [0, 1, 0]

    def test_nothing_cannot_be_repeated(self) -> None:
        with pytest.raises(TinyclapError, match="0 samples"):
            files.repeat_pad(np.zeros(0), 5)
        with pytest.raises(TinyclapError, match="length of 0"):
            windows.fit(np.ones(3), 0)
