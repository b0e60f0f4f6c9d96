"""What makes a sound, and what it does: the table `sounds.csv`, and sentences of its rows.

A row has a class, a subject as one ("a dog"; what cannot be counted as it is, "rain", "the wind") and as many ("dogs"),
one of which may be empty, and its verbs with what follows them.
"""

import csv
import functools
import re
from dataclasses import dataclass
from importlib import resources

import numpy as np

from tinyclap.data.texts.inflection import gerund, third_person

TABLE = resources.files("tinyclap") / "data" / "texts" / "sounds.csv"
_ARTICLE = re.compile(r"^(an?|the) ")
_PEOPLE = {"someone": "their", "somebody": "their", "a person": "their", "a man": "his", "a woman": "her"}
OFTEN_MANY, SELDOM_MANY = 0.35, 0.06  # shares of what can be counted that is several
_SOCIABLE = {
    *("pet", "farm", "bird", "wild", "insect", "sea", "speech", "crowd", "road", "rail", "air", "boat", "alarm"),
    "impact",
}
_COUNTS = (
    "two {}",
    "two {}",
    "three {}",
    "several {}",
    "a few {}",
    "many {}",
    "a couple of {}",
    "some {}",
    "lots of {}",
)


@dataclass(frozen=True)
class Sound:
    """A row of the table.

    Attributes:
        kind: its class, such as pet or weather.
        one: the subject as one, with its article; "" for what is always many.
        many: the subject as many; "" for what cannot be counted.
        verbs: what it does, each a verb with what follows.
    """

    kind: str
    one: str
    many: str
    verbs: tuple[str, ...]

    @property
    def is_person(self) -> bool:
        """Whether anybody may do it."""
        return self.one == "someone"

    @property
    def noun(self) -> str:
        """The subject without its article: dog, rain, leaves."""
        return _ARTICLE.sub("", self.one or self.many)

    @property
    def general(self) -> str:
        """The subject in general: dogs, rain, leaves."""
        return self.many or self.noun


@dataclass(frozen=True)
class Event:
    """A sound as it happens.

    Attributes:
        sound: whose it is.
        subject: in words.
        verb: in its plain form, with what follows.
        is_many: whether the subject takes a verb in the plural.
        tail: how or where, with a space before it.
    """

    sound: Sound
    subject: str
    verb: str
    is_many: bool
    tail: str = ""

    @property
    def happens(self) -> str:
        """ "a dog barks", "dogs bark"."""
        return f"{self.subject} {self.verb if self.is_many else third_person(self.verb)}{self.tail}"

    @property
    def is_happening(self) -> str:
        """ "a dog is barking", "dogs are barking"."""
        return f"{self.subject} {'are' if self.is_many else 'is'} {gerund(self.verb)}{self.tail}"

    @property
    def happening(self) -> str:
        """ "a dog barking", "dogs barking"."""
        return f"{self.subject} {gerund(self.verb)}{self.tail}"

    @property
    def label(self) -> str:
        """ "dog barking", "chopping vegetables"."""
        doing = gerund(self.verb)
        return doing if self.sound.is_person else f"{self.sound.many if self.is_many else self.sound.noun} {doing}"


@functools.cache
def sounds() -> tuple[Sound, ...]:
    """All rows of the table."""
    rows = csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines())
    return tuple(Sound(row["class"], row["one"], row["many"], tuple(row["verbs"].split(";"))) for row in rows)


def event(sound: Sound, verb: str, rng: np.random.Generator, tails: tuple[str, ...] = ()) -> Event:
    """A sound as one or as many, and perhaps how or where it happens.

    Args:
        sound: whose.
        verb: one of its verbs.
        rng: draws the number and the tail.
        tails: of which one, or "", ends the sentence.
    """
    tail = tails[int(rng.integers(len(tails)))] if tails else ""
    if sound.is_person:
        people = list(_PEOPLE)
        who = people[int(rng.integers(len(people)))]
        return Event(sound, who, re.sub(r"\btheir\b", _PEOPLE[who], verb), False, tail)
    if not sound.one or (sound.many and rng.random() < (OFTEN_MANY if sound.kind in _SOCIABLE else SELDOM_MANY)):
        return Event(sound, _several(sound, rng), re.sub(r"\b(its|his|her)\b", "their", verb), True, tail)
    return Event(sound, sound.one, verb, False, tail)


def _several(sound: Sound, rng: np.random.Generator) -> str:
    """The subject as many, often with how many."""
    if rng.random() < 0.5 or not sound.one:
        return sound.many
    return _COUNTS[int(rng.integers(len(_COUNTS)))].format(sound.many)
