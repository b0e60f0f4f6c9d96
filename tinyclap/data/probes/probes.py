"""The probes: how the puzzles of each are drawn."""

from collections.abc import Callable, Sequence

import numpy as np

from tinyclap.common.checks import is_count
from tinyclap.data.probes import wordings
from tinyclap.data.probes.puzzles import Kind, Probe, Puzzle, Sum
from tinyclap.data.probes.scenes import EVENTS, SALT, Part, Scene
from tinyclap.data.probes.wordings import NAMES
from tinyclap.errors import TinyclapError

Rng = np.random.Generator
CHOICES = 4  # of the probes that do not turn something round
LOUD_DB, QUIET_DB = 7.0, -7.0
SLOW, FAST = 0.05, 0.95  # of the span of a pace


def puzzles_of(probe: Probe, n: int, seed: int) -> list[Puzzle]:
    """`n` puzzles of a probe or, where each is asked in several ways, n groups of them.

    Raises:
        TinyclapError: n below 1, or a negative seed.
    """
    if not is_count(n):
        raise TinyclapError(f"puzzles: {n} of each probe; allowed: 1 or more")
    if seed < 0:
        raise TinyclapError(f"seed is {seed}; allowed: 0 or more")
    # Probes of the same sounds draw the same: the number alone decides which.
    return [puzzle for number in range(n) for puzzle in probe.make(np.random.default_rng([SALT, seed, number]), number)]


def _pick(rng: Rng, options: Sequence[str], count: int) -> list[str]:
    return [options[int(place)] for place in rng.permutation(len(options))[:count]]


def _classes(rng: Rng, count: int, labels: Sequence[str] = tuple(NAMES)) -> list[str]:
    """Classes of different kinds."""
    found: list[str] = []
    for label in _pick(rng, labels, len(labels)):
        if wordings.kind_of(label) not in map(wordings.kind_of, found):
            found.append(label)
    return found[:count]


def _say(template: str, a: str, b: str) -> str:
    """What a template says of two classes."""
    one, two = NAMES[a], NAMES[b]
    return template.format(a=one.happening, b=two.happening, thing_a=one.thing, thing_b=two.thing)


def _names(rng: Rng, number: int) -> list[Puzzle]:
    """Which of four sounds is it, by its usual name?"""
    labels = _classes(rng, CHOICES)
    texts = tuple(NAMES[label].happening for label in labels)
    return [Puzzle("names", "sounds", _alone(labels, number), texts, group=number)]


def _alone(labels: Sequence[str], number: int, *salt: int) -> tuple[Scene, ...]:
    return tuple(Scene((Part(label),), (0, number, place, *salt)) for place, label in enumerate(labels))


def _paraphrases(rng: Rng, number: int) -> list[Puzzle]:
    """The same recordings, in three other wordings."""
    labels = _classes(rng, CHOICES)
    texts = [_pick(rng, wordings.captions_of(label), 3) for label in labels]
    asked = _alone(labels, number)
    return [Puzzle("paraphrase", "sounds", asked, said, group=number) for said in zip(*texts, strict=True)]


def _paraphrases_in_words(rng: Rng, number: int) -> list[Puzzle]:
    texts = [_pick(rng, wordings.captions_of(label), 2) for label in _classes(rng, CHOICES)]
    asked, said = zip(*texts, strict=True)
    return [Puzzle("paraphrase", "texts", asked, said, group=number)]


def _grid(rng: Rng) -> list[tuple[str, str]]:
    """Two classes with each of two others: four pairs, none of which one half of it gives away."""
    a, d, b, c = _classes(rng, 4)
    return [(a, b), (a, c), (d, b), (d, c)]


def _mixtures(pairs: Sequence[tuple[str, str]], number: int) -> tuple[Scene, ...]:
    return tuple(Scene((Part(a), Part(b)), (1, number, place)) for place, (a, b) in enumerate(pairs))


def _together(rng: Rng, number: int) -> list[Puzzle]:
    """Which two sounds are heard at once?"""
    pairs = _grid(rng)
    texts = tuple(_say(wordings.BOTH[0], a, b) for a, b in pairs)
    return [Puzzle("together", "sounds", _mixtures(pairs, number), texts, group=number)]


def _sums(rng: Rng, number: int) -> list[Puzzle]:
    """A recording of a alone plus the text b: nearest to which mixture, and to which text of both?"""
    pairs = _grid(rng)
    parts = _alone([a for a, _ in pairs], number, 1)
    asked = tuple(Sum((scene, NAMES[b].happening)) for scene, (_, b) in zip(parts, pairs, strict=True))
    texts = tuple(_say(wordings.BOTH[0], a, b) for a, b in pairs)
    return [Puzzle("arithmetic", "sounds", asked, texts, _mixtures(pairs, number), group=number)]


def _sums_in_words(rng: Rng, number: int) -> list[Puzzle]:
    pairs = _grid(rng)
    asked = tuple(Sum((NAMES[a].happening, NAMES[b].happening)) for a, b in pairs)
    return [Puzzle("arithmetic", "texts", asked, tuple(_say(wordings.BOTH[1], a, b) for a, b in pairs), group=number)]


def _negation(rng: Rng, number: int) -> list[Puzzle]:
    """Every other time a alone beside a with b; else a alone beside b alone, each said to be without the other."""
    a, b = _classes(rng, 2)
    missing, both = _pick(rng, wordings.MISSING, 1)[0], _pick(rng, wordings.BOTH, 1)[0]
    second = (Part(a), Part(b)) if number % 2 else (Part(b),)
    asked = (Scene((Part(a),), (2, number, 0)), Scene(second, (2, number, 1)))
    texts = (_say(missing, a, b), _say(both, a, b) if number % 2 else _say(missing, b, a))
    return [Puzzle("negation", "sounds", asked, texts, group=number)]


