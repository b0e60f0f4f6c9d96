"""Labels and texts: probabilities by hand, and what needs the text side."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.processors import TemplateProcessing

from tests.support.sounds import PARITY, RATE, noise
from tests.support.tiny_bundles import PROMPTS, TINY_LABELS, WORDS, tiny_embed, tiny_text
from tinyclap.embeddings.zero_shot import SameClassesError, as_typed, class_matrix
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import read_manifest, write_manifest
from tinyclap.runtime.text_encoder import token_reader


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
        full, labels = Bundle.load(folders["full"]), ["cow", "siren", "clock of something"]
        np.testing.assert_allclose(
            full.label_table(labels).embeddings, class_matrix(tiny_text, labels, PROMPTS, as_typed), atol=1e-6
        )
        cosines = class_matrix(tiny_text, labels, PROMPTS, as_typed) @ tiny_embed([noise(1.0)])[0]
        found = full.classify(noise(1.0), labels, top_k=1, sample_rate=RATE)[0][0]
        assert (found.label, round(found.cosine, 3)) == (labels[int(cosines.argmax())], round(cosines.max(), 3))

    def test_a_label_is_a_prompt_as_it_was_typed(self, folders: dict[str, Path]) -> None:
        full = Bundle.load(folders["full"])
        typed = [" Siren of rain ", "clock tick_Tock"]
        asked: list[str] = []

        def embed_text(texts: list[str]) -> np.ndarray:
            asked.extend(texts)
            return tiny_text(texts)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(full, "embed_text", embed_text)
            full.label_table(typed)
        assert asked == [
            *("the sound of Siren of rain", "Siren of rain"),
            *("the sound of clock tick_Tock", "clock tick_Tock"),
        ]

    @pytest.mark.parametrize(("labels", "message"), [([], "none given"), ("dog", "give a list"), (["a", "A"], "both")])
    def test_labels_that_are_none(self, folders: dict[str, Path], labels: list[str], message: str) -> None:
        with pytest.raises(TinyclapError, match=message):
            Bundle.load(folders["full"]).classify(noise(1.0), labels, sample_rate=RATE)

    @pytest.mark.parametrize("kind", ["full", "bert"])
    def test_labels_of_unknown_words_alone(self, folders: dict[str, Path], kind: str) -> None:
        message = r"'xylophone' is not among the words this bundle knows \(nor 1 more\); say it in other words"
        with pytest.raises(TinyclapError, match=message):
            Bundle.load(folders[kind]).label_table(["cow", "xylophone", "clock xylophone", "犬"])

    def test_labels_that_read_the_same(self, folders: dict[str, Path]) -> None:
        with pytest.raises(SameClassesError, match="'cow' and 'ców' have the same text embedding"):
            Bundle.load(folders["bert"]).label_table(["cow", "siren", "ców"])


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

    @pytest.mark.parametrize("kind", ["full", "bert"])
    def test_a_text_of_no_known_word_is_refused(self, folders: dict[str, Path], kind: str) -> None:
        loaded = Bundle.load(folders[kind])
        assert loaded.embed_text(["Xylophone! dog"]).shape == (1, 16)
        for text in ("", " \t\n", "\u200b", "xylophone", "犬 🐶", "x" * 10_000):
            shown = repr(text if len(text) < 100 else "x" * 80 + "...")
            with pytest.raises(
                TinyclapError, match=f"^{re.escape(shown)} is not among the words this bundle knows; say"
            ):
                loaded.embed_text(["dog", text])
        with pytest.raises(TinyclapError, match=r"^'cat' is not among the words this bundle knows \(nor 2 more\); say"):
            loaded.embed_text(["dog", "cat", "rain", "", "cat"])
        with pytest.raises(TinyclapError, match=r"tokenizer\.json cannot read 'dog .ud83d'"):
            loaded.embed_text(["dog \ud83d"])

    def test_special_tokens_are_no_words(self, folders: dict[str, Path], tmp_path: Path) -> None:
        for kind in ("full", "bert"):
            folder = shutil.copytree(folders[kind], tmp_path / kind)
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            tokenizer.add_special_tokens(["[PAD]"])
            around = [("the", WORDS["the"]), ("of", WORDS["of"])]
            tokenizer.post_processor = TemplateProcessing(single="the $A of", special_tokens=around)
            tokenizer.save(str(folder / "tokenizer.json"))
            write_manifest(folder, read_manifest(folders[kind]))
            loaded = Bundle.load(folder)
            np.testing.assert_allclose(loaded.embed_text(["dog"]), tiny_text(["the dog of"]), atol=1e-6)
            for text in ("[PAD]", "", "[PAD] cat"):
                with pytest.raises(TinyclapError, match="is not among the words this bundle knows"):
                    loaded.embed_text([text])

    def test_a_space_is_no_word(self, tmp_path: Path) -> None:
        pieces = [("<unk>", 0.0), ("\u2581", -2.0), ("\u2581dog", -1.0), ("s", -2.0)]
        tokenizer = Tokenizer(Unigram(pieces, unk_id=0))
        tokenizer.pre_tokenizer = Metaspace()
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        read = token_reader(tmp_path / "tokenizer.json", 3)
        assert read(["dogs", "犬"]) == [([2, 3], False, True), ([1, 0], False, False)]
        assert read(["dogs dog dogs"]) == [([2, 3, 2], True, True)]

    def test_words_in_any_case_as_the_tokenizer_reads_them(self, folders: dict[str, Path]) -> None:
        embeddings = Bundle.load(folders["bert"]).embed_text(["The SOUND of; döG", "Rain"])
        np.testing.assert_allclose(embeddings, tiny_text(["the sound of ; dog", "rain"]), atol=1e-6)

    def test_a_damaged_tokenizer_is_named(self, folders: dict[str, Path], tmp_path: Path) -> None:
        for number, content in enumerate((b"{", b"\xff", b"[]", b'{"model": {"type": "WordPiece"}}')):
            folder = shutil.copytree(folders["bert"], tmp_path / str(number))
            (folder / "tokenizer.json").write_bytes(content)
            write_manifest(folder, read_manifest(folders["bert"]))
            with pytest.raises(TinyclapError, match=r"tokenizer\.json is no tokenizer\.json \("):
                Bundle.load(folder).embed_text(["dog"])

    def test_a_bundle_without_a_text_side_says_so(self, bundle: Bundle) -> None:
        with pytest.raises(TinyclapError, match="has no text side; export it with `tinyclap export --onnx --text`"):
            bundle.embed_text(["dog"])
