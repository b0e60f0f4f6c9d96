"""Names and descriptions of the 632 classes of the AudioSet ontology (J. Gemmeke et al., ICASSP 2017)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tinyclap.common.files import parse_json
from tinyclap.common.settings import PathText, Settings
from tinyclap.data.texts.corpus import Caption
from tinyclap.data.texts.reading import existing_file, read_text
from tinyclap.errors import TinyclapError
from tinyclap.runtime.published_weights import AUDIOSET_ONTOLOGY, fetched

_COMMAS = re.compile(r",\s*(?![^(]*\))")  # not within parentheses
_SENTENCES = re.compile(r"(?<=[.!?])(?<! [A-Z]\.)\s+(?=[A-Z])")  # not behind an initial
_IDENTIFIER = re.compile(r"/[mt]/\w+")  # of another class, which a sentence refers to


@dataclass(frozen=True)
class AudioSet(Settings):
    """Names and descriptions of the classes of the AudioSet ontology, as published and in lower case.

    Args:
        path: ontology.json; null fetches it from its publisher once.
        descriptions: its sentences on each class too.
    """

    place: ClassVar[str] = "texts"
    name: ClassVar[str] = "audioset"
    licence: ClassVar[str] = "CC BY-SA 4.0"

    path: PathText | None = None
    descriptions: bool = True

    def captions(self, seed: int = 0) -> Iterator[Caption]:
        """Every name whole and in its parts, then the sentences of descriptions; nothing is drawn."""
        entries = _entries(self._file())
        for entry in entries:
            for name in name_parts(entry["name"]):
                yield Caption(name, name, "names")
        for entry in entries if self.descriptions else ():
            for sentence in _SENTENCES.split(entry["description"].strip()):
                if not _IDENTIFIER.search(sentence):
                    yield Caption(sentence, sentence, "captions")

    def _file(self) -> Path:
        if self.path is not None:
            return existing_file(self.path, f"ontology.json of {AUDIOSET_ONTOLOGY.url}")
        remedy = f"put it at {AUDIOSET_ONTOLOGY.place}, or name it as path of kind: audioset"
        return fetched(AUDIOSET_ONTOLOGY, remedy)


def name_parts(name: str) -> list[str]:
    """A class name whole, its parts between commas, these without what stands in parentheses, and all in lower case.

    "Boat, Water vehicle" gives itself, "Boat", "Water vehicle", "boat, water vehicle", "boat" and "water vehicle".
    """
    parts = [part.strip() for part in _COMMAS.split(name)]
    bare = [re.sub(r"\s*\([^)]*\)", "", part) for part in parts]
    given = dict.fromkeys(part for part in (name, *parts, *bare) if part)
    return list(dict.fromkeys([*given, *map(_lowered, given)]))


def _lowered(name: str) -> str:
    """In lower case but for what is an abbreviation."""
    return " ".join(word if len(word) > 1 and word.strip("(),").isupper() else word.lower() for word in name.split())


def _entries(file: Path) -> list[dict[str, Any]]:
    try:
        entries = parse_json(read_text(file))
    except ValueError as error:
        raise TinyclapError(f"texts: {file} is damaged ({error}); remove it and get it anew") from error
    if not isinstance(entries, list) or not entries or not all(map(_is_entry, entries)):
        raise TinyclapError(
            f"texts: {file} is not the AudioSet ontology, a JSON list of objects with name and description; "
            f"get {AUDIOSET_ONTOLOGY.url}"
        )
    return entries


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("name", "description"))
