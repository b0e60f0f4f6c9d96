"""Texts of one's own: a list of labels, or files of texts, also with translations."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from annotated_types import MinLen

from tinyclap.common import tables
from tinyclap.common.settings import PathText, Settings, Text
from tinyclap.data.texts.corpus import Caption
from tinyclap.data.texts.reading import existing_file, read_table, read_text, refuse_faults
from tinyclap.embeddings.zero_shot import clean_label
from tinyclap.errors import TinyclapError, listed

COLUMNS = ("caption", "label", "text")  # the first of them that a file has
TRANSLATION = "translation"
NAME_WORDS = 3  # at most, of a text that is given in prompts too
WHAT = "a .txt, .csv, .tsv or .jsonl file of texts"


@dataclass(frozen=True)
class TextFile(Settings):
    """A file of texts in UTF-8: one a line (.txt), or the column `caption`, else `label` or `text`, of a .csv or .tsv
    table or of JSON objects a line (.jsonl). A column `translation` holds texts of the same meaning.

    Args:
        path: the file.
        licence: of its texts.
    """

    place: ClassVar[str] = "texts"

    path: PathText
    licence: Text = "unknown"

    @property
    def name(self) -> str:
        """The file, as it was given."""
        return self.path

    def captions(self, seed: int = 0) -> Iterator[Caption]:
        """Every text, then its translation where it has one; those of three words or fewer, and labels, are names."""
        file = existing_file(self.path, WHAT)
        read = _READERS.get(file.suffix.lower())
        if read is None:
            raise TinyclapError(f"texts: {file}: a file of texts ends in {', '.join(_READERS)}")
        column, rows = read(file)
        pairs = _pairs(file, column, rows)
        if not pairs:
            raise TinyclapError(f"texts: {file} holds no text; write some, or leave it out")
        for text, translation in pairs:
            is_name = column == "label" or len(text.split()) <= NAME_WORDS
            yield Caption(text, text, "names" if is_name else "captions")
            if translation:
                yield Caption(translation, text, "translations")


@dataclass(frozen=True)
class LabelList(Settings):
    """Labels as they are typed, and as words in lower case: "dog_bark" is also given as "dog bark".

    Args:
        labels: the list.
    """

    place: ClassVar[str] = "texts"
    name: ClassVar[str] = "labels"
    licence: ClassVar[str] = "the user's own"

    labels: Annotated[tuple[Text, ...], MinLen(1)]

    def captions(self, seed: int = 0) -> Iterator[Caption]:
        """Every label."""
        for label in self.labels:
            for text in (label, clean_label(label)):
                yield Caption(text, text, "names")


def _pairs(file: Path, column: str, rows: tables.Rows) -> list[tuple[str, str]]:
    """Text and translation ("" for none) of every row."""
    pairs, faults = [], []
    for line, row in rows:
        text, translation = row.get(column), row.get(TRANSLATION) or ""
        texts = text if isinstance(text, list) else [text]
        if not texts or not all(isinstance(one, str) and one.strip() for one in texts):
            faults.append((line, f"{column} must be a text, got {json.dumps(text, ensure_ascii=False)}"))
        elif not isinstance(translation, str):
            faults.append((line, f"{TRANSLATION} must be a text, got {json.dumps(translation, ensure_ascii=False)}"))
        else:
            pairs += [(str(one).strip(), translation.strip()) for one in texts]
    refuse_faults(file, faults)
    return pairs


def _column(file: Path, columns: list[str]) -> str:
    found = next((column for column in COLUMNS if column in columns), None)
    if found is None:
        given = listed(columns) or "none"
        raise TinyclapError(f"texts: {file} has no column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}; it has {given}")
    return found


def _lines(file: Path) -> tuple[str, tables.Rows]:
    lines = enumerate(read_text(file).splitlines(), start=1)
    return "text", [(number, {"text": line}) for number, line in lines if line.strip()]


def _table(file: Path) -> tuple[str, tables.Rows]:
    columns, rows = read_table(file)
    return _column(file, columns) if columns or rows else COLUMNS[0], rows


_READERS: dict[str, Callable[[Path], tuple[str, tables.Rows]]] = {
    ".txt": _lines,
    **dict.fromkeys(tables.TABLE_SUFFIXES, _table),
}
