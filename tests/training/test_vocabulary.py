"""A student's vocabulary: which tokens it holds, that it is always the same, and what its teacher knows of them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests.runtime.test_wordpiece import PICKED, assert_agree, random_texts
from tinyclap.errors import TinyclapError
from tinyclap.training.vocabulary import reduced_vocabulary, teacher_rows

SUBJECTS = ["dog", "cow", "engine", "bird", "siren", "child", "rain", "crowd", "clock", "kettle"]
VERBS = ["barking", "mooing", "idling", "singing", "wailing", "laughing", "falling", "cheering", "ticking", "whistling"]
TEXTS = [f"A {one}, {verb} near the {other}." for one in SUBJECTS for verb in VERBS for other in SUBJECTS]


def ordered(tokenizer: Tokenizer) -> list[str]:
    """The tokens in the order of their ids."""
    vocabulary = tokenizer.get_vocab()
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    return sorted(vocabulary, key=lambda token: vocabulary[token])


def bert(tokens: Sequence[str], **settings: Any) -> Tokenizer:
    numbers = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]", **settings))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    return tokenizer


def fast(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


class TestReducedVocabulary:
    @pytest.mark.parametrize("size", [64, 100, 4000])
    def test_it_is_of_berts_kind_and_no_larger_than_asked(self, size: int) -> None:
        tokenizer = reduced_vocabulary(TEXTS, size)
        tokens = ordered(tokenizer)
        assert tokens[:2] == ["[PAD]", "[UNK]"]
        assert len(tokens) <= size
        assert_agree(tokenizer.to_str(), [*PICKED, *TEXTS[:50], *random_texts(300, 5, tokens)])
        described = json.loads(tokenizer.to_str())
        assert described["post_processor"] is None
        assert described["added_tokens"] == []
        assert tokenizer.encode("A DÓG!").tokens == tokenizer.encode("a dog !").tokens

    def test_words_of_the_texts_become_tokens_and_others_are_spelled(self) -> None:
        tokenizer = reduced_vocabulary(TEXTS, 4000)
        assert tokenizer.encode("the dog barking").tokens == ["the", "dog", "barking"]
        read = tokenizer.encode("ringing goldenrods").tokens
        assert "[UNK]" not in read
        assert "".join(read).replace("##", "") == "ringinggoldenrods"

    def test_the_most_used_come_first(self) -> None:
        tokens = ordered(reduced_vocabulary([*["rain rain"] * 9, *["dog"] * 5], 64))
        assert tokens[2:4] == ["rain", "dog"]

    def test_the_same_texts_give_the_same_bytes_in_every_process(self) -> None:
        code = (
            "import sys, json, random; from tinyclap.training.vocabulary import reduced_vocabulary\n"
            "texts = json.load(sys.stdin); random.Random(int(sys.argv[1])).shuffle(texts)\n"
            "sys.stdout.write(reduced_vocabulary(texts, 90).to_str())"
        )
        made = {
            subprocess.run(
                [sys.executable, "-c", code, seed],
                env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
                input=json.dumps(TEXTS).encode(),
                capture_output=True,
                check=True,
            ).stdout
            for seed in ("1", "2")
        }
        assert made == {reduced_vocabulary(TEXTS, 90).to_str().encode()}

    def test_characters_are_tokens_for_words_to_come(self) -> None:
        texts = [*TEXTS, *["naïve 犬 x2"] * 3, "zoo", *(9 * f"{one}{other} " for one in SUBJECTS for other in SUBJECTS)]
        tokenizer = reduced_vocabulary(texts, 110)
        tokens = set(ordered(tokenizer))
        assert {"n", "##n", "i", "##i", "犬", "x", "##x", "2", "##2", ",", "."} <= tokens
        assert not {"ï", "##ï", "##犬", "##,", "##."} & tokens, "no accents, and nothing goes on with these"
        assert not {"z", "##z", "zoo"} & tokens, "too rare"
        assert tokenizer.encode("zoo 猫 x犬").tokens == ["[UNK]", "[UNK]", "x", "犬"]
        assert {"z", "##z"} <= set(ordered(reduced_vocabulary(texts, 110, least_uses=1)))

    def test_characters_leave_half_of_it_to_words(self) -> None:
        many = "".join(chr(0x3B1 + number) for number in range(17)) + "абвгдежзиклмнопрстуфхцчшщ"
        tokens = ordered(reduced_vocabulary([*[many] * 3, *TEXTS], 64))
        assert len(tokens) == 64
        assert {"a", "##a", "e", "##e", "the", "near"} <= set(tokens), "the most used ones"

    def test_what_makes_no_vocabulary(self) -> None:
        with pytest.raises(
            TinyclapError, match="a vocabulary of 63 tokens is too small to read texts; give 64 or more"
        ):
            reduced_vocabulary(TEXTS, 63)
        for texts in ([], ["", " \u200b"]):
            with pytest.raises(TinyclapError, match="cannot be made of texts without a word"):
                reduced_vocabulary(texts, 100)


OWN = bert(["[PAD]", "[UNK]", "dog", "barking", "##ing", "##ng", "##dog", ",", "犬", "é"])


def read_as(teacher: Any, size: int) -> dict[str, Mapping[int, float]]:
    """What each token's row is made of: the teacher's rows and their weights."""
    rows = teacher_rows(OWN, teacher, np.eye(size))
    assert rows.dtype == np.float32
    assert rows.shape == (OWN.get_vocab_size(), size)
    found = {token: rows[row] for token, row in OWN.get_vocab().items()}
    return {token: {int(at): round(float(row[at]), 4) for at in np.flatnonzero(row)} for token, row in found.items()}


class TestTeacherRows:
    def test_of_a_wordpiece(self) -> None:
        tokens = ["[PAD]", "[UNK]", "bark", "##ing", "dog", "##n", "##g", "##do", ","]
        at = {token: number for number, token in enumerate(tokens)}
        for teacher in (bert(tokens), fast(bert(tokens))):
            assert read_as(teacher, len(tokens)) == {
                "[PAD]": {},
                "[UNK]": {1: 1},
                "dog": {at["dog"]: 1},
                "barking": {at["bark"]: 0.5, at["##ing"]: 0.5},
                "##ing": {at["##ing"]: 1},
                "##ng": {at["##n"]: 0.5, at["##g"]: 0.5},
                "##dog": {at["##do"]: 0.5, at["##g"]: 0.5},
                ",": {at[","]: 1},
                "犬": {},
                "é": {},
            }

    @pytest.mark.parametrize("add_prefix_space", [True, False])
    def test_of_a_byte_level_bpe(self, add_prefix_space: bool) -> None:
        merges = [("Ġ", "d"), ("Ġd", "o"), ("Ġdo", "g"), ("i", "n"), ("in", "g"), ("Ġ", ",")]
        tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(left + right for left, right in merges)]
        at = {token: number for number, token in enumerate(tokens)}
        teacher = Tokenizer(models.BPE(at, merges))
        teacher.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
        assert read_as(fast(teacher), len(tokens)) == {
            "[PAD]": {},
            "[UNK]": {},
            "dog": {at["Ġdog"]: 1},
            "barking": {
                at["Ġ"]: 0.1667,
                at["b"]: 0.1667,
                at["a"]: 0.1667,
                at["r"]: 0.1667,
                at["k"]: 0.1667,
                at["ing"]: 0.1667,
            },
            "##ing": {at["ing"]: 1},
            "##ng": {at["n"]: 0.5, at["g"]: 0.5},
            "##dog": {at["d"]: 0.3333, at["o"]: 0.3333, at["g"]: 0.3333},
            ",": {at[","]: 1},
            "犬": {at["Ġ"]: 0.25, at["ç"]: 0.25, at["Ĭ"]: 0.25, at["¬"]: 0.25},
            "é": {at["Ġ"]: 0.3333, at["Ã"]: 0.3333, at["©"]: 0.3333},
        }

    def test_of_a_bpe_that_marks_where_words_end(self) -> None:
        tokens = ["d", "o", "g", "g</w>", "i", "n", "do", "dog</w>", "ng</w>", "<end>"]
        at = {token: number for number, token in enumerate(tokens)}
        merges = [("d", "o"), ("do", "g</w>"), ("n", "g</w>")]
        teacher = Tokenizer(models.BPE(at, merges, unk_token="<end>", end_of_word_suffix="</w>"))
        found = read_as(teacher, len(tokens))
        assert (found["dog"], found["##ng"]) == ({at["dog</w>"]: 1}, {at["ng</w>"]: 1})
        assert (found["barking"], found["é"], found["[UNK]"]) == ({}, {}, {at["<end>"]: 1})

    @pytest.mark.parametrize("unk_id", [0, None])
    def test_of_a_unigram(self, unk_id: int | None) -> None:
        scored = [
            ("<unk>", 0.0),
            ("▁", -3.0),
            ("▁dog", -1.0),
            ("ing", -1.0),
            *((letter, -5.0) for letter in "barkdogin,"),
        ]
        teacher = Tokenizer(models.Unigram(scored, unk_id=unk_id))
        teacher.pre_tokenizer = pre_tokenizers.Metaspace()
        at = {token: number for number, (token, _) in enumerate(scored)}
        found = read_as(fast(teacher), len(scored))
        assert found["dog"] == {at["▁dog"]: 1}
        assert found["##ing"] == {at["ing"]: 1}
        assert found["##ng"] == {at["n"]: 0.5, at["g"]: 0.5}
        assert found["barking"] == {at[piece]: 0.1667 for piece in ("▁", "b", "a", "r", "k", "ing")}
        assert found[","] == {at[","]: 1}
        assert (found["犬"], found["é"], found["[PAD]"]) == ({}, {}, {})
        assert found["[UNK]"] == ({} if unk_id is None else {0: 1})

    def test_what_the_teacher_has_too_are_its_rows(self) -> None:
        teacher = own = reduced_vocabulary(TEXTS, 400)
        table = np.random.default_rng(0).normal(size=(teacher.get_vocab_size(), 5))
        rows = teacher_rows(own, teacher, table)
        assert not rows[0].any()
        for token, row in own.get_vocab().items():
            if row:
                np.testing.assert_allclose(rows[row], table[teacher.get_vocab()[token]], rtol=1e-6)

    def test_what_does_not_fit(self) -> None:
        with pytest.raises(
            TinyclapError, match="the teacher's table has 3 rows, its tokenizer a token 4; give both of"
        ):
            teacher_rows(OWN, bert(["[PAD]", "[UNK]", "x", "y", "dog"]), np.eye(3))
        with pytest.raises(TinyclapError, match="is none of the package tokenizers"):
            teacher_rows(OWN, object(), np.eye(3))
