"""Captions by rule: reproducible, all different, both orders, in English."""

import re
from collections import Counter

import pytest

from tinyclap.data.texts.corpus import build_corpus
from tinyclap.data.texts.grammar import Grammar
from tinyclap.data.texts.inflection import gerund, plural, third_person
from tinyclap.data.texts.sound_table import Event, Sound, sounds
from tinyclap.data.texts.surroundings import PLACES, SCENES
from tinyclap.errors import TinyclapError


@pytest.mark.parametrize(
    ("verb", "third", "ing"),
    [
        ("bark", "barks", "barking"),
        ("hiss", "hisses", "hissing"),
        ("hum", "hums", "humming"),
        ("fly overhead", "flies overhead", "flying overhead"),
        ("play a tune", "plays a tune", "playing a tune"),
        ("whine", "whines", "whining"),
        ("die", "dies", "dying"),
        ("go off", "goes off", "going off"),
        ("drip", "drips", "dripping"),
        ("beep", "beeps", "beeping"),
        ("whisper", "whispers", "whispering"),
        ("blow", "blows", "blowing"),
        ("mix", "mixes", "mixing"),
        ("quit", "quits", "quitting"),
        ("be", "is", "being"),
        ("buzz", "buzzes", "buzzing"),
        ("see", "sees", "seeing"),
        ("mimic", "mimics", "mimicking"),
        ("open and close", "opens and closes", "opening and closing"),
        ("click back and forth", "clicks back and forth", "clicking back and forth"),
    ],
)
def test_verbs(verb: str, third: str, ing: str) -> None:
    assert (third_person(verb), gerund(verb)) == (third, ing)


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("dog", "dogs"),
        ("fire truck", "fire trucks"),
        ("fly", "flies"),
        ("toy", "toys"),
        ("bus", "buses"),
        ("torch", "torches"),
        ("mouse", "mice"),
        ("fireman", "firemen"),
        ("human", "humans"),
        ("wolf", "wolves"),
        ("echo", "echoes"),
    ],
)
def test_nouns(one: str, many: str) -> None:
    assert plural(one) == many


def test_a_dictionary_decides_on_irregular_forms() -> None:
    assert gerund("hum along", {"hum": "huming"}) == "huming along"
    assert plural("red ox", {"ox": "oxes"}) == "red oxes"


def test_an_event_is_said_in_four_ways() -> None:
    dog = Sound("pet", "a dog", "dogs", ("bark",))
    one = Event(dog, "a dog", "bark", False, " loudly")
    assert one.happens == "a dog barks loudly"
    assert one.is_happening == "a dog is barking loudly"
    assert one.happening == "a dog barking loudly"
    assert one.label == "dog barking"
    assert Event(dog, "two dogs", "bark", True).is_happening == "two dogs are barking"
    cook = Sound("kitchen", "someone", "", ("wash the dishes",))
    assert Event(cook, "a man", "wash the dishes", False).label == "washing the dishes"


def test_the_table_is_whole() -> None:
    kinds = {sound.kind for sound in sounds()}
    assert kinds == set(PLACES)
    assert kinds >= {kind for scene in SCENES for kind in scene}
    assert len(sounds()) > 700
    for sound in sounds():
        assert sound.one or sound.many, sound
        assert all(re.fullmatch(r"[a-zA-Z][a-zA-Z' -]*[a-z]", verb) for verb in sound.verbs), sound
        assert len(set(sound.verbs)) == len(sound.verbs), sound
        assert not re.match(r"a [aeio]|an [^aeiouX]", sound.one), sound
        if sound.many and re.match("an? ", sound.one):
            assert sound.many in (plural(sound.noun), sound.noun) or sound.noun.split()[-1] in _ODD, sound
    twice = [key for key, count in Counter((s.kind, s.one, s.many) for s in sounds()).items() if count > 1]
    assert not twice


_ODD = {"stomach", "horn", "whistle", "mosquito", "computer", "mouse", "tornado", "volcano", "drill", "bass", "wind"}


def test_n_captions_all_different_and_the_same_again() -> None:
    captions = list(Grammar(n=3000).captions(seed=7))
    assert len({caption.text for caption in captions}) == 3000
    assert captions == list(Grammar(n=3000).captions(seed=7))
    assert captions != list(Grammar(n=3000).captions(seed=8))
    assert captions[:100] == list(Grammar(n=100).captions(seed=7))
    assert all(caption.text == caption.meaning for caption in captions)


def test_every_sound_and_every_place_comes_up() -> None:
    said = " ".join(caption.text.lower() for caption in Grammar(n=20_000).captions())
    assert not [sound for sound in sounds() if sound.noun.lower() not in said and sound.many.lower() not in said]
    assert not [place for places in PLACES.values() for place in places if place not in said]


def test_sequences_come_in_both_orders() -> None:
    captions = [caption.text.rstrip(".").lower() for caption in Grammar(n=4000).captions()]
    pairs = [
        tuple(found.groups()) for one in captions if (found := re.fullmatch(r"((?!first )[^,]+), then ([^,]+)", one))
    ]
    assert len(pairs) > 40
    assert all((second, first) in pairs for first, second in pairs[:-1])


def test_negations_say_what_is_missing_and_what_is_not() -> None:
    negations = [caption.text for caption in Grammar(n=4000).captions() if caption.group == "negations"]
    assert len(negations) > 200
    missing = re.compile(r"\b(no|not|without|nobody|cannot)\b", re.IGNORECASE)
    assert all(missing.search(one) for one in negations)


def test_groups_and_english() -> None:
    captions = list(Grammar(n=10_000).captions())
    groups = Counter(caption.group for caption in captions)
    assert groups["captions"] > groups["names"] > groups["negations"] > 500
    wrong = re.compile(
        r"\ba [aeio]\w|\b(?!in |can )(\w+) \1\b|\{|\}|  | ,|someone are|dogs barks|there is (two|several|many)"
    )
    assert not [one.text for one in captions if wrong.search(one.text) and "hee-haw" not in one.text]


def test_held_out_sounds_are_nowhere() -> None:
    corpus = build_corpus([Grammar(n=5000)], exclude=["dog", "chainsaw"])
    assert corpus.n_excluded > 10
    assert not [one for one in corpus.captions if re.search(r"\bdogs?\b|chainsaw", one.text.lower())]


def test_how_many_is_checked() -> None:
    with pytest.raises(TinyclapError, match="n = 0 is not allowed; it must be a whole number >= 1"):
        Grammar(n=0)
