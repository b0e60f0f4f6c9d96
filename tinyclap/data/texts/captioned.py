"""Captions of data sets: of clips, or of the files that are published without their sound."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import yaml

from tinyclap.common.files import parse_json
from tinyclap.common.settings import PathText, Settings, Text
from tinyclap.data.dataset import Dataset
from tinyclap.data.texts.corpus import Caption
from tinyclap.data.texts.reading import existing_file, read_table, read_text, refuse_faults
from tinyclap.embeddings.zero_shot import clean_label
from tinyclap.errors import TinyclapError, listed

AUDIOCAPS, CLOTHO, MACS, WAVCAPS = "AudioCaps", "Clotho", "MACS", "WavCaps"
LICENCES = {
    AUDIOCAPS: "MIT",
    CLOTHO: "Tampere University licence, non-commercial with attribution",
    MACS: "the licence of https://zenodo.org/records/5114771",
    WAVCAPS: "academic uses only",
    "FSD50K": "CC BY 4.0",
}
"""Of the captions, not of the sounds, as their publishers state it."""
WHAT = "captions of AudioCaps or Clotho (.csv), WavCaps (.json) or MACS (.yaml)"
_AUDIOCAPS_COLUMNS = ("youtube_id", "caption")
_CLOTHO_COLUMNS = ("file_name", *(f"caption_{number}" for number in range(1, 6)))


@dataclass(frozen=True)
class CaptionFile(Settings):
    """A file of captions as its data set publishes it, without the sound: AudioCaps and Clotho (.csv), WavCaps (.json),
    MACS (.yaml). Which of them it is, its content says.

    Args:
        path: the file.
    """

    place: ClassVar[str] = "texts"

    path: PathText

    @property
    def name(self) -> str:
        """Data set and file: two files of one data set are two sources."""
        return f"{self._read[0]} ({self.path})"

    @property
    def licence(self) -> str:
        """Of the captions."""
        return LICENCES[self._read[0]]

    def captions(self, seed: int = 0) -> Iterator[Caption]:
        """Every caption, in the order of the file."""
        return (Caption(text, text, "captions") for text in self._read[1])

    @functools.cached_property
    def _read(self) -> tuple[str, list[str]]:
        """The data set's name and its captions."""
        file = existing_file(self.path, WHAT)
        match file.suffix.lower():
            case ".csv":
                name, captions = _csv(file)
            case ".json":
                name, captions = WAVCAPS, _wavcaps(file)
            case ".yaml" | ".yml":
                name, captions = MACS, _macs(file)
            case _:
                raise TinyclapError(f"texts: {file} is none of {WHAT}; for a list of your own give kind: file")
        if not captions:
            raise TinyclapError(f"texts: {file} holds no caption")
        return name, captions


@dataclass(frozen=True)
class ClipCaptions:
    """What a data set says of its clips: their captions, and their labels as words.

    Args:
        dataset: with captions or labels.
        licence: of the captions; null for what is known of the published data sets.
    """

    dataset: Dataset
    given_licence: Text | None = None

    @property
    def name(self) -> str:
        """The data set's."""
        return self.dataset.name

    @property
    def licence(self) -> str:
        """Of the captions."""
        return self.given_licence or LICENCES.get(self.name, "unknown")

    def captions(self, seed: int = 0) -> Iterator[Caption]:
        """Labels, each once, then the captions of every clip. Raises TinyclapError for a data set without any."""
        if not any(clip.captions or clip.label for clip in self.dataset.clips):
            raise TinyclapError(f"texts: no clip of {self.name} has a caption or a label")
        for label in map(clean_label, self.dataset.labels):
            yield Caption(label, label, "names")
        for clip in self.dataset.clips:
            for text in clip.captions:
                yield Caption(text, text, "captions")


def _csv(file: Path) -> tuple[str, list[str]]:
    columns, rows = read_table(file)
    if {*_CLOTHO_COLUMNS} <= {*columns}:
        name, wanted = CLOTHO, _CLOTHO_COLUMNS[1:]
    elif {*_AUDIOCAPS_COLUMNS} <= {*columns}:
        name, wanted = AUDIOCAPS, _AUDIOCAPS_COLUMNS[1:]
    else:
        raise TinyclapError(
            f"texts: {file} has the columns {listed(columns)}; expected {', '.join(_AUDIOCAPS_COLUMNS)} (AudioCaps) or "
            f"{', '.join(_CLOTHO_COLUMNS)} (Clotho); for a list of your own give kind: file"
        )
    refuse_faults(file, [(line, f"no {key}") for line, row in rows for key in wanted if not row[key].strip()])
    return name, [row[key] for _, row in rows for key in wanted]


def _wavcaps(file: Path) -> list[str]:
    try:
        content = parse_json(read_text(file))
    except ValueError as error:
        raise TinyclapError(f"texts: {file} is no JSON: {error}") from error
    entries = content.get("data") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise TinyclapError(f'texts: {file} is not of WavCaps, {{"data": [{{"caption": ...}}, ...]}}')
    return _texts_of(file, entries, "caption")


def _macs(file: Path) -> list[str]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # as safe, and several times as fast
    try:
        content = yaml.load(read_text(file), Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that there is not
        raise TinyclapError(f"texts: {file} is no YAML: {' '.join(str(error).split())}") from error
    files = content.get("files") if isinstance(content, dict) else None
    annotations = [one.get("annotations") if isinstance(one, dict) else None for one in files or ()]
    if not isinstance(files, list) or not all(isinstance(one, list) for one in annotations):
        raise TinyclapError(f"texts: {file} is not MACS.yaml, files: with annotations: with sentence")
    return _texts_of(file, [one for several in annotations for one in several or ()], "sentence")


def _texts_of(file: Path, entries: list[object], key: str) -> list[str]:
    texts = [entry.get(key) if isinstance(entry, dict) else None for entry in entries]
    wrong = [number for number, text in enumerate(texts, start=1) if not isinstance(text, str) or not text.strip()]
    if wrong:
        raise TinyclapError(f"texts: {file}: no text as {key} in entry {listed(wrong)} of {len(entries):,}")
    return [text for text in texts if isinstance(text, str)]