def _negation_in_words(rng: Rng, number: int) -> list[Puzzle]:
    a, b = _classes(rng, 2)
    first, second = ((_say(form, a, b), _say(form, b, a)) for form in _pick(rng, wordings.MISSING, 2))
    return [Puzzle("negation", "texts", first, second, group=number)]


def _order(rng: Rng, number: int) -> list[Puzzle]:
    a, b = _classes(rng, 2)
    (form,) = _pick(rng, wordings.ORDERED, 1)
    asked = tuple(
        Scene((Part(one, 0.0, 0.5), Part(two, 0.5, 1.0)), (3, number, place))
        for place, (one, two) in enumerate([(a, b), (b, a)])
    )
    return [Puzzle("order", "sounds", asked, (_say(form, a, b), _say(form, b, a)), group=number)]


def _order_in_words(rng: Rng, number: int) -> list[Puzzle]:
    a, b = _classes(rng, 2)
    first, second = ((_say(form, a, b), _say(form, b, a)) for form in _pick(rng, wordings.ORDERED, 2))
    return [Puzzle("order", "texts", first, second, group=number)]


def _counts(event: str, form: str) -> tuple[str, ...]:
    """So many of an event, in words."""
    one, several = EVENTS[event].one, EVENTS[event].several
    return tuple(
        form.format(number=number, digit=count, times=times, one=one, several=several)
        for count, (number, times) in wordings.NUMBERS.items()
    )


def _counting(rng: Rng, number: int) -> list[Puzzle]:
    (event,), (form,) = _pick(rng, tuple(EVENTS), 1), _pick(rng, (wordings.DIGITS, *wordings.COUNTED), 1)
    asked = tuple(Scene((Part(event, count=count),), (4, number, count)) for count in wordings.NUMBERS)
    return [Puzzle("counting", "sounds", asked, _counts(event, form), group=number)]


def _counting_in_words(rng: Rng, number: int) -> list[Puzzle]:
    """In digits, and in words."""
    (event,), (form,) = _pick(rng, tuple(EVENTS), 1), _pick(rng, wordings.COUNTED, 1)
    return [Puzzle("counting", "texts", _counts(event, wordings.DIGITS), _counts(event, form), group=number)]


def _paced(a: str, b: str, first: str = "slowly", second: str = "quickly") -> str:
    return f"{NAMES[a].paced.format(first)} and {NAMES[b].paced.format(second)}"


def _attributes(rng: Rng, number: int) -> list[Puzzle]:
    """Which of two is the loud one, or the fast one? Both are heard at once."""
    if number % 2:
        a, b = _classes(rng, 2, [label for label, name in NAMES.items() if name.paced])
        texts = (_paced(a, b), _paced(a, b, "quickly", "slowly"))
        parts = [(Part(a, pace=one), Part(b, pace=two)) for one, two in ((SLOW, FAST), (FAST, SLOW))]
    else:
        a, b = _classes(rng, 2)
        (form,) = _pick(rng, wordings.LOUDER, 1)
        texts = (_say(form, a, b), _say(form, b, a))
        levels = ((LOUD_DB, QUIET_DB), (QUIET_DB, LOUD_DB))
        parts = [(Part(a, level_db=one), Part(b, level_db=two)) for one, two in levels]
    asked = tuple(Scene(heard, (5, number, place)) for place, heard in enumerate(parts))
    return [Puzzle("attributes", "sounds", asked, texts, group=number)]


def _attributes_in_words(rng: Rng, number: int) -> list[Puzzle]:
    """The same of texts; of the pace in both orders of the two."""
    if number % 2:
        a, b = _classes(rng, 2, [label for label, name in NAMES.items() if name.paced])
        first = (_paced(a, b), _paced(a, b, "quickly", "slowly"))
        second = (_paced(b, a, "quickly", "slowly"), _paced(b, a))
    else:
        a, b = _classes(rng, 2)
        first, second = ((_say(form, a, b), _say(form, b, a)) for form in _pick(rng, wordings.LOUDER, 2))
    return [Puzzle("attributes", "texts", first, second, group=number)]


_MADE: tuple[tuple[str, Kind, str, Callable[[Rng, int], list[Puzzle]]], ...] = (
    ("names", "sounds", "which of four sounds is heard (what all else rests on)", _names),
    ("paraphrase", "sounds", "the same recordings in other wordings", _paraphrases),
    ("together", "sounds", "which two of four sounds are heard at once", _together),
    ("arithmetic", "sounds", "a recording plus the name of another sound: where is the mixture of both", _sums),
    ("attributes", "sounds", "which of two sounds is the loud one, or the fast one", _attributes),
    ("negation", "sounds", "which sound is said to be missing", _negation),
    ("order", "sounds", "which of two sounds comes first", _order),
    ("counting", "sounds", "two, three, four or five times", _counting),
    ("paraphrase", "texts", "the same sound in other words", _paraphrases_in_words),
    ("arithmetic", "texts", "the sum of two names: where is the text of both", _sums_in_words),
    ("attributes", "texts", "the same attributes in other words", _attributes_in_words),
    ("negation", "texts", "the same missing sound in other words", _negation_in_words),
    ("order", "texts", "the same order in other words", _order_in_words),
    ("counting", "texts", "the same number in other words", _counting_in_words),
)
PROBES = tuple(Probe(*made) for made in _MADE)
