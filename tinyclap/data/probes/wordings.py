"""How it is said: generated sounds by name, and what is said of two of them, of numbers and of what is missing."""

from dataclasses import dataclass

from tinyclap.data.procedural.classes import SOUNDS
from tinyclap.data.procedural.dataset import tidy


@dataclass(frozen=True)
class Named:
    """A class of generated sounds in words.

    Attributes:
        happening: "a dog barking".
        thing: "dog", without an article: "no dog".
        paced: "a dog barking {}", for slowly and quickly; empty where its pace is not heard as one.
    """

    happening: str
    thing: str
    paced: str = ""


NAMES = {
    "alarm_clock": Named("an alarm clock beeping", "alarm clock", "an alarm clock beeping {}"),
    "birdsong": Named("birds singing", "birds"),
    "car_horn": Named("a car horn honking", "car horn"),
    "cat_meow": Named("a cat meowing", "cat"),
    "chainsaw": Named("a chainsaw running", "chainsaw"),
    "church_bell": Named("a church bell ringing", "bell", "a church bell ringing {}"),
    "clock_ticking": Named("a clock ticking", "clock", "a clock ticking {}"),
    "cow_moo": Named("a cow mooing", "cow"),
    "crackling_fire": Named("a fire crackling", "fire"),
    "crickets": Named("crickets chirping", "crickets"),
    "crying_baby": Named("a baby crying", "baby"),
    "dog_bark": Named("a dog barking", "dog", "a dog barking {}"),
    "door_knock": Named("knocking on a door", "knocking", "knocking {} on a door"),
    "engine": Named("a car engine running", "engine"),
    "fireworks": Named("fireworks exploding", "fireworks"),
    "footsteps": Named("someone walking", "footsteps", "someone walking {}"),
    "frog_croak": Named("a frog croaking", "frog"),
    "glass_breaking": Named("glass breaking", "glass"),
    "hammering": Named("someone hammering", "hammer", "someone hammering {}"),
    "hand_clapping": Named("hands clapping", "clapping", "hands clapping {}"),
    "hand_saw": Named("someone sawing wood", "saw", "someone sawing wood {}"),
    "helicopter": Named("a helicopter flying", "helicopter"),
    "keyboard_typing": Named("typing on a keyboard", "keyboard", "typing {} on a keyboard"),
    "laughing": Named("a person laughing", "laughter"),
    "music_box": Named("a music box playing", "music box"),
    "pouring_water": Named("water being poured", "water"),
    "rain": Named("rain falling", "rain"),
    "sea_waves": Named("waves at the sea", "waves"),
    "siren": Named("a siren wailing", "siren"),
    "snoring": Named("a person snoring", "snoring"),
    "telephone_ring": Named("a telephone ringing", "telephone"),
    "thunder": Named("thunder rumbling", "thunder"),
    "train": Named("a train passing", "train"),
    "vacuum_cleaner": Named("a vacuum cleaner running", "vacuum cleaner"),
    "water_drops": Named("water dripping", "dripping", "water dripping {}"),
    "whistling": Named("a person whistling", "whistling"),
    "wind": Named("wind blowing", "wind"),
}
"""The classes that are asked about."""

BOTH = ("{a} and {b}", "{a} with {b} in the background", "{a} while there is {b}")
MISSING = (  # a is there and b is not; both are named alike, so that the words do not tell which
    "{a} without {b}",
    "{a} but not {b}",
    "only {a}, not {b}",
    "{thing_a}, no {thing_b}",
    "no {thing_b}, only {thing_a}",
)
ORDERED = (
    "{a}, then {b}",
    "{a} followed by {b}",
    "first {a}, then {b}",
    "{a} before {b}",
    "{b} after {a}",
    "after {a}, {b}",
)
LOUDER = ("loud: {a}, quiet: {b}", "{a} close by and {b} far away", "{a} louder than {b}")
DIGITS, COUNTED = "{digit} {several}", ("{number} {several}", "the {one}, {times}")
NUMBERS = {2: ("two", "twice"), 3: ("three", "three times"), 4: ("four", "four times"), 5: ("five", "five times")}
"""From two on: one knock is told from several by the missing plural."""


def kind_of(label: str) -> str:
    """What sort of sound a class is; those of different sorts are hard to confuse."""
    return SOUNDS[label].play.__module__.rpartition(".")[2]


def captions_of(label: str) -> list[str]:
    """What else is said of a class, whatever its pitch, pace and size are."""
    source = SOUNDS[label]
    middle = {name: span.words[len(span.words) // 2] for name, span in source.spans.items()}
    captions = [tidy(caption.format(**middle)) for caption in source.captions]
    return list(dict.fromkeys(caption for caption in captions if caption != NAMES[label].happening))
