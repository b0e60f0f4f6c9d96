"""The bytes that a player gets: beside the file, and beside libsndfile's own decoding."""

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.sounds import noise
from tinyclap.audio.checks import AudioError
from tinyclap.library.browse.playable import HEADER_BYTES, playable

RATE = 8_000


def stereo(seconds: float = 3.0) -> np.ndarray:
    return 0.4 * np.stack([noise(seconds, 1, RATE), noise(seconds, 2, RATE)], axis=1)  # far from full scale


def whole(path: Path, *, as_wav: bool = False) -> bytes:
    found = playable(path, as_wav=as_wav)
    return b"".join(found.pieces(0, found.size))


@pytest.mark.parametrize(
    ("name", "subtype", "media_type"),
    [
        ("a.wav", "PCM_16", "audio/wav"),
        ("a.wav", "PCM_U8", "audio/wav"),
        ("a.ogg", "VORBIS", "audio/ogg"),
        ("a.mp3", "MPEG_LAYER_III", "audio/mpeg"),
    ],
)
def test_what_browsers_play_is_the_file_itself(tmp_path: Path, name: str, subtype: str, media_type: str) -> None:
    path = tmp_path / name
    soundfile.write(path, stereo(), RATE, subtype=subtype)
    found = playable(path)
    assert (found.media_type, found.decoded, found.size) == (media_type, False, path.stat().st_size)
    assert whole(path) == path.read_bytes()
    assert b"".join(found.pieces(100, 1100)) == path.read_bytes()[100:1100]


@pytest.mark.parametrize(
    ("name", "subtype"),
    [("a.wav", "PCM_24"), ("a.wav", "FLOAT"), ("a.aiff", "PCM_16"), ("a.aiff", "PCM_24"), ("a.flac", "PCM_16")],
)
def test_what_they_do_not_is_a_wav_of_the_same_samples(tmp_path: Path, name: str, subtype: str) -> None:
    path = tmp_path / name
    soundfile.write(path, stereo(), RATE, subtype=subtype)
    decoded, rate = soundfile.read(io.BytesIO(whole(path)), dtype="int16")
    known = soundfile.read(path, dtype="float64")[0]
    assert (rate, decoded.shape) == (RATE, known.shape)
    assert np.abs(decoded - known * 32768).max() <= 0.5 + 1e-3
    with soundfile.SoundFile(io.BytesIO(whole(path))) as file:
        assert (file.format, file.subtype) == ("WAV", "PCM_16")


def test_samples_of_16_bits_come_through_unchanged(tmp_path: Path) -> None:
    path, samples = tmp_path / "a.aiff", np.array([[-32768, 32767], [1, -1], [0, 12345]], np.int16).repeat(100, axis=0)
    soundfile.write(path, samples, RATE)
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(whole(path)), dtype="int16")[0], samples)


@pytest.mark.parametrize("name", ["a.aiff", "a.ogg", "a.mp3", "a.flac"])
def test_any_span_is_that_of_the_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    soundfile.write(path, stereo(20.0), RATE)
    found, content = playable(path, as_wav=True), whole(path, as_wav=True)
    assert len(content) == found.size
    rng = np.random.default_rng(0)
    spans = [
        (0, 1),
        (10, 44),
        (43, 45),
        (44, 44 + 4),
        (45, 46),
        (47, 52),
        (found.size - 1, found.size),
        (40, found.size),
    ]
    spans += [(int(min(pair)), int(max(pair))) for pair in rng.integers(0, found.size, (20, 2))]
    for first, last in spans:
        piece = b"".join(found.pieces(first, last))
        assert len(piece) == last - first
        begin = (max(first, HEADER_BYTES) - HEADER_BYTES + 3) // 4 * 4 + HEADER_BYTES  # a whole frame
        ours = np.frombuffer(piece[begin - first :][: (last - begin) // 4 * 4], "<i2").astype(int)
        known = np.frombuffer(content[begin:last][: (last - begin) // 4 * 4], "<i2").astype(int)
        assert np.abs(ours - known).max(initial=0) <= 3  # a codec's own error after a seek; a shifted one is 10,000


def test_more_than_two_channels_are_their_mean(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([noise(1.0, seed, RATE) for seed in range(4)], axis=1), RATE, subtype="PCM_24")
    decoded = soundfile.read(io.BytesIO(whole(path)), dtype="float64", always_2d=True)[0]
    assert decoded.shape[1] == 1
    np.testing.assert_allclose(decoded[:, 0], soundfile.read(path)[0].mean(axis=1), atol=1 / 32768)


def test_samples_beyond_full_scale_are_clipped(tmp_path: Path) -> None:
    path, samples = tmp_path / "a.wav", np.array([2.0, -2.0, np.nan, np.inf, 0.5] * 100)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    decoded = soundfile.read(io.BytesIO(whole(path)), dtype="int16")[0]
    assert decoded[:5].tolist() == [32767, -32768, 0, 32767, 16384]


def test_the_end_of_a_long_file_is_decoded_alone(tmp_path: Path) -> None:
    """Ten minutes of stereo would be 38 MB as floats."""
    path = tmp_path / "long.aiff"
    soundfile.write(path, np.tile(stereo(10.0), (60, 1)), RATE, subtype="PCM_24")
    found = playable(path)
    tracemalloc.start()
    try:
        for _ in found.pieces(0, found.size):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
    frames = np.frombuffer(b"".join(found.pieces(found.size - 4000, found.size)), "<i2").reshape(-1, 2)
    known = soundfile.read(path, start=600 * RATE - 1000, dtype="float64")[0]
    assert np.abs(frames - known * 32768).max() <= 0.5 + 1e-3


def test_what_is_no_sound_is_never_served(tmp_path: Path) -> None:
    """A file that was put in the place of an indexed one, or a link to it."""
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    path = tmp_path / "a.wav"
    path.symlink_to(secret)
    for as_wav in (False, True):
        with pytest.raises(AudioError):
            playable(path, as_wav=as_wav)
    with pytest.raises(AudioError, match="no such file"):
        playable(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="is a folder"):
        playable(tmp_path)


def test_the_tag_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, stereo(1.0), RATE)
    before = playable(path)
    assert before.tag == playable(path).tag != playable(path, as_wav=True).tag
    soundfile.write(path, stereo(2.0), RATE)
    assert playable(path).tag != before.tag
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(AudioError, match="became shorter"):
        list(before.pieces(0, before.size))
