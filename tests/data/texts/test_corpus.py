"""A corpus: each caption once, nothing that is held out, one message for what is wrong."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest

from tinyclap.data.texts.corpus import MAX_CHARACTERS, Caption, Corpus, build_corpus
from tinyclap.data.texts.misspellings import NEIGHBOURS, misspelled
from tinyclap.errors import TinyclapError


@dataclass(frozen=True)
class Said:
    """A source of texts of one group."""

    texts: tuple[str, ...]
    group: str = "names"
    name: str = "said"
    licence: str = "CC0"

    def captions(self, seed: int) -> Iterable[Caption]:
        return [Caption(text, text, self.group) for text in self.texts]


@dataclass(frozen=True)
class Translated:
    name: str = "translated"
    licence: str = "CC BY 4.0"

    def captions(self, seed: int) -> Iterable[Caption]:
        return [Caption("ein Hund bellt", "a dog barks", "translations"), Caption("Bank", "bench", "translations")]


def texts(corpus: Corpus) -> list[str]:
    return [caption.text for caption in corpus.captions]


def test_a_caption_of_several_sources_is_there_once() -> None:
    corpus = build_corpus(
        [Said(("dog", "rain ", "dog")), Said(("  rain", "a  cat\nmeows"), name="more", licence="MIT")]
    )
    assert texts(corpus) == ["dog", "rain", "a cat meows"]
    assert corpus.licences == {"said": "CC0", "more": "MIT"}
    assert corpus.counts == {"said": 2, "more": 1}
    assert len(corpus) == 3


def test_letters_composed_and_decomposed_are_one_text() -> None:
    assert texts(build_corpus([Said(("caf\u00e9", "cafe\u0301"))])) == ["caf\u00e9"]


def test_the_fingerprint_is_of_texts_and_meanings_and_of_nothing_else() -> None:
    first = build_corpus([Said(("dog", "rain"))])
    assert first.fingerprint == build_corpus([Said(("dog", "rain"), name="x", licence="y", group="words")]).fingerprint
    assert (
        len({first.fingerprint, *(build_corpus([Said(said)]).fingerprint for said in (("dog",), ("do", "grain")))}) == 3
    )
    assert int(first.fingerprint, 16) > 0


def test_a_translation_has_another_meaning_and_no_prompts() -> None:
    corpus = build_corpus([Translated()], prompts=["the sound of {}"], misspelled_share=1.0)
    assert [dataclasses.astuple(caption) for caption in corpus.captions] == [
        ("ein Hund bellt", "a dog barks", "translations"),
        ("Bank", "bench", "translations"),
    ]


@pytest.mark.parametrize(
    ("phrase", "held_out"),
    [
        ("dog", ["dog", "Dogs bark", "a dog's bark", "hot-dog", "DOG"]),
        ("dogs", ["dog", "Dogs bark", "a dog's bark", "hot-dog", "DOG"]),
        ("hand_saw", ["hand saws cut wood", "a hand-saw"]),
        ("DogBark", ["dog bark"]),
        ("mouse click", ["mouse clicks", "mice click"]),
        ("fly", ["a fly buzzes", "flies buzz"]),
        ("wolf", ["two wolves howl"]),
        ("bus", ["buses stop", "a bus"]),
        ("glass", ["glass breaks", "Glasses clink"]),
    ],
)
def test_what_is_held_out_is_nowhere_as_whole_words(phrase: str, held_out: list[str]) -> None:
    kept = ["dogma", "the saw in my hand", "a hand", "clicks of a mouse that clicks", "busy", "flyer", "glassy", "bark"]
    corpus = build_corpus([Said((*held_out, *kept))], exclude=[phrase])
    assert texts(corpus) == kept
    assert corpus.n_excluded == len(held_out)


def test_a_meaning_that_is_held_out_takes_its_translation_along() -> None:
    assert texts(build_corpus([Translated()], exclude=["dog"])) == ["Bank"]


def test_neither_prompts_nor_misspellings_bring_back_what_is_held_out() -> None:
    corpus = build_corpus(
        [Said(("fog", "dig", "boat"))], exclude=["dog"], prompts=["a dog and {}"], misspelled_share=1.0
    )
    assert texts(corpus)[:3] == ["fog", "dig", "boat"]
    assert corpus.groups == {"names": 3, "misspellings": 1}
    many = [
        texts(build_corpus([Said(("frog",))], exclude=["fog"], misspelled_share=1.0, seed=seed)) for seed in range(60)
    ]
    assert not any("fog" in one for one in many)


def test_short_names_are_given_in_all_prompts_and_words_in_one() -> None:
    prompts = ["the sound of {}", "this is {}"]
    names = build_corpus([Said(("Car_horn", "one two three four five six"))], prompts=prompts)
    assert texts(names)[2:] == ["the sound of car horn", "this is car horn"]
    assert names.groups == {"names": 2, "prompts": 2}
    words = [build_corpus([Said(("horn",), "words")], prompts=prompts, seed=seed) for seed in range(20)]
    assert {tuple(texts(corpus)[1:]) for corpus in words} == {("the sound of horn",), ("this is horn",)}
    assert texts(build_corpus([Said(("a horn blows",), "captions")], prompts=prompts)) == ["a horn blows"]


def test_a_share_of_names_is_also_misspelled() -> None:
    names = tuple(
        f"{first}{last} barking" for first in ("br", "gl", "st", "sp") for last in ("own", "ink", "eam", "oot")
    )
    corpus = build_corpus([Said(names)], misspelled_share=0.5)
    wrong = [caption for caption in corpus.captions if caption.group == "misspellings"]
    assert 3 <= len(wrong) <= 13
    assert all(caption.meaning in names and caption.text not in names for caption in wrong)
    assert build_corpus([Said(names)], misspelled_share=0.5).fingerprint == corpus.fingerprint
    assert build_corpus([Said(names)], misspelled_share=0.5, seed=1).fingerprint != corpus.fingerprint


def test_what_is_drawn_for_a_name_does_not_change_with_the_rest() -> None:
    few = build_corpus([Said(("thunder", "whistling"))], misspelled_share=1.0)
    more = build_corpus([Said(("chainsaw", "thunder", "engine", "whistling"))], misspelled_share=1.0)
    assert set(few.captions) <= set(more.captions)


def test_no_misspelling_is_another_word_of_the_corpus() -> None:
    for seed in range(40):
        corpus = build_corpus([Said(("cart", "cat", "crt", "art"))], misspelled_share=1.0, seed=seed)
        assert len(set(texts(corpus))) == len(corpus)


def test_a_text_that_is_far_too_long_is_left_out_and_named() -> None:
    long = "a dog barks and " * 700
    message = (
        rf"1 captions of said are longer than {MAX_CHARACTERS} characters and left out: 'a dog barks and a dog.*'\.\.\."
    )
    with pytest.warns(UserWarning, match=message):
        corpus = build_corpus([Said((long, "rain"))])
    assert texts(corpus) == ["rain"]


@pytest.mark.parametrize(
    ("sources", "options", "message"),
    [
        ([], {}, "no source is given"),
        ([Said(())], {}, "no caption is left of said"),
        ([Said(("dog", " "))], {"exclude": ["dog"]}, "no caption is left of said; 1 hold an excluded phrase"),
        ([Said(("dog",))], {"exclude": ["--"]}, "exclude: '--' holds no word"),
        ([Said(("dog",))], {"prompts": ["a sound"]}, r"template 'a sound' has no \{\}"),
    ],
)
def test_what_is_wrong_is_said(sources: list[Said], options: dict[str, list[str]], message: str) -> None:
    with pytest.raises(TinyclapError, match=message):
        build_corpus(sources, **options)  # type: ignore[arg-type]


def test_a_slip_is_one_of_four_kinds() -> None:
    word, seen = "barking", set()
    for seed in range(300):
        slip = misspelled(word, np.random.default_rng(seed))
        assert slip is not None
        assert slip != word
        assert slip[0] == "b"
        seen.add(len(slip) - len(word))
        if len(slip) == len(word) and sorted(slip) != sorted(word):
            ((right, wrong),) = [pair for pair in zip(word, slip, strict=True) if pair[0] != pair[1]]
            assert wrong in NEIGHBOURS[right]
    assert seen == {-1, 0, 1}


def test_a_slip_needs_a_word_to_be_made_in() -> None:
    rng = np.random.default_rng(0)
    assert misspelled("a cat, M\u00fcller 1234", rng) is None
    assert all(str(misspelled("Car HORN", np.random.default_rng(seed))).startswith("Car H") for seed in range(50))
    assert NEIGHBOURS["s"] == "qweadzxc"
