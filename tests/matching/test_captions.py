"""Captions found for sounds, and the bank of them, which is embedded once."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.sounds import RATE, write
from tests.support.tiny_bundles import TOKENS, tiny_bundle, tiny_embed, tiny_text
from tinyclap.embeddings.pursuit import mixture
from tinyclap.errors import GateError, MachineError, TinyclapError
from tinyclap.matching.caption_bank import CaptionBank, caption_bank, read_captions
from tinyclap.matching.captions import caption, caption_files, mixed, nearest, refuse_bad
from tinyclap.runtime.bundle import Bundle

WORDS = TOKENS[2:]
CAPTIONS = [f"{first} {second}" for first in WORDS for second in WORDS]  # 81: six blocks of the store


class TestReading:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.txt", "a dog\n\n  rain   falls \na dog\n"),
            ("a.csv", "id,caption\n1,a dog\n2,rain  falls\n3,\n4,a dog\n"),
            ("a.jsonl", '{"caption": ["a dog", "rain falls"]}\n{"caption": null}\n'),
        ],
    )
    def test_each_once(self, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / name).write_text(text)
        assert read_captions(tmp_path / name) == ["a dog", "rain falls"]

    def test_another_column(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("words,caption\ndog,cat\n")
        assert read_captions(tmp_path / "a.csv", "words") == ["dog"]

    @pytest.mark.parametrize(
        ("name", "text", "told"),
        [
            ("a.csv", "words\ndog\n", "has no column prompt or caption or text"),
            ("a.csv", "caption\n", "holds no captions"),
            (
                "a.csv",
                "caption\ndog\ndog barks, rain falls\n",
                "line 3: more fields than columns; put the text in quotes",
            ),
            ("a.txt", "\n \n", "holds no captions"),
            ("b.txt", None, "there is no file"),
        ],
    )
    def test_none(self, tmp_path: Path, name: str, text: str | None, told: str) -> None:
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(TinyclapError) as caught:
            read_captions(tmp_path / name)
        assert told in str(caught.value)

    def test_a_column_of_what_has_none(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("dog")
        with pytest.raises(TinyclapError, match="is read line by line and has no columns"):
            read_captions(tmp_path / "a.txt", "words")


class TestBank:
    def test_embedded_once(self, bundle: Bundle) -> None:
        bank = caption_bank(bundle, CAPTIONS)
        np.testing.assert_allclose(bank.embeddings, tiny_text(CAPTIONS), atol=1e-5)
        assert bank.computed == len(CAPTIONS)
        again = caption_bank(bundle, CAPTIONS)
        assert (again.computed, again.texts) == (0, CAPTIONS)
        assert np.array_equal(again.embeddings, bank.embeddings)
        assert caption_bank(bundle, CAPTIONS[1:]).computed == len(CAPTIONS) - 1

    def test_killed_it_goes_on(self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = Bundle.embed_text
        calls = iter(range(100))

        def third_fails(self: Bundle, texts: list[str]) -> np.ndarray:
            if next(calls) == 3:
                raise KeyboardInterrupt
            return whole(self, texts)

        monkeypatch.setattr(Bundle, "embed_text", third_fails)
        with pytest.raises(KeyboardInterrupt):
            caption_bank(bundle, CAPTIONS)
        bank = caption_bank(bundle, CAPTIONS)
        assert bank.computed == len(CAPTIONS) - 3 * 16
        np.testing.assert_allclose(bank.embeddings, tiny_text(CAPTIONS), atol=1e-5)

    def test_another_text_side_has_another_bank(self, bundle: Bundle, tmp_path: Path) -> None:
        caption_bank(bundle, CAPTIONS)
        narrow = Bundle.load(bundle.folder)
        other = Bundle.load(tiny_bundle(tmp_path / "other", text=True, bert=False))
        assert caption_bank(narrow, CAPTIONS).computed == 0
        assert caption_bank(other, CAPTIONS).computed == len(CAPTIONS)

    def test_captions_without_a_known_word(self, bundle: Bundle) -> None:
        bank = caption_bank(bundle, [*CAPTIONS[:20], "zzz", "xyz qqq", "dog zzz"])
        assert bank.left_out == ["zzz", "xyz qqq"]
        assert bank.texts == [*CAPTIONS[:20], "dog zzz"]
        np.testing.assert_allclose(bank.embeddings, tiny_text(bank.texts), atol=1e-5)
        with pytest.raises(TinyclapError, match="knows no word of any caption"):
            caption_bank(bundle, ["zzz"])

    def test_a_graph_that_fails_stops_it_and_leaves_no_zeros(
        self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(self: Bundle, texts: list[str]) -> np.ndarray:
            raise MachineError("text.onnx cannot be run: no memory")

        captions = [f"the {text}" for text in CAPTIONS[:20]]
        with monkeypatch.context() as patched:
            patched.setattr(Bundle, "embed_text", fails)
            with pytest.raises(MachineError, match="no memory"):
                caption_bank(bundle, captions)
        bank = caption_bank(bundle, captions)
        assert (bank.left_out, bank.computed) == ((), 20)
        np.testing.assert_allclose(bank.embeddings, tiny_text(captions), atol=1e-5)

    def test_long_ones_are_told_of_once(self, bundle: Bundle) -> None:
        with pytest.warns(UserWarning, match=r"cut to 6 tokens: .*\(2 such captions at least"):
            caption_bank(bundle, ["dog " * 9, *CAPTIONS, "rain " * 8])

    def test_a_bundle_without_words(self, tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match="has no text side"):
            caption_bank(Bundle.load(tiny_bundle(tmp_path / "bare")), CAPTIONS)


class TestFinding:
    def test_those_of_largest_cosine(self, bundle: Bundle, generated: list[Path], clips: dict[str, np.ndarray]) -> None:
        bank = caption_bank(bundle, CAPTIONS)
        cosines = tiny_embed(list(clips.values())) @ tiny_text(CAPTIONS).T
        for row, found in enumerate(caption_files(bundle, generated, bank, 4)):
            best = np.argsort(-cosines[row])[:4]
            np.testing.assert_allclose([each.cosine for each in found.captions], cosines[row][best], atol=1e-5)
            assert found.file == str(generated[row])
            assert len({each.text for each in found.captions}) == 4

    def test_of_equal_ones_the_earlier_and_no_more_than_there_are(self) -> None:
        bank = CaptionBank(["a", "b", "c"], np.eye(3, dtype=np.float32)[[1, 0, 0]])
        assert [each.text for each in nearest(np.eye(3)[0], bank, 2)] == ["b", "c"]
        assert [each.text for each in nearest(np.eye(3)[0], bank, 9)] == ["b", "c", "a"]
        with pytest.raises(TinyclapError, match="n is 0"):
            nearest(np.eye(3)[0], bank, 0)

    def test_several_sounds_at_once(self, bundle: Bundle, generated: list[Path]) -> None:
        bank = caption_bank(bundle, CAPTIONS)
        embedding = bundle.embed(generated[0])[0]
        made = mixture(embedding, bank.embeddings, 3)
        found = caption(bundle, generated[0], bank, mix=3)
        assert [each.text for each in found.captions] == [CAPTIONS[row] for row in made.rows]
        assert [each.weight for each in found.captions] == list(made.weights)
        assert found.mixture_cosine == made.cosine
        assert found.captions[0].cosine <= made.cosine + 1e-6

    def test_a_mixture_names_both(self) -> None:
        rows = np.eye(6, dtype=np.float32)
        dogs = [rows[0], (rows[0] + 0.01 * rows[2]) / np.sqrt(1.0001)]
        bank = CaptionBank(["a dog", "a hound", "rain"], np.stack([*dogs, rows[1]]))
        both = np.array([0.8, 0.6, 0, 0, 0, 0])
        assert {each.text for each in nearest(both, bank, 2)} == {"a dog", "a hound"}
        assert {each.text for each in mixed(both, bank, 2)[0]} == {"a dog", "rain"}

    def test_silence_and_what_is_no_sound(self, bundle: Bundle, tmp_path: Path) -> None:
        silence = write(tmp_path / "silence.wav", np.zeros(RATE, np.float32))
        (tmp_path / "broken.wav").write_bytes(b"no sound")
        found = list(caption_files(bundle, [silence, tmp_path / "broken.wav"], caption_bank(bundle, CAPTIONS)))
        assert (found[0].silent, found[0].captions, found[0].reason) == (True, (), None)
        assert "cannot be decoded" in (found[1].reason or "")
        with pytest.raises(GateError, match=r"1 of 2 files cannot be used:\n  .*broken\.wav"):
            refuse_bad(found)
        refuse_bad(found[:1])
