"""Words and phrases that a corpus must not hold, such as the class names of a benchmark."""

import functools
import re
from collections.abc import Iterable

from tinyclap.embeddings.zero_shot import clean_label
from tinyclap.errors import TinyclapError

_WORD = re.compile(r"[^\W_]+")  # "dog's" and "wood-pecker" are two each
_IRREGULAR = {
    "calves": "calf",
    "children": "child",
    "feet": "foot",
    "firemen": "fireman",
    "geese": "goose",
    "men": "man",
    "mice": "mouse",
    "oxen": "ox",
    "people": "person",
    "policemen": "policeman",
    "teeth": "tooth",
    "women": "woman",
}
_SHORTEST_PLURAL = 4  # "bus", "gas" and "is" are none


class Exclusion:
    """Says which texts hold one of some phrases as whole words, whatever their case, hyphens and simple plurals.

    Args:
        phrases: words or sequences of words; underscores and capitals within part words, as in `clean_label`.

    Raises:
        TinyclapError: a phrase without a letter or digit.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._by_first: dict[str, list[tuple[frozenset[str], ...]]] = {}
        for phrase in phrases:
            words = _words(clean_label(phrase))
            if not words:
                raise TinyclapError(f"exclude: {phrase!r} holds no word; leave it out, or give one")
            for form in _singulars(words[0]):
                self._by_first.setdefault(form, []).append(tuple(map(_singulars, words)))

    def __call__(self, text: str) -> bool:
        """Whether the text holds one of the phrases."""
        if not self._by_first:
            return False
        words = [_singulars(word) for word in _words(text)]
        return any(self._begins(words, start) for start in range(len(words)))

    def _begins(self, words: list[frozenset[str]], start: int) -> bool:
        for form in words[start]:
            for phrase in self._by_first.get(form, ()):
                there = words[start : start + len(phrase)]
                if len(there) == len(phrase) and all(map(frozenset.intersection, there, phrase)):
                    return True
        return False


def _words(text: str) -> list[str]:
    return _WORD.findall(re.sub(r"['\u2019]s\b", "", text).casefold())


@functools.lru_cache(maxsize=200_000)
def _singulars(word: str) -> frozenset[str]:
    """A word and all that it may be a plural of; two words are alike if they share one."""
    forms = {word, _IRREGULAR.get(word, word)}
    if len(word) >= _SHORTEST_PLURAL and word.endswith("s") and not word.endswith("ss"):
        forms.add(word[:-1])
        if word.endswith("es"):
            forms.add(word[:-2])
        if word.endswith("ies"):
            forms.add(f"{word[:-3]}y")
        if word.endswith("ves"):
            forms |= {f"{word[:-3]}f", f"{word[:-3]}fe"}
    return frozenset(forms)
