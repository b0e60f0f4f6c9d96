"""Files that are several, one behind the other, and headers that nobody finished: all of the sound is heard."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.audio.test_media import write_media
from tests.audio.test_odd_files import encoded, pitch, tone
from tinyclap.audio import files, rewritten
from tinyclap.audio.checks import AudioError

RATE = 44_100
PCM: dict[str, Any] = {"subtype": "PCM_16"}
KINDS: dict[str, dict[str, Any]] = {
    "wav": {"format": "WAV", **PCM},
    "float": {"format": "WAV", "subtype": "FLOAT"},
    "extensible": {"format": "WAVEX", "subtype": "PCM_24"},
    "flac": {"format": "FLAC", **PCM},
    "aiff": {"format": "AIFF", **PCM},
    "au": {"format": "AU", **PCM},
    "caf": {"format": "CAF", **PCM},
    "w64": {"format": "W64", **PCM},
    "ogg": {"format": "OGG"},
    "mp3": {"format": "MP3"},
}


def made(hz: float, seconds: float = 1.0, rate: int = RATE, **how: Any) -> bytes:
    return encoded(tone(hz, seconds, rate), rate, **how)


def tones(path: Path, count: int, seconds: float = 1.0) -> list[int]:
    """The strongest tone in the middle of each of so many stretches, to 5 Hz."""
    heard = files.read(path, 16_000)
    assert len(heard) / 16_000 == pytest.approx(count * seconds, abs=0.1 * count)
    middles = [round((part + 0.25) * len(heard) / count) for part in range(count)]
    return [5 * round(pitch(heard[start : start + 8000]) / 5) for start in middles]


class TestJoined:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_part_is_heard(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / f"a.{KINDS[kind]['format'].lower()}"
        path.write_bytes(b"".join(made(hz, **KINDS[kind]) for hz in (400, 900, 1500)))
        assert tones(path, 3) == [400, 900, 1500]
        alone = tmp_path / f"b.{KINDS[kind]['format'].lower()}"
        alone.write_bytes(made(400, **KINDS[kind]))
        assert rewritten.readable(alone) == alone

    @pytest.mark.parametrize("junk", [bytes(500), b"\xff\xfb" * 2000, b"OggS is no page" * 9])
    @pytest.mark.parametrize("kind", ["ogg", "flac", "mp3"])
    def test_junk_between_parts_is_passed_over(self, tmp_path: Path, kind: str, junk: bytes) -> None:
        path = tmp_path / f"a.{kind}"
        path.write_bytes(made(400, **KINDS[kind]) + junk + made(900, **KINDS[kind]))
        assert tones(path, 2) == [400, 900]

    def test_odd_sizes_are_padded_or_not(self, tmp_path: Path) -> None:
        odd = made(400, 1.0, 11_025, format="WAV", subtype="PCM_U8")
        assert len(odd) % 2 == 0
        short = bytearray(odd[:-1])  # unpadded, as many write it
        short[4:8] = (len(short) - 8).to_bytes(4, "little")
        path = tmp_path / "a.wav"
        path.write_bytes(bytes(short) + made(900, 1.0, 11_025, format="WAV", subtype="PCM_U8"))
        assert tones(path, 2) == [400, 900]

    def test_phones_recordings(self, tmp_path: Path) -> None:
        write_media(tmp_path / "one.m4a", "aac", "mp4")
        (tmp_path / "a.m4a").write_bytes((tmp_path / "one.m4a").read_bytes() * 2)
        assert files.info(tmp_path / "a.m4a").duration_s == pytest.approx(4.0, abs=0.2)

    def test_a_part_that_is_cut_is_named(self, tmp_path: Path) -> None:
        first = made(400, **KINDS["flac"])
        (tmp_path / "a.flac").write_bytes(first[: len(first) // 2] + made(900, **KINDS["flac"]))
        with pytest.raises(AudioError, match=r"a\.flac: part 1 of 2 cannot be decoded: "):
            files.read(tmp_path / "a.flac", 16_000)


class TestMp3:
    """Without a Xing frame nothing says how long it is."""

    @pytest.fixture
    def bare(self) -> bytes:
        """Frames of a varying bit rate alone: 2 s of a tone, then 2 s of noise, which takes many more bits."""
        noise = 0.3 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
        content = io.BytesIO()
        sound = np.concatenate([tone(400, 2.0, RATE), noise])
        soundfile.write(content, sound, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
        frames = content.getvalue()
        return frames[frames.index(b"\xff\xfb", 40) :]  # behind the Xing frame

    def test_it_is_heard_to_its_end(self, tmp_path: Path, bare: bytes) -> None:
        assert b"Xing" not in bare
        (tmp_path / "a.mp3").write_bytes(bare)
        heard = files.read(tmp_path / "a.mp3", 16_000)
        assert len(heard) / 16_000 == pytest.approx(4.05, abs=0.06)
        assert pitch(heard[8000:24_000]) == pytest.approx(400, abs=3)
        assert 0.1 < np.std(heard[-24_000:-2000]) < 0.3

    @pytest.mark.parametrize("cut", [1, 333, 5777])
    def test_it_may_begin_and_end_inside_a_frame(self, tmp_path: Path, bare: bytes, cut: int) -> None:
        (tmp_path / "a.mp3").write_bytes(bare[cut:-cut])
        heard = files.read(tmp_path / "a.mp3", 16_000)
        assert 1.9 < len(heard) / 16_000 < 4.05
        assert 0.1 < np.std(heard[-12_000:-4000]) < 0.3

    def test_what_lies_behind_damage_is_heard(self, tmp_path: Path, bare: bytes) -> None:
        middle = len(bare) // 2
        (tmp_path / "a.mp3").write_bytes(bare[:middle] + b"\0" * 5000 + bare[middle:])
        with pytest.warns(UserWarning, match=r"a\.mp3: 5\d\d\d bytes of it are damaged; the rest is heard"):
            heard = files.read(tmp_path / "a.mp3", 16_000)
        assert len(heard) / 16_000 == pytest.approx(4.05, abs=0.15)

    def test_parts_of_other_rates(self, tmp_path: Path, bare: bytes) -> None:
        other = made(900, 2.0, 22_050, **KINDS["mp3"])
        (tmp_path / "a.mp3").write_bytes(bare + other[other.index(b"\xff", 40) :])
        heard = files.read(tmp_path / "a.mp3", 16_000)
        assert len(heard) / 16_000 == pytest.approx(6.1, abs=0.2)
        assert pitch(heard[-24_000:-8000]) == pytest.approx(900, abs=3)

    def test_a_tag_of_another_kind_between_parts(self, tmp_path: Path) -> None:
        tag = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)
        (tmp_path / "a.mp3").write_bytes(made(400, **KINDS["mp3"]) + tag + made(900, **KINDS["mp3"]))
        assert tones(tmp_path / "a.mp3", 2) == [400, 900]

    def test_so_it_is_where_a_length_is_stated(self, tmp_path: Path) -> None:
        content = bytearray(made(400, 4.0, **KINDS["mp3"]))
        content[len(content) // 2 : len(content) // 2 + 4000] = bytes(4000)
        (tmp_path / "a.mp3").write_bytes(content)
        with pytest.warns(UserWarning, match="bytes of it are damaged"):
            heard = files.read(tmp_path / "a.mp3", 16_000)
        assert 2.5 < len(heard) / 16_000 < 4.0
        assert pitch(heard[-16_000:-2000]) == pytest.approx(400, abs=3)

    def test_one_that_was_cut_off_is_told(self, tmp_path: Path) -> None:
        content = made(400, 4.0, **KINDS["mp3"])
        (tmp_path / "a.mp3").write_bytes(content[: len(content) // 2])
        with pytest.raises(AudioError, match=r"truncated or damaged: \d+ of 176400 frames"):
            files.read(tmp_path / "a.mp3", 16_000)


def _zero(content: bytearray, place: int, count: int, value: int = 0) -> bytes:
    content[place : place + count] = bytes([value]) * count
    return bytes(content)


UNFINISHED: dict[str, tuple[str, Callable[[bytearray], bytes]]] = {
    "float": ("float", lambda made: _zero(made, made.index(b"data") + 4, 4)),
    "extensible": ("extensible", lambda made: _zero(made, made.index(b"data") + 4, 4)),
    "au": ("au", lambda made: _zero(made, 8, 4)),
    "caf": ("caf", lambda made: _zero(made, made.index(b"data") + 4, 8)),
    "caf stream": ("caf", lambda made: _zero(made, made.index(b"data") + 4, 8, 255)),
}


@pytest.mark.parametrize("kind", UNFINISHED)
@pytest.mark.parametrize("quiet_s", [0.0, 1.0], ids=["sound", "silence first"])
def test_unfinished_headers(tmp_path: Path, kind: str, quiet_s: float) -> None:
    sound = np.concatenate([np.zeros(round(quiet_s * RATE), np.float32), tone(400, 2.0, RATE)])
    how, damage = UNFINISHED[kind]
    path = tmp_path / f"a.{how}"
    path.write_bytes(damage(bytearray(encoded(sound, RATE, **KINDS[how]))))
    with pytest.warns(UserWarning, match="its header was never finished"):
        heard = files.read(path, RATE)
    np.testing.assert_allclose(heard[: len(sound)], sound, atol=2**-15)
    assert len(heard) - len(sound) <= 4


def test_an_unfinished_header_of_64_bits(tmp_path: Path) -> None:
    content = bytearray(made(400, 2.0, format="RF64", **PCM))
    place = content.find(b"ds64")
    if place < 0:
        pytest.skip("this libsndfile writes short files without 64 bits")
    content[place + 8 : place + 32] = bytes(24)
    (tmp_path / "a.rf64").write_bytes(content)
    with pytest.warns(UserWarning, match="its header was never finished"):
        np.testing.assert_allclose(files.read(tmp_path / "a.rf64", RATE), tone(400, 2.0, RATE), atol=2**-15)


@pytest.mark.parametrize("behind", [b"\n", b"abc", b"\xff" * 700, bytes(5000), b"TAG" + b" " * 125])
def test_a_little_behind_the_samples_is_passed_over_without_a_word(tmp_path: Path, behind: bytes) -> None:
    content = bytes(encoded(tone(400, 2.0, RATE), RATE, **KINDS["float"]))
    (tmp_path / "a.wav").write_bytes(content + behind)
    np.testing.assert_array_equal(files.read(tmp_path / "a.wav", RATE), tone(400, 2.0, RATE))
