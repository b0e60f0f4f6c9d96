"""What reads files where torchcodec cannot."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torchaudio

from tests.support.sounds import RATE, noise, write
from tinyclap.audio.checks import AudioError
from tinyclap.suites import decoding

SOUND = noise(1.5)


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torchcodec, for as long as the test."""
    monkeypatch.setattr(decoding, "torchcodec_works", lambda: False)
    monkeypatch.setattr(torchaudio, "load", torchaudio.load)  # put back afterwards
    decoding.let_torchaudio_read()


@pytest.mark.usefixtures("replaced")
class TestTorchaudio:
    @pytest.mark.parametrize(("name", "subtype"), [("a.wav", "FLOAT"), ("a.flac", "PCM_16"), ("a.ogg", "VORBIS")])
    def test_a_file(self, tmp_path: Path, name: str, subtype: str) -> None:
        path = write(tmp_path / name, SOUND, subtype=subtype)
        samples, rate = torchaudio.load(str(path))
        assert rate == RATE
        assert np.array_equal(samples.numpy(), soundfile.read(path, dtype="float32")[0][None])

    def test_a_part_and_channels(self, tmp_path: Path) -> None:
        both = np.stack([SOUND, 0.5 * SOUND], axis=1)
        path = write(tmp_path / "a.wav", both, subtype="FLOAT")
        samples, _ = torchaudio.load(path, frame_offset=100, num_frames=50)
        np.testing.assert_allclose(samples.numpy(), 0.75 * SOUND[None, 100:150], atol=1e-7)

    def test_damage_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "a.wav").write_bytes(b"RIFF")
        with pytest.raises(AudioError, match="cannot be decoded"):
            torchaudio.load(tmp_path / "a.wav")


def test_what_works_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def own() -> None: ...

    monkeypatch.setattr(torchaudio, "load", own)
    monkeypatch.setattr(decoding, "torchcodec_works", lambda: True)
    decoding.let_torchaudio_read()
    assert torchaudio.load is own


@pytest.mark.filterwarnings("ignore")  # those of other packages
class TestDatasets:
    @pytest.fixture(autouse=True)
    def without_torchcodec(self, mteb: None, monkeypatch: pytest.MonkeyPatch) -> None:
        from datasets import Audio

        monkeypatch.setattr(decoding, "torchcodec_works", lambda: False)
        for name in ("decode_example", "encode_example"):
            monkeypatch.setattr(Audio, name, getattr(Audio, name))
        decoding.let_datasets_read()

    def test_arrays_files_and_bytes_come_back(self, tmp_path: Path) -> None:
        from datasets import Audio, Dataset, Features

        path = write(tmp_path / "a.wav", SOUND, subtype="FLOAT")
        content = io.BytesIO(path.read_bytes()).getvalue()
        given = [{"array": SOUND, "sampling_rate": RATE}, str(path), path, content, {"bytes": content, "path": None}]
        rows = Dataset.from_dict({"audio": given}, features=Features({"audio": Audio()}))
        for row in rows:
            assert row["audio"]["sampling_rate"] == RATE
            assert np.array_equal(row["audio"]["array"], SOUND)

    def test_a_column_of_arrays_is_cast_and_resampled(self) -> None:
        from datasets import Audio, Dataset

        rows = Dataset.from_dict({"audio": [{"array": SOUND, "sampling_rate": RATE}]})
        (row,) = rows.cast_column("audio", Audio()).cast_column("audio", Audio(sampling_rate=8000))
        assert row["audio"]["sampling_rate"] == 8000
        np.testing.assert_allclose(row["audio"]["array"], soxr.resample(SOUND, RATE, 8000, quality="HQ"), atol=1e-5)
