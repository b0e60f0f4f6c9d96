"""The files of a WordNet dictionary (wndb(5WN), the `dict` folder of WordNet 3.x)."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyclap.data.texts.reading import read_text
from tinyclap.errors import TinyclapError

PARTS = ("noun", "verb", "adj")
FILES = tuple(f"{kind}.{part}" for part in PARTS for kind in ("data", "index"))
# Topics of the files that lexicographers wrote, in the order of their numbers (lexnames(5WN)).
_NOUNS = (
    *("Tops", "act", "animal", "artifact", "attribute", "body", "cognition", "communication", "event", "feeling"),
    *("food", "group", "location", "motive", "object", "person", "phenomenon", "plant", "possession", "process"),
    *("quantity", "relation", "shape", "state", "substance", "time"),
)
_VERBS = (
    *("body", "change", "cognition", "communication", "competition", "consumption", "contact", "creation"),
    *("emotion", "motion", "perception", "possession", "social", "stative", "weather"),
)
_FIRST_NOUN, _FIRST_VERB = 3, 29
LEXICOGRAPHER_FILES = {
    **{0: "adj.all", 1: "adj.pert", 44: "adj.ppl"},
    **{number: f"noun.{topic}" for number, topic in enumerate(_NOUNS, start=_FIRST_NOUN)},
    **{number: f"verb.{topic}" for number, topic in enumerate(_VERBS, start=_FIRST_VERB)},
}
_HYPERNYM, _INSTANCE = "@", "@i"
_MARK = re.compile(r"\((a|p|ip)\)$")  # where an adjective may stand
_EXAMPLE = re.compile(r'"([^"]+)"')

Key = tuple[str, str]  # part of speech and offset


@dataclass(frozen=True, slots=True)
class Synset:
    """Words of one meaning.

    Attributes:
        file: the lexicographer file, e.g. noun.animal.
        words: with spaces, in the case they are written in.
        above: the synsets it is a kind of.
        is_instance: whether it is one of a kind, such as a person or a place by name.
        gloss: its definition and examples.
    """

    file: str
    words: tuple[str, ...]
    above: tuple[Key, ...]
    is_instance: bool
    gloss: str

    @property
    def part(self) -> str:
        """noun, verb or adj."""
        return self.file.partition(".")[0]

    @property
    def definition(self) -> str:
        """What the gloss says before its first example."""
        return self.gloss.partition('"')[0].strip(" ;:")

    @property
    def examples(self) -> list[str]:
        """What the gloss quotes."""
        return [quoted.strip() for quoted in _EXAMPLE.findall(self.gloss)]


class WordNet:
    """The nouns, verbs and adjectives of a dictionary.

    Args:
        folder: with data and index files of each; noun.exc and verb.exc where they are there.

    Raises:
        TinyclapError: a file is missing, or holds something else.
    """

    def __init__(self, folder: Path) -> None:
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise TinyclapError(f"texts: {folder} is no dictionary of WordNet 3.x: it has no {', '.join(missing)}")
        self.synsets: dict[Key, Synset] = {}
        self.common: set[tuple[str, str]] = set()
        self._below: dict[Key, list[Key]] = defaultdict(list)
        self._forms: dict[str, dict[str, str]] = {}
        for part in PARTS:
            self._read(folder, part)
        for key, synset in self.synsets.items():
            for above in synset.above:
                self._below[above].append(key)

    def _read(self, folder: Path, part: str) -> None:
        for number, line in _lines(folder / f"data.{part}"):
            try:
                key, synset = _synset(part, line)
            except (ValueError, IndexError, KeyError) as error:
                where = f"{folder / f'data.{part}'}, line {number}"
                raise TinyclapError(f"texts: {where}: expected a synset of WordNet 3.x ({error})") from error
            self.synsets[key] = synset
        for number, line in _lines(folder / f"index.{part}"):
            try:
                lemma, *_, tagged = line.split()[: -int(line.split()[2])]
                if int(tagged):
                    self.common.add((part, lemma.replace("_", " ")))
            except (ValueError, IndexError) as error:
                where = f"{folder / f'index.{part}'}, line {number}"
                raise TinyclapError(f"texts: {where}: expected a word of WordNet 3.x ({error})") from error
        exceptions = folder / f"{part}.exc"
        pairs = [line.split()[:2] for _, line in _lines(exceptions)] if exceptions.is_file() else []
        self._forms[part] = {pair[1]: pair[0] for pair in pairs if len(pair) == 2 and _is_asked_for(part, pair[0])}

    def forms(self, part: str) -> dict[str, str]:
        """Irregular plurals of nouns, or gerunds of verbs, by the word."""
        return self._forms[part]

    def named(self, file: str, word: str = "") -> list[Key]:
        """The synsets of a lexicographer file, or only those whose first word it is."""
        return [key for key, one in self.synsets.items() if one.file == file and word in ("", one.words[0])]

    def below(self, roots: Iterable[Key]) -> set[Key]:
        """Synsets and all that are a kind of one of them."""
        found: set[Key] = set()
        waiting = list(roots)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting += self._below.get(key, ())
        return found


def _is_asked_for(part: str, form: str) -> bool:
    return part == "noun" or (part == "verb" and form.endswith("ing"))


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines but for the licence at the top, which is indented."""
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if line and not line.startswith(" "):
            yield number, line


def _synset(part: str, line: str) -> tuple[Key, Synset]:
    """A line of a data file: offset, lexicographer file, type, words, pointers, gloss."""
    data, bar, gloss = line.partition(" | ")
    if not bar:
        raise ValueError("no gloss")
    fields = data.split()
    n_words = int(fields[3], 16)
    words = tuple(_MARK.sub("", word).replace("_", " ") for word in fields[4 : 4 + 2 * n_words : 2])
    first = 5 + 2 * n_words
    pointers = [fields[at : at + 4] for at in range(first, first + 4 * int(fields[first - 1]), 4)]
    above = tuple((pointer[2], pointer[1]) for pointer in pointers if pointer[0] == _HYPERNYM)
    instance = any(pointer[0] == _INSTANCE for pointer in pointers)
    file = LEXICOGRAPHER_FILES[int(fields[1])]
    return (part[0], fields[0]), Synset(file, words, above, instance, " ".join(gloss.split()))
