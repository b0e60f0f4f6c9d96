"""Damaged audio files: each is embedded, or refused in one line that names it, in bounded time and memory."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.mutations import damaged, refusable, seeds
from tests.support.sounds import noise
from tests.support.tiny_bundles import tiny_bundle
from tinyclap.audio import files
from tinyclap.audio.pcm_stream import blocks_of
from tinyclap.audio.windows import at_rate
from tinyclap.runtime.bundle import Bundle

FORMATS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("wav", {"subtype": "PCM_16"}),
    ("wav", {"subtype": "FLOAT"}),
    ("flac", {"subtype": "PCM_16"}),
    ("ogg", {"subtype": "VORBIS"}),
    ("opus", {"format": "OGG", "subtype": "OPUS"}),
    ("mp3", {}),
    ("aiff", {"subtype": "PCM_24"}),
    ("aiff", {"subtype": "FLOAT"}),
    ("wav", {"subtype": "DOUBLE"}),
    ("wav", {"subtype": "IMA_ADPCM"}),
    ("wav", {"format": "RF64", "subtype": "PCM_16"}),
    ("au", {"subtype": "ULAW"}),
    ("caf", {"subtype": "PCM_16"}),
    ("w64", {"subtype": "FLOAT"}),
)
SHAPES = ((16_000, 1), (8_000, 2), (48_000, 1))


def encoded(seed: int) -> tuple[str, bytes]:
    """The suffix and the content of a whole file, of a format and a rate in turn."""
    suffix, how = FORMATS[seed % len(FORMATS)]
    rate, channels = SHAPES[seed // len(FORMATS) % len(SHAPES)]
    sound = np.stack([noise(0.7, seed, rate) for _ in range(channels)], axis=1)
    content = io.BytesIO()
    soundfile.write(content, sound.clip(-1, 1), rate, **{"format": suffix.upper(), **how})
    return suffix, content.getvalue()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.load(tiny_bundle(tmp_path_factory.mktemp("fuzzed") / "bundle"))


@pytest.mark.parametrize("seed", seeds(336))
def test_a_damaged_file_is_embedded_or_refused(tmp_path: Path, bundle: Bundle, seed: int) -> None:
    rng = np.random.default_rng(seed)
    suffix, content = encoded(seed)
    path = tmp_path / f"sound.{suffix}"
    path.write_bytes(damaged(content, rng))
    with refusable(path):
        embeddings = bundle.embed(path)
        assert embeddings.shape == (1, 16)
        np.testing.assert_allclose(np.linalg.norm(embeddings), 1, atol=1e-4)
    with refusable(path):
        told = files.info(path)
        heard = files.read(path, 16_000, start_s=0.4 * min(1.0, told.duration_s), duration_s=0.2)
        assert np.isfinite(heard).all()
        assert len(heard) <= 3200


STREAMS = ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "DOUBLE")
CONTAINERS = ("WAV", "WAVEX", "RF64")


@pytest.mark.parametrize("seed", seeds(200))
def test_a_damaged_stream_is_decoded_or_refused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sound, content = np.stack([noise(0.7, seed), noise(0.7, seed + 1)], axis=1), io.BytesIO()
    how = {"format": CONTAINERS[seed % len(CONTAINERS)], "subtype": STREAMS[seed % len(STREAMS)]}
    soundfile.write(content, sound.clip(-1, 1), 16_000, **how)
    with refusable("stdin", "stream:"):
        rate, blocks = blocks_of(io.BytesIO(damaged(content.getvalue(), rng)), "stdin")
        for mono in at_rate(blocks, rate, 16_000):
            assert mono.ndim == 1
            assert np.isfinite(mono).all()


@pytest.mark.parametrize("seed", range(len(FORMATS)))
def test_a_whole_file_is_embedded(tmp_path: Path, bundle: Bundle, seed: int) -> None:
    suffix, content = encoded(seed)
    path = tmp_path / f"sound.{suffix}"
    path.write_bytes(content)
    assert bundle.embed(path).shape == (1, 16)
