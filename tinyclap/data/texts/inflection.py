"""Forms of English words, by rule; irregular ones are listed here or given by a dictionary."""

import re
from collections.abc import Callable, Mapping

_VOWELS = "aeiou"
_THIRD = {"be": "is", "have": "has"}
_GERUNDS = {"be": "being", "singe": "singeing", "quiz": "quizzing", "whiz": "whizzing", "begin": "beginning"}
_PLURALS = {
    "calf": "calves",
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "mouse": "mice",
    "ox": "oxen",
    "person": "people",
    "sheep": "sheep",
    "tooth": "teeth",
    "wolf": "wolves",
}


def gerund(phrase: str, irregular: Mapping[str, str] = _GERUNDS) -> str:
    """What is being done: "run past" gives "running past". `irregular` lists verbs and their forms."""
    return _inflected(phrase, lambda verb: irregular.get(verb) or _gerund(verb))


def third_person(phrase: str) -> str:
    """What one does: "run past" gives "runs past", "open and close" gives "opens and closes"."""
    return _inflected(phrase, lambda verb: _THIRD.get(verb) or _with_s(verb))


def plural(phrase: str, irregular: Mapping[str, str] = _PLURALS) -> str:
    """Several of what the last word of a phrase names. `irregular` lists last words and their forms."""
    rest, space, noun = phrase.rpartition(" ")
    if noun.endswith("man") and noun not in ("human", "talisman"):
        return f"{rest}{space}{noun[:-2]}en"
    return rest + space + (irregular.get(noun) or _with_s(noun))


def _inflected(phrase: str, form: Callable[[str], str]) -> str:
    """A phrase with its first word in a form, and the second verb of "open and close"."""
    verb, space, rest = phrase.partition(" ")
    if rest.startswith("and "):
        return f"{form(verb)} and {_inflected(rest.removeprefix('and '), form)}"
    return form(verb) + space + rest


def _gerund(verb: str) -> str:
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return f"{verb[:-1]}ing"
    if verb.endswith("ic"):
        return f"{verb}king"
    return f"{verb}{verb[-1]}ing" if _is_short_and_closed(verb) else f"{verb}ing"


def _is_short_and_closed(verb: str) -> bool:
    """Whether the last letter doubles: one syllable, one vowel, one consonant behind it."""
    letters = verb.replace("qu", "kw")
    return bool(re.fullmatch(rf"[^{_VOWELS}]*[{_VOWELS}][^{_VOWELS}wxy]", letters))


def _with_s(word: str) -> str:
    if word.endswith("y") and word[-2:-1] not in (*_VOWELS, ""):
        return f"{word[:-1]}ies"
    hissing = word.endswith(("s", "x", "z", "ch", "sh")) or word in ("go", "do", "echo", "potato", "tomato")
    return f"{word}es" if hissing else f"{word}s"
