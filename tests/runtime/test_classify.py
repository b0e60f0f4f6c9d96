"""Labels and texts: probabilities by hand, and what needs the text side."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.sounds import PARITY, RATE, noise
from tests.support.tiny_bundles import PROMPTS, TINY_LABELS, tiny_embed, tiny_text
from tinyclap.embeddings.zero_shot import as_typed, class_matrix
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle


class TestClassify:
    def test_probabilities_are_the_softmax_of_scaled_cosines(self, bundle: Bundle) -> None:
        sound = noise(1.0)
        cosines = class_matrix(tiny_text, TINY_LABELS, PROMPTS) @ tiny_embed([sound])[0]
        odds = np.exp(14.0 * cosines)
        found = bundle.classify(sound, sample_rate=RATE)[0]
        assert [entry.label for entry in found] == [TINY_LABELS[row] for row in np.argsort(-cosines)]
        for label, cosine, probability in found:
            row = TINY_LABELS.index(label)
            assert abs(cosine - cosines[row]) < PARITY
            assert abs(probability - odds[row] / odds.sum()) < 1e-3

    def test_the_best_of_each_sound(self, bundle: Bundle) -> None:
        sounds = [noise(1.0, seed) for seed in range(3)]
        every = bundle.classify(sounds, sample_rate=RATE)
        assert [entry[:2] for entry in every] == bundle.classify(sounds, top_k=2, sample_rate=RATE)
        assert [len(entry) for entry in bundle.classify(sounds, top_k=99, sample_rate=RATE)] == [3, 3, 3]
        with pytest.raises(TinyclapError, match="top_k is 0"):
            bundle.classify(sounds, top_k=0, sample_rate=RATE)

    def test_labels_of_the_table_need_no_text_side(self, bundle: Bundle) -> None:
        sound = noise(1.0)
        chosen = bundle.classify(sound, ["Clock-Tick", "dog"], sample_rate=RATE)[0]
        every = {entry.label: entry.cosine for entry in bundle.classify(sound, sample_rate=RATE)[0]}
        assert {entry.label: entry.cosine for entry in chosen} == {
            "Clock-Tick": every["clock tick"],
            "dog": every["dog"],
        }

    def test_other_labels_need_the_text_side(self, folders: dict[str, Path]) -> None:
        message = r"has no text side and no embedding of cow; there are dog, rain, clock tick; export it with `tinyclap"
        with pytest.raises(TinyclapError, match=message):
            Bundle.load(folders["logmel"]).classify(noise(1.0), ["dog", "cow"], sample_rate=RATE)
        with pytest.raises(TinyclapError, match="has no text side and no label table"):
            Bundle.load(folders["bare"]).classify(noise(1.0), ["dog"], sample_rate=RATE)
        with pytest.raises(TinyclapError, match="has no label table; give labels"):
            Bundle.load(folders["bare"]).classify(noise(1.0), sample_rate=RATE)

    def test_the_text_side_embeds_any_label(self, folders: dict[str, Path]) -> None:
        full, labels = Bundle.load(folders["full"]), ["cow", "Siren", "something else"]
        np.testing.assert_allclose(
            full.label_table(labels).embeddings, class_matrix(tiny_text, labels, PROMPTS, as_typed), atol=1e-6
        )
        cosines = class_matrix(tiny_text, labels, PROMPTS, as_typed) @ tiny_embed([noise(1.0)])[0]
        found = full.classify(noise(1.0), labels, top_k=1, sample_rate=RATE)[0][0]
        assert (found.label, round(found.cosine, 3)) == (labels[int(cosines.argmax())], round(cosines.max(), 3))

    def test_a_label_is_a_prompt_as_it_was_typed(self, folders: dict[str, Path]) -> None:
        full = Bundle.load(folders["full"])
        typed = [" Siren ", "clock tick_Tock"]
        asked: list[str] = []

        def embed_text(texts: list[str]) -> np.ndarray:
            asked.extend(texts)
            return tiny_text(texts)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(full, "embed_text", embed_text)
            full.label_table(typed)
        assert asked == ["the sound of Siren", "Siren", "the sound of clock tick_Tock", "clock tick_Tock"]

    @pytest.mark.parametrize(("labels", "message"), [([], "none given"), ("dog", "give a list"), (["a", "A"], "both")])
    def test_labels_that_are_none(self, folders: dict[str, Path], labels: list[str], message: str) -> None:
        with pytest.raises(TinyclapError, match=message):
            Bundle.load(folders["full"]).classify(noise(1.0), labels, sample_rate=RATE)


class TestText:
    def test_padding_does_not_matter(self, folders: dict[str, Path]) -> None:
        full = Bundle.load(folders["full"])
        texts = ["dog", "the sound of rain", "a cow", *["siren"] * 40]
        embeddings = full.embed_text(texts)
        assert embeddings.dtype == np.float32
        np.testing.assert_allclose(embeddings, tiny_text(texts), atol=1e-6)
        assert full.embed_text([]).shape == (0, 16)

    def test_a_long_text_is_cut_with_a_warning(self, folders: dict[str, Path]) -> None:
        full = Bundle.load(folders["full"])
        with pytest.warns(UserWarning, match="a text is cut to 6 tokens: 'dog dog"):
            embedding = full.embed_text(["dog " * 6 + "rain"])
        np.testing.assert_allclose(embedding, tiny_text(["dog " * 6]), atol=1e-6)

    def test_a_bundle_without_a_text_side_says_so(self, bundle: Bundle) -> None:
        with pytest.raises(TinyclapError, match="has no text side; export it with `tinyclap export --onnx --text`"):
            bundle.embed_text(["dog"])
