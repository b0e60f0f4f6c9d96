"""Tokenizers of BERT's kind, read without the package tokenizers: id by id what that package gives."""
# ruff: noqa: RUF001 (letters of many scripts look alike)

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece as Model

from tinyclap.runtime.wordpiece import OtherKindError, WordPiece

PICKED = (
    "",
    " \t\n\r\x0b\x0c\x85\u3000\u2028",
    "a dog barks, then rain; 24/7 -- isn't it?",
    "Ein größerer Hund bellt am FLUẞ; l'été à Nîmes, piñata Ångström",
    "ΟΔΟΣ οδός Σ σς ΣΑΣ",
    "İstanbul ıslık ﬁne ǅ Å ẛ̣ ḍ̇",
    "собака лает, ёлка ЙОГУРТ",
    "犬が吠える。東京タワー 강아지가 짖다 \uf900\U0002f800",
    "a犬b 雨x",
    "हिन्दी ไทย עִבְרִית عَرَبِيّ",
    "dog🐶 👩‍👩‍👧‍👦 ☔️ 🇩🇪 dog🐶dog",
    "zero\u200bwidth\u200d joiner\ufeff soft\u00adhyphen \u2066isolated\u2069",
    "nul\0 bell\a escape\x1b[0m delete\x7f \ufffd \ufffe \U0010ffff private\ue000",
    "e\u0301e\u0301\u0302\u0323 a\u1ac1b \u0345 n\u0303" + "o\u0300" * 60,
    "[CLS] dog [SEP] [PAD][MASK]x[UNK] [cls] [ CLS ] [[CLS]]",
    "##dog dog##s # ## ###",
    "dog " * 2500,
    "d" * 10_000,
    "barking" * 20,
    "!?" * 5000,
    "«dog» “rain” ‘cow’ … – — · ¿ ¡ § ¶ ‰ ⁇ 「雨」 ⸺ \u2e52 $ + < = > ^ ` | ~ ₤",
)
SETTINGS: tuple[dict[str, bool], ...] = (
    {},
    {"lowercase": False},
    {"strip_accents": False},
    {"clean_text": False},
    {"handle_chinese_chars": False},
    {"clean_text": False, "handle_chinese_chars": False, "strip_accents": True, "lowercase": False},
)
WORDS = (
    *("dog", "dogs", "bark", "##ing", "##s", "rain", "r", "##a", "##i", "##n", "e", "##e", "o", "##o", "a", "b", "##b"),
    *("x", "犬", "雨", "東", "й", "ё", "σ", "##σ", "ς", "ẞ", "ß", "i", "ı", "İ", "!", "?", ",", "-", "#", "[", "]"),
)


def assert_agree(described: str, texts: Sequence[str], max_tokens: int | None = None) -> None:
    """A tokenizer.json read by both."""
    package, own = Tokenizer.from_str(described), WordPiece(json.loads(described))
    package.no_padding()
    package.no_truncation()
    if max_tokens is not None:
        package.enable_truncation(max_tokens)
    for text, expected in zip(texts, package.encode_batch(list(texts)), strict=True):
        assert own.encode(text, max_tokens) == expected.ids, ascii(text)


def random_texts(count: int, seed: int, words: Sequence[str]) -> list[str]:
    """Texts of characters of all kinds, of words, and of special tokens."""
    rng = np.random.default_rng(seed)
    ranges = ((32, 127), (0, 0x250), (0x300, 0x370), (0x370, 0x590), (0, 0x3000), (0x3000, 0xA000), (0xA000, 0x110000))
    odd = [*"Σ\u200b\u200d\ufe0f\x85\u3000İßﬁ각🐶犬", "[CLS]", "[UNK]", "[mask]", "##", " ", "\n", "##s"]

    def piece(kind: int) -> str:
        if kind < len(ranges):
            code = int(rng.integers(*ranges[kind]))
            return "?" if 0xD800 <= code < 0xE000 else chr(code)  # half a pair is no text
        pool = (odd, words)[kind % 2]
        return pool[int(rng.integers(len(pool)))]

    texts = []
    for _ in range(count):
        kinds = rng.integers(len(ranges) + 4, size=3)
        texts.append("".join(piece(int(kind)) for kind in rng.choice(kinds, size=rng.integers(40))))
    return texts


@pytest.fixture(scope="module")
def minilm(minilm_root: Path) -> str:
    return (minilm_root / "tokenizer.json").read_text(encoding="utf-8")


def small(**settings: bool) -> Tokenizer:
    """A vocabulary of a few dozen tokens, some of which only other settings than BERT's usual ones reach."""
    named = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, "é", "##é", "Dog", "Å", "A\u030a", "\u0301", "##\u0301", "ᄀ"]
    model = Model({word: place for place, word in enumerate(named)}, unk_token="[UNK]", max_input_chars_per_word=12)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(**settings)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


