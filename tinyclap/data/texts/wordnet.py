"""Words of WordNet 3.x: of what can be heard, where and how (G. Miller, Princeton University)."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import MinLen

from tinyclap.common.settings import PathText, Settings
from tinyclap.data.published.archives import extract_tar
from tinyclap.data.texts.corpus import Caption
from tinyclap.data.texts.inflection import gerund, plural
from tinyclap.data.texts.wordnet_dict import Key, Synset, WordNet
from tinyclap.errors import TinyclapError
from tinyclap.runtime.published_weights import WORDNET, fetched

DEBIAN = Path("/usr/share/wordnet")  # of the package wordnet-base
Kind = Literal[
    "sound",
    "speech",
    "music",
    "animals",
    "vehicles",
    "machines",
    "tools",
    "things",
    "weather",
    "nature",
    "places",
    "people",
    "actions",
    "events",
    "food",
    "qualities",
    "common",
    "all",
]
# A lexicographer file, or what it lists first by a word, with all that is a kind of it.
ROOTS: dict[str, tuple[str, ...]] = {
    "sound": (
        *("noun.event:sound", "noun.attribute:sound", "noun.attribute:sound property", "noun.cognition:sound"),
        *("noun.communication:voice", "noun.communication:alarm", "noun.event:noise", "noun.event:explosion"),
        *("verb.perception:sound", "verb.communication:utter", "verb.communication:shout"),
        *("verb.body:laugh", "verb.body:breathe", "verb.body:cry", "verb.body:cough"),
    ),
    "speech": ("noun.communication:utterance", "noun.communication:speech", "verb.communication:talk"),
    "music": (
        *("noun.artifact:musical instrument", "noun.communication:music", "noun.communication:music genre"),
        *("noun.act:music", "noun.act:dancing", "noun.person:musician", "noun.group:musical organization"),
        *("noun.artifact:audio system", "noun.artifact:recording", "verb.creation:play", "verb.creation:sing"),
    ),
    "animals": ("noun.animal",),
    "vehicles": ("noun.artifact:vehicle", "noun.artifact:engine"),
    "machines": ("noun.artifact:machine", "noun.artifact:device", "noun.artifact:appliance", "noun.artifact:equipment"),
    "tools": ("noun.artifact:tool", "noun.artifact:implement", "noun.artifact:weapon"),
    "things": (
        *("noun.artifact:instrumentality", "noun.artifact:clothing", "noun.artifact:fabric", "noun.artifact:plaything"),
        "noun.artifact:covering",
    ),
    "weather": ("noun.phenomenon", "verb.weather"),
    "nature": ("noun.object", "noun.process:natural process", "noun.substance:material"),
    "places": (
        *("noun.artifact:structure", "noun.artifact:facility", "noun.artifact:way", "noun.location:region"),
        *("noun.location:geographical area", "noun.artifact:area"),
    ),
    "people": ("noun.person:worker", "noun.person:child", "noun.person:adult", "noun.group:gathering"),
    "actions": (
        *("verb.body", "verb.competition", "verb.consumption", "verb.contact", "verb.motion", "verb.perception"),
        *("noun.act:sport", "noun.act:game", "noun.act:diversion", "noun.act:motion", "noun.act:touch"),
        *("noun.act:work", "noun.act:ceremony"),
    ),
    "events": ("noun.event",),
    "food": ("noun.food",),
    "qualities": ("adj.all",),
}
DEFAULT_KINDS: tuple[Kind, ...] = (
    *("sound", "speech", "music", "animals", "vehicles", "machines", "tools", "things", "weather", "places"),
    *("people", "actions", "events", "common"),
)
DEFAULT_GLOSSES: tuple[Kind, ...] = ("sound", "music")
_OFFENSIVE = ("slur", "offensive", "obscene", "disparaging", "derogatory", "vulgar", "pejorative")
_COUNTED = ("noun.animal", "noun.artifact", "noun.person")  # several of them are heard together
MIN_DEFINITION_WORDS = 3


@dataclass(frozen=True)
class WordNetWords(Settings):
    """Nouns, verbs and adjectives of WordNet, with gerunds and plurals; no names of people, places, genera, no slurs.

    Args:
        path: its `dict` folder; null takes /usr/share/wordnet, or fetches WordNet 3.0 once.
        kinds: which words, by topic; `common` are those of any topic that a corpus of English has, `all` are all.
        glosses: the topics whose definitions and example sentences are given too; none for words alone.
    """

    place: ClassVar[str] = "texts"
    name: ClassVar[str] = "wordnet"
    licence: ClassVar[str] = "WordNet 3.0 licence (Princeton University)"

    path: PathText | None = None
    kinds: Annotated[tuple[Kind, ...], MinLen(1)] = DEFAULT_KINDS
    glosses: tuple[Kind, ...] = DEFAULT_GLOSSES

    def captions(self, seed: int = 0) -> Iterator[Caption]:
        """Words in the order of the dictionary, then definitions, then examples; nothing is drawn."""
        wordnet = WordNet(self._folder())
        is_word = _WordFilter(wordnet)
        for synset, words in _chosen(wordnet, self.kinds):
            for word in filter(is_word, words):
                for form in _forms(wordnet, synset, word):
                    yield Caption(form, form, "words")
        explained = [synset for synset, words in _chosen(wordnet, self.glosses) if any(map(is_word, words))]
        for synset in explained:
            if len(synset.definition.split()) >= MIN_DEFINITION_WORDS:
                yield Caption(synset.definition, synset.definition, "definitions")
        for synset in explained:
            for example in synset.examples:
                yield Caption(example, example, "captions")

    def _folder(self) -> Path:
        if self.path is not None:
            given = Path(self.path).expanduser()
            if not given.is_dir():
                raise TinyclapError(f"texts: there is no folder {given}; give WordNet's, which holds data.noun")
            return given / "dict" if (given / "dict").is_dir() else given
        if DEBIAN.is_dir():
            return DEBIAN
        if not WORDNET.unpacked.is_dir():
            remedy = f"put it at {WORDNET.place}, or name its unpacked folder, or NLTK's, as path of kind: wordnet"
            extract_tar(fetched(WORDNET, f"{remedy}; on Debian, apt install wordnet-base will do"), WORDNET.unpacked)
        return WORDNET.unpacked / "dict"


def _chosen(wordnet: WordNet, kinds: Collection[str]) -> Iterator[tuple[Synset, tuple[str, ...]]]:
    """The synsets of some kinds, each with those of its words that are meant."""
    topical = set().union(*(_of_kind(wordnet, kind) for kind in kinds))
    for key, synset in wordnet.synsets.items():
        if synset.is_instance or any(mark in synset.gloss for mark in _OFFENSIVE):
            continue
        if key in topical or "all" in kinds:
            yield synset, synset.words
        elif "common" in kinds:
            yield synset, tuple(word for word in synset.words if (synset.part, word.lower()) in wordnet.common)


def _of_kind(wordnet: WordNet, kind: str) -> set[Key]:
    roots = [root.partition(":")[::2] for root in ROOTS.get(kind, ())]
    return wordnet.below(key for file, word in roots for key in wordnet.named(file, word))


class _WordFilter:
    """Says which words are no names: neither capitalised, nor of a genus, nor numbers."""

    def __init__(self, wordnet: WordNet) -> None:
        taxa = wordnet.below(wordnet.named("noun.group", "taxonomic group"))
        named = {word for key in taxa for word in wordnet.synsets[key].words}
        self._taxa = named | {word.split(" ")[-1] for word in named}  # "genus Homo" tells of "Homo sapiens"

    def __call__(self, word: str) -> bool:
        first, last = word.split(" ")[0], word.split(" ")[-1]
        if word in self._taxa or first in self._taxa or re.search(r"\d|^[A-Z]\. ", word):
            return False
        return len(word) > 1 and (last == last.lower() or (word.isupper() and "." not in word))


def _forms(wordnet: WordNet, synset: Synset, word: str) -> list[str]:
    """A word; of a verb its gerund too, of a common noun of things its plural."""
    irregular = wordnet.forms(synset.part)
    if synset.part == "verb":
        return [word, gerund(word, irregular)]
    if synset.file in _COUNTED and " " not in word and ("noun", word) in wordnet.common:
        return [word, plural(word, irregular)]
    return [word]
