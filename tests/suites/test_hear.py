"""The interface of HEAR 2021, by the checks of hear-validator 2021.0.6, which needs another Python and TensorFlow."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.sounds import PARITY, RATE, noise
from tests.support.tiny_bundles import tiny_bundle, tiny_embed
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.suites import hear
from tinyclap.suites.hear import get_scene_embeddings, get_timestamp_embeddings, load_model

ACCEPTABLE = (16_000, 22_050, 32_000, 44_100, 48_000)
SOUND = noise(2.5)


def white(count: int, seconds: float, rate: int) -> torch.Tensor:
    return torch.rand((count, int(seconds * rate)), generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> hear.Model:
    module = importlib.import_module("tinyclap.suites.hear")
    loaded: hear.Model = module.load_model(str(bundle.folder))
    return loaded


class TestValidator:
    """`hearvalidator/validate.py`, check by check."""

    def test_load_model(self, model: hear.Model) -> None:
        assert isinstance(model, torch.nn.Module)
        assert model.to("cpu") is model

    def test_sample_rate_and_sizes(self, model: hear.Model) -> None:
        assert model.sample_rate in ACCEPTABLE
        assert type(model.scene_embedding_size) is type(model.timestamp_embedding_size) is int

    @pytest.mark.parametrize("seconds", [1.07, 1.98, 4.0])
    def test_timestamp_embeddings(self, model: hear.Model, seconds: float) -> None:
        embeddings, timestamps = get_timestamp_embeddings(white(2, seconds, model.sample_rate), model)
        assert embeddings.dtype == torch.float32
        assert (embeddings.ndim, timestamps.ndim) == (3, 2)
        assert embeddings.shape[0] == 2
        assert embeddings.shape[:2] == timestamps.shape
        assert embeddings.shape[2] == model.timestamp_embedding_size
        gaps = np.diff(timestamps.numpy())
        assert gaps.max() <= 50.0
        assert np.abs(gaps - gaps.mean()).max() <= 1
        assert timestamps.min() <= gaps.mean()
        assert 1000 * seconds - 50 <= timestamps.max() <= 1000 * seconds

    def test_scene_embeddings(self, model: hear.Model) -> None:
        embeddings = get_scene_embeddings(white(4, 2.74, model.sample_rate), model)
        assert embeddings.dtype == torch.float32
        assert embeddings.shape == (4, model.scene_embedding_size)


def test_a_scene_is_the_bundles_embedding(folder: Path) -> None:
    sounds = [SOUND, SOUND[::-1].copy()]
    found = get_scene_embeddings(torch.from_numpy(np.stack(sounds)), load_model(folder))
    assert np.abs(found.numpy() - tiny_embed(sounds)).max() < PARITY


def test_a_timestamp_is_what_lies_around_it(folder: Path) -> None:
    model = load_model(folder, hop_ms=20, window_s=0.5)
    embeddings, timestamps = get_timestamp_embeddings(torch.from_numpy(SOUND)[None], model)
    at = 61
    assert timestamps[0, at] == 1220
    around = SOUND[round(0.97 * RATE) : round(1.47 * RATE)]
    assert np.abs(embeddings[0, at].numpy() - tiny_embed([around])[0]).max() < PARITY


def test_timestamps_do_not_drift(bundle: Bundle) -> None:
    """With a hop of no whole number of samples; the validator cannot see it in short sounds."""
    model = load_model(bundle, hop_ms=1000.03, window_s=0.01)
    _, timestamps = get_timestamp_embeddings(torch.from_numpy(noise(120.0))[None], model)
    np.testing.assert_allclose(timestamps[0].double(), np.arange(120) * 1000.03, atol=0.01)


def test_a_rate_that_hear_does_not_know(tmp_path: Path) -> None:
    bundle = Bundle.load(tiny_bundle(tmp_path / "other", spec=FrontendSpec(sample_rate=24_000)))
    model = load_model(bundle)
    assert model.sample_rate == 32_000
    sounds = torch.from_numpy(noise(2.0, rate=32_000))[None]
    embeddings, _ = get_timestamp_embeddings(sounds, model)
    assert np.array_equal(get_scene_embeddings(sounds, model), bundle.embed(sounds, sample_rate=32_000))
    assert embeddings.shape == (1, 41, 16)


def test_no_name_is_the_newest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The eval kit passes nothing, hear-validator an empty text to its own default."""
    monkeypatch.setattr("tinyclap.suites.loading.newest_bundle", lambda: type("Found", (), {"bundle": folder}))
    assert load_model().bundle.folder == load_model("").bundle.folder == folder


def test_what_cannot_be_used(folder: Path) -> None:
    with pytest.raises(TinyclapError, match="hop_s is 0"):
        load_model(folder, hop_ms=0)
    with pytest.raises(TinyclapError, match="shorter than 10 ms"):
        get_timestamp_embeddings(torch.zeros(1, 20), load_model(folder))
