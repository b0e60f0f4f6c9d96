"""Captions made by rule: what sounds, how, where, how many, in which order, how loud, and what does not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeVar

import numpy as np
from annotated_types import Ge, Le

from tinyclap.common.settings import Settings
from tinyclap.data.texts.corpus import Caption
from tinyclap.data.texts.inflection import gerund
from tinyclap.data.texts.sound_table import Event, Sound, event, sounds
from tinyclap.data.texts.surroundings import ABSENT, BACKGROUNDS, MANNERS, PLACES, SCENES

Item = TypeVar("Item")
_SPOKEN = {"speech", "crowd", "body"}  # classes with a voice
SAME_SCENE = 0.8  # share of the pairs that are heard together in life


@dataclass(frozen=True)
class Grammar(Settings):
    """Captions made by rule of a table of sounds: labels, sentences, sequences in both orders, negations, comparisons.

    Args:
        n: how many, all different.
    """

    place: ClassVar[str] = "texts"
    name: ClassVar[str] = "grammar"
    licence: ClassVar[str] = "Apache-2.0 (tinyclap)"

    n: Annotated[int, Ge(1), Le(1_000_000)] = 20_000

    def captions(self, seed: int = 0) -> Iterator[Caption]:
        """`n` captions; every verb of every sound comes first before any comes first again."""
        speaker = _Speaker(np.random.default_rng(seed))
        everything = [(sound, verb) for sound in sounds() for verb in sound.verbs]
        seen: set[str] = set()
        while True:
            for sound, verb in speaker.shuffled(everything):
                pattern, group = speaker.pick(_PATTERNS)
                for text in pattern(speaker, speaker.event(sound, verb)):
                    caption = speaker.styled(text, group)
                    if caption not in seen:
                        seen.add(caption)
                        yield Caption(caption, caption, group)
                        if len(seen) == self.n:
                            return


class _Speaker:
    """Draws what is said."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._by_kind: dict[str, list[Sound]] = {}
        for sound in sounds():
            self._by_kind.setdefault(sound.kind, []).append(sound)

    def pick(self, options: Sequence[Item]) -> Item:
        return options[int(self.rng.integers(len(options)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        return [items[place] for place in self.rng.permutation(len(items))]

    def event(self, sound: Sound, verb: str, *, bare: float = 0.5) -> Event:
        """A sound as it happens; `bare` is the share without how or where."""
        if self.chance(bare):
            return event(sound, verb, self.rng)
        with_place = " " not in verb and self.chance(0.5)  # a phrase has its own
        tails = PLACES[sound.kind] if with_place else MANNERS
        return event(sound, verb, self.rng, tuple(f" {tail}" for tail in tails))

    def other(self, first: Event) -> Event:
        """Another sound, mostly one of the same scene."""
        kinds = [kind for scene in SCENES if first.sound.kind in scene for kind in scene]
        while True:
            kind = self.pick(kinds if self.chance(SAME_SCENE) else list(self._by_kind))
            sound = self.pick(self._by_kind[kind])
            if sound.noun != first.sound.noun or sound.is_person:
                return self.event(sound, self.pick(sound.verbs), bare=0.8)

    def other_thing(self, first: Event) -> Sound:
        """Another sound that has a name."""
        while (found := self.other(first).sound).is_person:
            pass
        return found

    def absent(self, *present: Event) -> str:
        """What is not there, besides what is."""
        said = " ".join(one.happens for one in present)
        while True:
            name = self.pick(ABSENT) if self.chance(0.75) else self.other_thing(present[0]).general
            if not any(word.rstrip("s") in said for word in name.split()):
                return name

    def styled(self, text: str, group: str) -> str:
        """As a label is typed, or with a capital, or as a sentence."""
        draw = self.rng.random()
        if draw < (0.8 if group == "names" else 0.5):
            return text
        capital = text[0].upper() + text[1:]
        return f"{capital}." if draw > 0.8 and group != "names" else capital


def _label(speaker: _Speaker, one: Event) -> list[str]:
    sound = one.sound
    if sound.is_person:
        return [speaker.pick([one.label, f"person {one.label}", one.happening])]
    doing = gerund(one.verb)
    turned = f"{doing} {sound.noun}" if " " not in one.verb else one.label
    return [speaker.pick([one.label, one.label + one.tail, turned, sound.noun, sound.general])]


def _alone(speaker: _Speaker, one: Event) -> list[str]:
    forms = [one.happens, one.happens, one.is_happening, one.happening, f"the sound of {one.happening}"]
    return [
        speaker.pick(
            [*forms, f"{one.happening} can be heard", f"there {'are' if one.is_many else 'is'} {one.happening}"]
        )
    ]


def _together(speaker: _Speaker, one: Event) -> list[str]:
    two = speaker.other(one)
    forms = [
        f"{one.happens} while {two.happens}",
        f"{one.happens} as {two.happens}",
        f"{one.happens} and {two.happens}",
        f"{one.is_happening} while {two.is_happening}",
        f"{one.happening} and {two.happening}",
        f"{one.happening} while {two.happens}",
        f"{one.happens} with {two.happening} in the background",
        f"{one.label} and {two.label}",
        f"{one.happening}, {two.happening}, and {speaker.other(one).happening}",
        f"while {one.happens}, {two.happens}",
    ]
    return [speaker.pick(forms)]


def _in_order(speaker: _Speaker, one: Event) -> list[str]:
    """Both orders, in the same words."""
    two = speaker.other(one)
    last = speaker.other(one).happens
    forms: list[Callable[[Event, Event], str]] = [
        lambda a, b: f"{a.happens}, then {b.happens}",
        lambda a, b: f"{a.happens} and then {b.happens}",
        lambda a, b: f"{a.happens} followed by {b.happening}",
        lambda a, b: f"first {a.happens}, then {b.happens}",
        lambda a, b: f"{a.happens} before {b.happens}",
        lambda a, b: f"after {a.happens}, {b.happens}",
        lambda a, b: f"{a.happening}, then {b.happening}",
        lambda a, b: f"{a.happens}, after which {b.happens}",
        lambda a, b: f"{a.happens}, then {b.happens}, and finally {last}",
    ]
    form = speaker.pick(forms)
    return [form(one, two), form(two, one)]


def _before_others(speaker: _Speaker, one: Event) -> list[str]:
    background = speaker.pick(BACKGROUNDS)
    return [f"{speaker.pick([one.happens, one.is_happening, one.happening])} {background}"]


def _missing(speaker: _Speaker, one: Event) -> list[str]:
    missing = speaker.absent(one)
    things = one.label if one.sound.is_person else speaker.pick([one.sound.general, one.label])
    are = "are" if _is_several(missing) else "is"
    forms = [
        f"no {missing}, only {things}",
        f"only {things}, no {missing}",
        f"{things} without {missing}",
        f"{things}, no {missing}",
        f"{one.happens}, but no {missing}",
        f"{one.happens} without any {missing}",
        f"{one.happening}, without {missing}",
        f"{one.happening} with no {missing} in the background",
        f"not {missing} but {things}",
        f"{one.happens} and there {are} no {missing}",
        f"{one.happens} and nobody speaks" if one.sound.kind not in _SPOKEN else f"no {missing}",
        f"{one.happens}, and {missing} cannot be heard",
    ]
    return [speaker.pick(forms)]


def _is_several(name: str) -> bool:
    return name == "people" or (name.endswith("s") and name != "bass")


def _compared(speaker: _Speaker, one: Event) -> list[str]:
    first = speaker.other_thing(one) if one.sound.is_person else one.sound
    other = speaker.other_thing(one)
    the_first, the_other = _the(first), _the(other)
    be, get, come, drown = ("is", "gets", "comes", "drowns") if first.one else ("are", "get", "come", "drown")
    forms = [
        f"{the_first} {be} louder than {the_other}",
        f"{the_first} {be} quieter than {the_other}",
        f"{the_first} {be} closer than {the_other}",
        f"{the_first} {be} farther away than {the_other}",
        f"{the_first} {drown} out {the_other}",
        f"{the_first} {get} louder and louder",
        f"{the_first} {get} quieter",
        f"{the_first} {come} closer",
        f"{the_first} close by, {the_other} far away",
        f"{one.happens}, louder than {the_other}",
    ]
    if not {first.kind, other.kind} & _SPOKEN:
        forms += [
            f"{first.general} in the foreground, {other.general} in the background",
            f"loud {first.general}, quiet {other.general}",
            f"faint {first.general} behind loud {other.general}",
            f"distant {first.general}",
            f"very loud {first.general}",
        ]
    return [speaker.pick(forms)]


def _the(sound: Sound) -> str:
    return f"the {sound.noun}"


_Pattern = Callable[[_Speaker, Event], list[str]]
# Each as often as it stands here.
_PATTERNS: tuple[tuple[_Pattern, str], ...] = (
    *[(_label, "names")] * 4,
    *[(_alone, "captions")] * 5,
    *[(_together, "captions")] * 4,
    *[(_in_order, "captions")] * 2,  # two captions each
    *[(_before_others, "captions")] * 2,
    *[(_missing, "negations")] * 2,
    *[(_compared, "captions")] * 1,
)
