"""A bundle in X-ARES: its own check, and its ESC-50 task on made sounds."""

import copy
import io
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torchaudio

from tests.support.sounds import PARITY, RATE, clip, noise, write
from tests.support.tiny_bundles import tiny_embed
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.suites.xares import Encoder

FOLDS, CLASSES, EACH = (1, 2, 3, 4, 5), 3, 4


@pytest.fixture(autouse=True)
def put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchaudio, "load", torchaudio.load)


def forward(encoder: Encoder, *sounds: np.ndarray) -> np.ndarray:
    found: torch.Tensor = encoder(torch.from_numpy(np.stack(sounds)))
    assert found.dtype == torch.float32
    return found.numpy()


class TestForward:
    def test_one_embedding_for_each_hop(self, bundle: Bundle) -> None:
        sound = noise(2.5)
        encoder = Encoder(bundle, hop_s=0.5)
        assert (encoder.sampling_rate, encoder.output_dim, encoder.hop_size_in_ms) == (RATE, 16, 500)
        (found,) = forward(encoder, sound)
        middles = np.array([0.5, 0.75, 1.25, 1.75, 2.0])  # those that would lie outside are moved in
        around = [sound[round((at - 0.5) * RATE) : round((at + 0.5) * RATE)] for at in middles]
        assert np.abs(found - tiny_embed(around)).max() < PARITY

    def test_a_clip_of_a_window_is_the_bundles_embedding(self, bundle: Bundle) -> None:
        sounds = [noise(1.0, seed=1), noise(1.0, seed=2)]
        found = forward(Encoder(bundle, hop_s=0.3), *sounds)
        assert found.shape == (2, 4, 16)
        assert np.abs(found - tiny_embed(sounds)[:, None]).max() < PARITY

    def test_padding_of_a_batch_changes_nothing(self, bundle: Bundle) -> None:
        long, short = noise(4.0, seed=1), noise(2.0, seed=2)
        encoder = Encoder(bundle)
        alone = forward(encoder, short)[0]
        padded = forward(encoder, long, np.concatenate([short, np.zeros(2 * RATE, np.float32)]))[1]
        assert np.array_equal(padded[:2], alone)
        assert np.array_equal(padded[2:], alone[[-1, -1]])

    def test_ten_minutes(self, bundle: Bundle) -> None:
        (found,) = forward(Encoder(bundle), noise(600.0))
        assert found.shape == (600, 16)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)

    def test_a_sound_alone_and_silence(self, bundle: Bundle) -> None:
        encoder = Encoder(bundle)
        sound = noise(2.0)
        assert torch.equal(encoder(torch.from_numpy(sound)), encoder(torch.from_numpy(sound)[None]))
        assert np.isfinite(forward(encoder, np.zeros(RATE, np.float32))).all()

    def test_what_cannot_be_used(self, bundle: Bundle) -> None:
        with pytest.raises(TinyclapError, match="shorter than 10 ms"):
            Encoder(bundle)(torch.zeros(1, 20))
        with pytest.raises(TinyclapError, match="window_s is 5"):
            Encoder(bundle, window_s=5)


class TestName:
    """X-ARES keeps embeddings and scores in folders of the class's name."""

    def test_others_have_others(self, bundle: Bundle, mute: Bundle) -> None:
        made = [Encoder(bundle), Encoder(mute), Encoder(bundle, hop_s=0.5), Encoder(bundle, window_s=0.5)]
        names = [type(encoder).__name__ for encoder in made]
        assert len(set(names)) == len(names)
        assert all(name.startswith("tiny_") and name.endswith("Encoder") for name in names)
        assert type(Encoder(bundle.folder)).__name__ == names[0]

    def test_ones_own_class_keeps_its_name(self, bundle: Bundle) -> None:
        class MyEncoder(Encoder):
            def __init__(self) -> None:
                super().__init__(bundle, hop_s=0.5)

        assert type(MyEncoder()) is MyEncoder

    @pytest.mark.parametrize("again", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
    def test_another_process_makes_it_again(self, bundle: Bundle, again: type) -> None:
        encoder = Encoder(bundle, hop_s=0.5, window_s=0.5)
        other = again(encoder)
        assert type(other).__name__ == type(encoder).__name__
        assert np.array_equal(forward(other, noise(2.0)), forward(encoder, noise(2.0)))


@pytest.mark.filterwarnings("ignore")  # those of other packages
@pytest.mark.usefixtures("xares")
class TestXares:
    def test_its_check(self, bundle: Bundle, mute: Bundle) -> None:
        from xares.audio_encoder_checker import check_audio_encoder

        assert check_audio_encoder(Encoder(bundle))
        assert check_audio_encoder(Encoder(mute, hop_s=0.1, window_s=0.5))

    def test_its_program_finds_the_class(self) -> None:
        from xares.utils import attr_from_py_path

        assert attr_from_py_path("tinyclap/suites/xares.py", endswith="Encoder") is Encoder

    def test_its_esc50_task(self, bundle: Bundle, env: Path) -> None:
        from tasks.esc50_task import esc50_config
        from xares.task import XaresTask

        config = esc50_config(encoder := Encoder(bundle))
        config.env_root, config.torch_num_threads, config.num_encoder_workers = env, 1, 0
        config.learning_rate, config.epochs = 0.1, 20  # few sounds, so few steps in an epoch
        (mlp, mlp_weight), (knn, knn_weight) = XaresTask(config).run()
        assert mlp == knn == 1.0, "sounds of one class are alike, and those of others are not"
        assert mlp_weight == knn_weight == config.eval_weight
        stored = env / "esc50" / "embeddings" / type(encoder).__name__
        kept = {key: array for path in stored.glob("*.tar") for key, array in arrays(path)}
        assert len(kept) == len(FOLDS) * CLASSES * EACH
        made = {name: sound(*map(int, name.split("-"))) for name in ("1-0-0", "5-2-3")}
        for name, samples in made.items():
            (array,) = [array for key, array in kept.items() if key.startswith(name)]
            assert np.abs(array - bundle.embed(samples, sample_rate=RATE)).max() < PARITY


def sound(fold: int, number: int, of: int) -> np.ndarray:
    """A second of a class's sound: noise up to another frequency, and no two the same."""
    return clip(1.0, (200, 1200, 8000)[number], RATE, seed=10 * fold + of)


@pytest.fixture
def env(tmp_path: Path) -> Path:
    """X-ARES's folder for data, with the tars of its ESC-50 task; what it would download is there."""
    from xares.audiowebdataset import write_audio_tar

    (tmp_path / "env" / "esc50").mkdir(parents=True)
    for fold in FOLDS:
        files = {
            write(tmp_path / f"{fold}-{number}-{of}.wav", sound(fold, number, of), subtype="FLOAT"): number
            for number in range(CLASSES)
            for of in range(EACH)
        }
        tar = tmp_path / "env" / "esc50" / f"wds-audio-fold-{fold}-*.tar"
        write_audio_tar(
            [str(path) for path in files], [{"label": label} for label in files.values()], str(tar), num_shards=1
        )
    (tmp_path / "env" / "esc50" / ".audio_tar_ready").touch()
    return tmp_path / "env"


def arrays(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    with tarfile.open(path) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None and member.name.endswith(".npy"):
                yield member.name, np.load(io.BytesIO(content.read()))