class TestAgreement:
    def test_published_file_on_picked_texts(self, minilm: str) -> None:
        assert_agree(minilm, PICKED)

    def test_published_file_on_random_texts(self, minilm: str) -> None:
        assert_agree(minilm, random_texts(3000, 0, list(json.loads(minilm)["model"]["vocab"])))

    @pytest.mark.parametrize("settings", SETTINGS, ids=str)
    def test_small_vocabulary_with_every_setting(self, settings: dict[str, bool]) -> None:
        tokenizer = small(**settings)
        tokenizer.add_special_tokens(["[CLS]", "[SEP]", "[PAD]"])
        assert_agree(tokenizer.to_str(), PICKED)
        assert_agree(tokenizer.to_str(), random_texts(1500, 1, WORDS))

    @pytest.mark.parametrize("max_tokens", [0, 1, 2, 3, 5, 64])
    def test_cut_as_the_package_cuts(self, minilm: str, max_tokens: int) -> None:
        for described in (minilm, small().to_str()):
            assert_agree(described, PICKED, max_tokens)

    def test_tokens_around_a_text(self) -> None:
        tokenizer = small()
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        assert_agree(tokenizer.to_str(), PICKED, 9)
        several = processors.TemplateProcessing(
            single=["$A", "end", "[SEP]"], special_tokens=[("[SEP]", 3), ("end", 7)]
        )
        tokenizer.post_processor = several
        assert_agree(tokenizer.to_str(), PICKED, 9)

    def test_overlapping_added_tokens(self) -> None:
        tokenizer = small()
        tokenizer.add_special_tokens(["dog", "dogs", "bark"])
        assert_agree(tokenizer.to_str(), ["dogs bark", "dogsdog barkdo", "Dogs DOG", "xdogx", "##dogs"])

    def test_every_character(self) -> None:
        """Each one between two letters, in a vocabulary that tells all of them apart."""
        plain, nfd, lower = normalizers.BertNormalizer(), normalizers.NFD(), normalizers.Lowercase()
        known = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs")]
        younger = {
            character
            for character in known
            if nfd.normalize_str(character) != unicodedata.normalize("NFD", character)
            or lower.normalize_str(character) != character.lower()
        }
        assert all(unicodedata.ucd_3_2_0.category(character) == "Cn" for character in younger), (
            "Unicode knew it in 2002"
        )
        assert len(younger) < 60
        texts = [f"a{character}b" for character in known if character not in younger]
        letters = sorted({letter for text in texts for letter in plain.normalize_str(text)})
        pieces = [*letters, *(f"##{letter}" for letter in letters)]
        model = Model({piece: place for place, piece in enumerate(["[UNK]", *pieces])}, unk_token="[UNK]")
        tokenizer = Tokenizer(model)
        tokenizer.normalizer, tokenizer.pre_tokenizer = plain, pre_tokenizers.BertPreTokenizer()
        assert_agree(tokenizer.to_str(), texts)


class TestOtherKinds:
    @pytest.mark.parametrize(
        "changes",
        [
            {"normalizer": None},
            {"normalizer": {"type": "Lowercase"}},
            {"normalizer": {"strip_accents": "yes"}},
            {"pre_tokenizer": {"type": "Whitespace"}},
            {"model": {"type": "WordLevel"}},
            {"model": {"unk_token": "[unknown]"}},
            {"model": {"max_input_chars_per_word": "100"}},
            {"model": {"vocab": {"[UNK]": -1}}},
            {"model": {"vocab": {"[UNK]": 0.5}}},
            {"model": {"vocab": [["[UNK]", 0]]}},
            {"post_processor": {"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}},
            {"post_processor": {"type": "TemplateProcessing", "single": 5, "special_tokens": {}}},
            {"post_processor": {"type": "TemplateProcessing", "single": [], "special_tokens": {}}},
            {"post_processor": []},
            {"added_tokens": None},
            {"added_tokens": [{"id": 0}]},
        ],
        ids=str,
    )
    def test_are_left_to_the_package(self, changes: dict[str, Any]) -> None:
        described = json.loads(small().to_str())
        for key, value in changes.items():
            described[key] = described[key] | value if isinstance(described[key], dict) and value else value
        with pytest.raises(OtherKindError):
            WordPiece(described)

    @pytest.mark.parametrize("flag", ["single_word", "lstrip", "rstrip", "normalized"])
    def test_added_tokens_that_are_not_matched_as_they_are(self, flag: str) -> None:
        described = json.loads(small().to_str())
        token = {"id": 4, "content": "dog", "special": False}
        described["added_tokens"] = [
            token | {name: name == flag for name in ("single_word", "lstrip", "rstrip", "normalized")}
        ]
        with pytest.raises(OtherKindError):
            WordPiece(described)
        described["added_tokens"][0][flag] = False
        assert WordPiece(described).encode("dog") == [4]
        described["added_tokens"][0]["id"] = 5
        with pytest.raises(OtherKindError):
            WordPiece(described)

    @pytest.mark.parametrize("described", [None, [], "x", 1, {}])
    def test_what_is_no_tokenizer(self, described: object) -> None:
        with pytest.raises(OtherKindError):
            WordPiece(described)

    def test_half_a_surrogate_pair_is_no_text(self) -> None:
        with pytest.raises(UnicodeEncodeError):
            WordPiece(json.loads(small().to_str())).encode("dog \ud83d")
