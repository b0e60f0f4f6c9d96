"""Recipe sections on texts to learn from without sound, one a kind, and the corpus that they make."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from tinyclap.config.data import AnyData, describe_data
from tinyclap.data import build_dataset
from tinyclap.data.texts.audioset import AudioSet
from tinyclap.data.texts.captioned import CaptionFile, ClipCaptions
from tinyclap.data.texts.corpus import Corpus, Source, build_corpus
from tinyclap.data.texts.files import LabelList, TextFile
from tinyclap.data.texts.grammar import Grammar
from tinyclap.data.texts.wordnet import WordNetWords
from tinyclap.strict_yaml.sections import Section, Text

MAX_WRITTEN = 5  # entries of a list in a summary


@dataclass(frozen=True)
class AudioSetTexts(AudioSet):
    """Names and descriptions of the 632 classes of the AudioSet ontology (CC BY-SA 4.0)."""

    kind: Literal["audioset"] = field(kw_only=True)


@dataclass(frozen=True)
class WordNetTexts(WordNetWords):
    """Nouns, verbs and adjectives of WordNet 3.x, with gerunds and plurals; no names of people, places and genera."""

    kind: Literal["wordnet"] = field(kw_only=True)


@dataclass(frozen=True)
class GrammarTexts(Grammar):
    """Captions made by rule of a table of sounds: labels, sentences, both orders, negations, comparisons."""

    kind: Literal["grammar"] = field(kw_only=True)


@dataclass(frozen=True)
class CaptionTexts(CaptionFile):
    """A file of captions as its data set publishes it, without the sound: AudioCaps and Clotho (.csv), WavCaps (.json),
    MACS (.yaml)."""

    kind: Literal["captions"] = field(kw_only=True)


@dataclass(frozen=True)
class FileTexts(TextFile):
    """Your own texts: one a line (.txt), or the column `caption`, else `label` or `text`, of a .csv, .tsv or .jsonl
    file. A column `translation` holds texts that get the caption's embedding."""

    kind: Literal["file"] = field(kw_only=True)


@dataclass(frozen=True)
class LabelTexts(LabelList):
    """Your own labels, as they are typed and as words in lower case."""

    kind: Literal["labels"] = field(kw_only=True)


class DataTexts(Section):
    """Captions and labels of a data set with its sound; `licence: null` takes what published ones state.

    Attributes:
        data: the data set.
        licence: of its captions; null for what is known of published ones.
    """

    kind: Literal["data"]
    data: AnyData
    licence: Text | None = None

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """A weight, which no caption has."""
        if self.data.weight != 1:
            yield "data.weight", "got a weight, allowed: none; every caption is there once"


AnyTexts = Annotated[
    AudioSetTexts | WordNetTexts | GrammarTexts | CaptionTexts | FileTexts | LabelTexts | DataTexts,
    Field(discriminator="kind"),
]
SeveralTexts = Annotated[tuple[AnyTexts, ...], Field(min_length=1)]


def build_texts(
    sections: Sequence[Any],
    *,
    exclude: Iterable[str] = (),
    prompts: Sequence[str] = (),
    misspelled_share: float = 0.0,
    seed: int = 0,
) -> Corpus:
    """The corpus of a recipe's sections, as `build_corpus`, whose arguments these are."""
    sources = [_source(section) for section in sections]
    return build_corpus(sources, exclude=exclude, prompts=prompts, misspelled_share=misspelled_share, seed=seed)


def _source(section: Any) -> Source:
    if isinstance(section, DataTexts):
        return ClipCaptions(build_dataset(section.data), section.licence)
    source: Source = section
    return source


def named_files(sections: Sequence[Any]) -> dict[str, str]:
    """What sections name on this machine, by dotted key below `texts`."""
    paths = {f"{number}.path": getattr(section, "path", None) for number, section in enumerate(sections)}
    return {key: path for key, path in paths.items() if path is not None}


def describe_texts(sections: Sequence[Any]) -> str:
    """Sections in one line: kinds, and the keys whose values are no defaults."""
    return "; ".join(map(_described, sections))


def _described(section: Any) -> str:
    if isinstance(section, DataTexts):
        return f"data ({describe_data(section.data)})"
    changed = {
        one.name: value
        for one in dataclasses.fields(section)
        if (value := getattr(section, one.name)) != one.default and one.name != "kind"
    }
    written = [f"{key}={_written(value)}" for key, value in changed.items()]
    return " ".join([section.kind, *written])


def _written(value: object) -> str:
    """A value on one line; of a list, its length where it is long."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none" if len(value) <= MAX_WRITTEN else f"{len(value)} of them"
    return str(value)
