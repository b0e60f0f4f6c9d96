"""Files that libsndfile does not read to their end, or not at all, and files whose samples are no sound."""

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.conftest import shared
from tests.support.commands import failure, run
from tinyclap.audio import files, formats, rewritten
from tinyclap.audio.checks import AudioError
from tinyclap.audio.listing import find_sounds
from tinyclap.data.folder import folder
from tinyclap.errors import TinyclapError

RATE = 48_000


def tone(hz: float, seconds: float = 2.0, rate: int = RATE) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded(samples: np.ndarray, rate: int = RATE, **how: Any) -> bytes:
    made = io.BytesIO()
    soundfile.write(made, samples, rate, **how)
    return made.getvalue()


def pitch(waveform: np.ndarray, rate: int = 16_000) -> float:
    """Of the strongest tone, Hz."""
    return float(np.abs(np.fft.rfft(waveform)).argmax() * rate / len(waveform))


OGG: dict[str, Any]
OPUS: dict[str, Any]
MP3: dict[str, Any]
OGG, OPUS, MP3 = ({"format": "OGG"}, {"format": "OGG", "subtype": "OPUS"}, {"format": "MP3"})


class TestJoined:
    """Every part is heard, in its order and at the first one's rate."""

    @pytest.mark.parametrize("how", [OGG, OPUS, MP3], ids=["ogg", "opus", "mp3"])
    def test_one_after_the_other(self, tmp_path: Path, how: dict[str, Any]) -> None:
        path = tmp_path / f"a.{how['format'].lower()}"
        path.write_bytes(b"".join(encoded(tone(hz), **how) for hz in (400, 900, 1500)))
        heard = files.read(path, 16_000)
        assert files.info(path).duration_s == pytest.approx(6.0, abs=0.2)
        for part, hz in enumerate((400, 900, 1500)):
            middle = heard[round(part * len(heard) / 3 + 8000) :][:16_000]
            assert pitch(middle) == pytest.approx(hz, abs=3)
        piece = files.read(path, 16_000, 2.5, 0.5)
        np.testing.assert_allclose(piece, heard[40_000:48_000], atol=2e-6)

    def test_parts_of_other_rates_and_channels(self, tmp_path: Path) -> None:
        stereo = np.stack([tone(900, rate=32_000)] * 2, axis=1)
        path = tmp_path / "a.ogg"
        path.write_bytes(encoded(tone(400), **OGG) + encoded(stereo, 32_000, **OGG))
        assert (files.info(path).sample_rate, files.info(path).channels) == (RATE, 1)
        assert files.info(path).duration_s == pytest.approx(4.0, abs=0.01)
        assert pitch(files.read(path, 16_000, 2.5, 1.0)) == pytest.approx(900, abs=3)

    def test_tags_behind_the_sound_are_no_further_part(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mp3"
        path.write_bytes(encoded(tone(400), **MP3) + b"TAG" + bytes(125))
        assert rewritten.readable(path) == path

    @pytest.mark.parametrize("last", [b"", b"TAG" + bytes(125)])
    def test_tags_between_parts_are_passed_over(self, tmp_path: Path, last: bytes) -> None:
        path = tmp_path / "a.mp3"
        path.write_bytes(encoded(tone(400), **MP3) + b"TAG" + bytes(125) + encoded(tone(900), **MP3) + last)
        assert files.info(path).duration_s == pytest.approx(4.0, abs=0.2)
        assert pitch(files.read(path, 16_000, 2.5, 1.0)) == pytest.approx(900, abs=3)

    def test_a_part_that_cannot_be_decoded_is_counted(self, tmp_path: Path) -> None:
        second = bytearray(encoded(tone(900), **OGG))
        second[28:58] = bytes(30)  # its identification header
        path = tmp_path / "a.ogg"
        path.write_bytes(encoded(tone(400), **OGG) + second)
        with pytest.raises(AudioError, match=r"part 2 of 2 cannot be decoded"):
            files.read(path, 16_000)

    def test_a_stream_of_unknown_length(self, tmp_path: Path) -> None:
        content = bytearray(encoded(tone(400), format="FLAC"))
        content[21] &= 0xF0
        content[22:26] = bytes(4)
        (tmp_path / "a.flac").write_bytes(content)
        assert files.info(tmp_path / "a.flac").duration_s == 2.0
        assert pitch(files.read(tmp_path / "a.flac", 16_000)) == pytest.approx(400, abs=1)


class TestUnfinishedWav:
    def written(self, tmp_path: Path, size: int) -> Path:
        """A WAV whose header states `size` bytes of samples."""
        content = bytearray(encoded(tone(400), format="WAV", subtype="PCM_16"))
        content[4:8] = (36 + size).to_bytes(4, "little")
        content[40:44] = size.to_bytes(4, "little")
        path = tmp_path / "a.wav"
        path.write_bytes(content)
        return path

    @pytest.mark.parametrize("size", [0, RATE])
    def test_what_follows_the_header_is_heard(self, tmp_path: Path, size: int) -> None:
        path = self.written(tmp_path, size)
        with pytest.warns(UserWarning, match=r"a\.wav: its header was never finished"):
            heard = files.read(path, RATE)
        np.testing.assert_allclose(heard, tone(400), atol=2**-15)

    @pytest.mark.parametrize(
        "behind",
        [
            b"LIST" + (4).to_bytes(4, "little") + b"INFO",
            b"\0LIST" + (4).to_bytes(4, "little") + b"INFO",
            b"ID3\x04" + bytes(range(200)),
            b"TAG" + bytes(125),
            bytes(8000),
        ],
        ids=["chunk", "padded chunk", "ID3", "ID3v1", "zeros"],
    )
    def test_what_stands_behind_finished_samples_is_none(self, tmp_path: Path, behind: bytes) -> None:
        content = encoded(tone(400), format="WAV", subtype="PCM_16")
        (tmp_path / "a.wav").write_bytes(content + behind)
        assert len(files.read(tmp_path / "a.wav", RATE)) == 2 * RATE

    def test_an_empty_recording_with_a_chunk_behind_it_is_empty(self, tmp_path: Path) -> None:
        content = bytearray(encoded(np.zeros(0, np.float32), format="WAV", subtype="PCM_16"))
        content += b"LIST" + (2000).to_bytes(4, "little") + b"INFO" + bytes(range(250)) * 8
        (tmp_path / "a.wav").write_bytes(content[: 44 + 8 + 2000])
        with pytest.raises(AudioError, match=r"a\.wav: empty"):
            files.read(tmp_path / "a.wav", RATE)


class TestPolarity:
    def test_channels_that_cancel_are_not_mixed(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "a.wav", np.stack([tone(400), -0.99 * tone(400)], axis=1), RATE)
        with pytest.warns(UserWarning, match="opposite in polarity and would cancel; channel 1 is taken"):
            heard = files.read(tmp_path / "a.wav", RATE)
        np.testing.assert_allclose(heard, tone(400), atol=2**-15)
        np.testing.assert_allclose(files.read(tmp_path / "a.wav", RATE, 1.0, 0.5), tone(400)[RATE:][:24_000], atol=1e-4)

    @pytest.mark.parametrize("other", [np.zeros(2 * RATE), tone(410), -0.5 * tone(400)], ids=["none", "other", "half"])
    def test_others_are(self, tmp_path: Path, other: np.ndarray) -> None:
        soundfile.write(tmp_path / "a.wav", np.stack([tone(400), other], axis=1), RATE)
        np.testing.assert_allclose(files.read(tmp_path / "a.wav", RATE), (tone(400) + other) / 2, atol=2**-14)


class TestFolders:
    def test_what_can_be_decoded_is_found_and_the_rest_is_counted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("a.wav", "b.WAVE", "c.aifc", "d.mp2", "e.m4a", "f.raw", "g.dts", "notes.txt", ".hidden.wav"):
            (tmp_path / name).touch()
        monkeypatch.setattr(formats, "media_decoder", lambda: "av")
        assert [clip.name for clip in folder(tmp_path).clips] == [
            "a.wav",
            "b.WAVE",
            "c.aifc",
            "d.mp2",
            "e.m4a",
            "g.dts",
        ]
        monkeypatch.setattr(formats, "media_decoder", lambda: None)
        lines: list[str] = []
        assert [path.name for path in find_sounds([tmp_path], lines.append)] == ["a.wav", "b.WAVE", "c.aifc", "d.mp2"]
        (told,) = lines
        assert "4 files left out: e.m4a, f.raw, g.dts, notes.txt; for .dts .m4a, install one of the two" in told
        assert ".raw have no header" in told

    def test_a_folder_of_such_files_alone_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a.m4a").touch()
        monkeypatch.setattr(formats, "media_decoder", lambda: None)
        with pytest.raises(TinyclapError, match=r"no audio files below .*; for \.m4a, install one of the two"):
            find_sounds([tmp_path])


class TestSharedFiles:
    """`odd_audio` of the shared data, whose README says what each must give."""

    @pytest.mark.parametrize(
        ("name", "duration_s"),
        [
            ("chained_siren_then_rain.ogg", 10.0),
            ("chained_siren_then_rain.opus", 10.0),
            ("concatenated_siren_then_rain.mp3", 10.0),
            ("starts_mid_frame_no_xing.mp3", 4.94),
            ("data_size_0_recorder_lost_power.wav", 2.0),
            ("phone.m4a", 5.03),
        ],
    )
    def test_they_are_heard_to_the_end(self, name: str, duration_s: float) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            heard = files.read(shared("data/odd_audio") / name, 16_000)
        assert len(heard) / 16_000 == pytest.approx(duration_s, abs=0.1)
        assert np.abs(heard[-8000:]).max() > 1e-3

    def test_opposite_channels(self) -> None:
        with pytest.warns(UserWarning, match="opposite in polarity"):
            heard = files.read(shared("data/odd_audio") / "stereo_inverted_polarity.wav", 16_000)
        assert np.abs(heard).max() > 0.05

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("one_corrupt_sample.wav", r"a peak of 3e\+37, .* at \d+\.\d\d s"),
            ("float_in_int16_range.wav", "divide int16 by 32768"),
            ("headerless.raw", "has no header; .*listen --file FILE --raw-rate HZ"),
        ],
    )
    def test_they_are_refused_by_name(self, name: str, reason: str) -> None:
        with pytest.raises(AudioError, match=f"{name}: .*{reason}"):
            files.read(shared("data/odd_audio") / name, 16_000)

    def test_what_is_too_quiet_to_tell_is_said_with_its_level(
        self, mn04: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        run("get", "everyday", "--weights", str(mn04))
        sounds = shared("data/odd_audio")
        told = run("classify", str(sounds / "digital_silence.wav"), str(sounds / "very_quiet_minus60dB.wav"))
        assert told.splitlines()[1::2] == [
            "  silence, or too quiet to tell: -180.0 dBFS",
            "  silence, or too quiet to tell: -77.8 dBFS",
        ]

    def test_one_bad_file_ends_no_batch(self, mn04: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sounds = shared("data/odd_audio")
        monkeypatch.chdir(tmp_path)
        run("get", "everyday", "--weights", str(mn04))
        batch = [str(sounds / name) for name in ("headerless.raw", "one_corrupt_sample.wav", "phone.m4a")]
        message, code = failure("classify", *batch)
        assert code == 1
        assert message.startswith("2 of 3 files cannot be used:")
        message, code = failure("classify", batch[1])
        assert (code, "a peak of 3e+37" in message) == (1, True)
        run("embed", *batch, "--out", "all.npy")
        assert np.isfinite(np.load("all.npy")).all()
        assert len(np.load("all.npy")) == 1


def test_a_pipe_says_which_commands_take_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AudioError, match="pipe: is a pipe or a device; `tinyclap listen --file`"):
        files.read(tmp_path / "pipe", 16_000)


def test_temporary_files_are_few_and_end_with_the_process(tmp_path: Path) -> None:
    for number in range(rewritten.KEPT + 4):
        path = tmp_path / f"{number}.ogg"
        path.write_bytes(encoded(tone(400 + number, 0.5), **OGG) + encoded(tone(900, 0.5), **OGG))
        assert len(files.read(path, 16_000)) == 16_000
        assert rewritten.readable(path) != path
    opened = [Path(os.readlink(link)) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert not any(path.name.startswith("tmp") and path.suffix == ".wav" for path in opened)
    place = rewritten.readable(path).parent
    assert len(list(place.iterdir())) <= rewritten.KEPT
    code = (
        f"from tinyclap.audio.rewritten import readable; from pathlib import Path\nprint(readable(Path({str(path)!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).parent.exists()
