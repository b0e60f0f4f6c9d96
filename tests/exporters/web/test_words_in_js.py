"""The page's tokenizer: id by id what tinyclap reads in Python, which is what the package tokenizers reads."""

import json
from collections.abc import Sequence

from tests.runtime.test_wordpiece import PICKED, SETTINGS, WORDS, random_texts, small
from tests.support.pages.node import run_js
from tinyclap.runtime.wordpiece import WordPiece

READ = """
    const { Words } = await lib("tinyclap/words.js");
    return given.map(({ facts, texts }) => {
        const words = new Words(facts);
        return texts.map((text) => words.read(text));
    });
"""
Case = tuple[str, Sequence[str], int]  # a tokenizer.json, texts and the most tokens


def assert_same(cases: Sequence[Case]) -> None:
    readers = [WordPiece(json.loads(described)) for described, _, _ in cases]
    given = [
        {"facts": {**own.facts(), "max_tokens": most}, "texts": texts}
        for own, (_, texts, most) in zip(readers, cases, strict=True)
    ]
    for own, (_, texts, most), read in zip(readers, cases, run_js(READ, given), strict=True):
        for text, found in zip(texts, read, strict=True):
            expected = own.encode(text, most)
            assert found["ids"] == expected, ascii(text)
            assert found["isCut"] == (expected != own.encode(text)), ascii(text)
            assert found["isKnown"] == (bool(text.strip()) and not own.wordless.issuperset(own.ids(text))), ascii(text)


def test_every_setting_on_picked_and_random_texts() -> None:
    cases: list[Case] = []
    for settings in SETTINGS:
        tokenizer = small(**settings)
        tokenizer.add_special_tokens(["[CLS]", "[SEP]", "[PAD]"])
        cases.append((tokenizer.to_str(), [*PICKED, *random_texts(500, 3, WORDS)], 40))
    assert_same(cases)


def test_the_words_that_ship_and_tokens_around_a_text(everyday_tokenizer: str) -> None:
    described = json.loads(everyday_tokenizer)
    vocabulary: dict[str, int] = described["model"]["vocab"]
    texts = [*PICKED, *random_texts(500, 4, [word for word in vocabulary if word.isalpha()])]
    first, second = list(vocabulary)[:2]
    around = {"type": "BertProcessing", "cls": [first, vocabulary[first]], "sep": [second, vocabulary[second]]}
    framed = json.dumps({**described, "post_processor": around})
    assert_same([(everyday_tokenizer, texts, 48), *((framed, PICKED, most) for most in (3, 5, 64))])


def test_half_a_surrogate_pair_is_no_text(everyday_tokenizer: str) -> None:
    code = """
        const { Words } = await lib("tinyclap/words.js");
        try { return new Words(given).read("\\ud800 dog"); } catch (error) { return error.message; }
    """
    facts = WordPiece(json.loads(everyday_tokenizer)).facts()
    assert run_js(code, {**facts, "max_tokens": 9}) == "half of a surrogate pair is no text"
