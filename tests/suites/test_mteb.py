"""A bundle in MTEB: what it is told, what it gets, and its own mock tasks."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support.sounds import PARITY, RATE, noise, write
from tests.support.tiny_bundles import tiny_bundle, tiny_embed, tiny_text
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.suites.mteb import Encoder, embed_texts

SOUNDS = [noise(seconds, seed=seed) for seed, seconds in enumerate((0.4, 1.0, 2.3))]
TEXTS = ["the sound of dog", "rain", "clock tick"]
TASK: Any = SimpleNamespace(name="Task")


class TestTexts:
    """Without mteb."""

    def test_all_known(self, bundle: Bundle) -> None:
        np.testing.assert_allclose(embed_texts(bundle, TEXTS), tiny_text(TEXTS), atol=1e-5)

    def test_an_unknown_one_is_like_nothing(self, bundle: Bundle) -> None:
        with pytest.warns(UserWarning, match="tiny knows no word of 2 of 4 texts, e.g. 'Sirene'"):
            found = embed_texts(bundle, ["dog", "Sirene", "rain", "*"])
        np.testing.assert_allclose(found[[0, 2]], tiny_text(["dog", "rain"]), atol=1e-5)
        assert not found[[1, 3]].any()

    def test_without_words(self, mute: Bundle) -> None:
        with pytest.raises(TinyclapError, match="has no text side"):
            embed_texts(mute, TEXTS)


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the encoder replaces in `datasets` is put back."""
    from datasets import Audio

    for name in ("decode_example", "encode_example"):
        monkeypatch.setattr(Audio, name, getattr(Audio, name))


@pytest.mark.filterwarnings("ignore")  # those of other packages
@pytest.mark.usefixtures("mteb", "private")
class TestMteb:
    def encoded(self, encoder: Encoder, **columns: Any) -> np.ndarray:
        from datasets import Audio, Dataset
        from torch.utils.data import DataLoader

        rows = Dataset.from_dict(columns)
        if "audio" in columns:
            rows = rows.cast_column("audio", Audio())
        options = {"task_metadata": TASK, "hf_split": "test", "hf_subset": "default", "show_progress_bar": False}
        return encoder.encode(DataLoader(rows, batch_size=2), **options)

    def test_sounds_texts_and_both(self, bundle: Bundle) -> None:
        encoder = Encoder(bundle)
        audio = [{"array": sound, "sampling_rate": RATE} for sound in SOUNDS]
        heard, read = tiny_embed(SOUNDS), tiny_text(TEXTS)
        for columns, expected in (
            ({"audio": audio, "label": [0, 1, 0]}, heard),
            ({"text": TEXTS}, read),
            ({"text": TEXTS, "audio": audio}, heard + read),
        ):
            found = self.encoded(encoder, **columns)
            assert found.dtype == np.float32
            assert np.abs(found - expected).max() < PARITY

    def test_files_of_other_rates_and_channels(self, bundle: Bundle, tmp_path: Path) -> None:
        stereo = np.stack([noise(1.5, rate=44_100, seed=seed) for seed in (0, 1)], axis=1)
        path = write(tmp_path / "a.wav", stereo, 44_100, subtype="FLOAT")
        found = self.encoded(Encoder(bundle), audio=[str(path)])
        assert np.abs(found - bundle.embed(stereo.mean(1), sample_rate=44_100)).max() < PARITY

    def test_a_sound_that_cannot_be_used_is_named(self, bundle: Bundle) -> None:
        audio = [{"array": sound, "sampling_rate": RATE} for sound in (SOUNDS[0], SOUNDS[0] + np.nan)]
        with pytest.raises(TinyclapError, match=r"(Task, row 1|bytes): .*NaN"):
            self.encoded(Encoder(bundle), audio=audio)
        with pytest.raises(TinyclapError, match="Task has the columns image; expected audio, text or both"):
            self.encoded(Encoder(bundle), image=[1])

    def test_what_it_is_told(self, bundle: Bundle, mute: Bundle, tmp_path: Path) -> None:
        told, other = Encoder(bundle).mteb_model_meta, Encoder(mute).mteb_model_meta
        assert (told.name, told.embed_dim, told.license) == ("tinyclap/tiny", 16, "apache-2.0")
        assert (told.modalities, other.modalities) == (["audio", "text"], ["audio"])
        assert told.revision != other.revision
        assert other.n_parameters == 224
        same = tiny_bundle(tmp_path / "same", text=True, bert=True)
        assert Encoder(same).mteb_model_meta.revision == told.revision

    def test_similarity(self, bundle: Bundle) -> None:
        encoder = Encoder(bundle)
        one, other = 3 * tiny_embed(SOUNDS), tiny_text(TEXTS)
        expected = tiny_embed(SOUNDS) @ other.T
        np.testing.assert_allclose(encoder.similarity(one, other), expected, atol=1e-5)
        np.testing.assert_allclose(encoder.similarity_pairwise(one, other), expected.diagonal(), atol=1e-5)

    def test_its_mock_tasks_of_sounds(self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        import mteb
        from mteb.mocks import MOCK_MAEB_TASK_GRID

        monkeypatch.setattr(mteb, "evaluate", partial(mteb.evaluate, cache=None, show_progress_bar=False))
        results = mteb.evaluate(Encoder(bundle), MOCK_MAEB_TASK_GRID, raise_error=True)
        scores = {result.task_name: result.get_score() for result in results.task_results}
        assert set(scores) == {task.metadata.name for task in MOCK_MAEB_TASK_GRID}
        assert len(scores) == 10
        assert np.isfinite(list(scores.values())).all()

    def test_without_words_it_is_asked_of_sounds_alone(self, mute: Bundle) -> None:
        import mteb

        run = mteb.mock_run(Encoder(mute))
        ran = {name for name, status in run.items() if status is not None}
        assert run.all_passed
        assert "MockAudioClassification" in ran
        assert "MockAudioZeroshotClassification" not in ran
