"""Which clip was made of which prompt: a table of prompts, and the files of a folder that its lines name.

A table is CSV or TSV with a header, or JSONL. A line names a clip by its path within the folder or by its name alone,
with its suffix, with that of another audio format, or without. A clip may have several lines.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyclap.audio.formats import audio_suffixes
from tinyclap.common.tables import read_table
from tinyclap.errors import TinyclapError, listed

FILE_COLUMNS = ("file", "path", "filename", "file_name", "audio", "id", "name", "audiocap_id", "youtube_id", "ytid")
TEXT_COLUMNS = ("prompt", "caption", "text", "description")
NUMBERED = re.compile(r"(?:caption|prompt)_\d+")  # Clotho's caption_1 to caption_5


@dataclass(frozen=True)
class Prompt:
    """A text, and the clip that it belongs to as a line names it."""

    clip: str
    text: str


@dataclass(frozen=True)
class Matched:
    """Prompts with their files.

    Attributes:
        pairs: file and text, in the order of the table.
        missing: clips that lines name and that are not there.
        unmatched: files that no line names.
    """

    pairs: Sequence[tuple[Path, str]]
    missing: Sequence[str]
    unmatched: Sequence[Path]


def read_prompts(path: Path, file_column: str | None = None, text_column: str | None = None) -> list[Prompt]:
    """The prompts of a table.

    Args:
        path: .csv, .tsv or .jsonl, in UTF-8.
        file_column, text_column: None for the first one there of FILE_COLUMNS and TEXT_COLUMNS; without a text column
            all of caption_1, caption_2, ...

    Raises:
        TinyclapError: no such file, one that cannot be read, no such column, or a line without a clip or a text.
    """
    if not path.is_file():
        what = f"{path} is no file" if path.exists() else f"there is no file {path}"
        raise TinyclapError(f"prompts: {what}; give a .csv, .tsv or .jsonl file")
    columns, rows = read_table(path, example='{"file": "1.wav", "prompt": ...}')
    if not rows:
        raise TinyclapError(f"{path} holds no prompts; give a line for each clip")
    clip_of = _column(path, "file", file_column, FILE_COLUMNS, columns)
    numbered = [name for name in columns if NUMBERED.fullmatch(name)]
    several = text_column is None and not set(TEXT_COLUMNS) & set(columns) and numbered
    texts_of = several or [_column(path, "prompt", text_column, TEXT_COLUMNS, columns)]
    prompts: list[Prompt] = []
    for line, row in rows:
        clip, texts = "".join(_texts(row, clip_of)), [text for name in texts_of for text in _texts(row, name)]
        if not clip or not texts:
            lacking = f"{clip_of} is empty" if not clip else f"{', '.join(texts_of)} is empty"
            raise TinyclapError(f"{path}, line {line}: {lacking}; give a clip and its prompt in every line")
        prompts += [Prompt(clip, text) for text in texts]
    return list(dict.fromkeys(prompts))


def match(prompts: Sequence[Prompt], files: Sequence[Path], roots: Sequence[Path]) -> Matched:
    """The files that prompts name.

    Args:
        prompts: of a table.
        files: that there are.
        roots: folders in which paths begin.

    Raises:
        TinyclapError: a clip's name that fits several files.
    """
    by_key: dict[str, list[Path]] = {}
    for file in files:
        inside = [file.relative_to(root) for root in roots if file.is_relative_to(root)] or [file]
        ways = {way for path in inside for way in (path.as_posix(), path.with_suffix("").as_posix())}
        for key in ways | {file.name, file.stem, file.as_posix()}:
            by_key.setdefault(key, []).append(file)
    exact = {path.relative_to(root).as_posix(): path for root in roots for path in files if path.is_relative_to(root)}
    pairs, missing = [], []
    for prompt in prompts:
        key = Path(prompt.clip).as_posix()
        stem = key[: -len(Path(key).suffix)] if Path(key).suffix.lower() in audio_suffixes() else key
        found = [exact[key]] if key in exact else by_key.get(key) or by_key.get(stem, [])
        if len(found) > 1:
            names = listed([file.as_posix() for file in found])
            raise TinyclapError(f"prompts: {prompt.clip} fits {len(found)} files ({names}); name it by its path")
        if found:
            pairs.append((found[0], prompt.text))
        else:
            missing.append(prompt.clip)
    used = {file for file, _ in pairs}
    return Matched(pairs, list(dict.fromkeys(missing)), [file for file in files if file not in used])


def _column(path: Path, what: str, asked: str | None, usual: Sequence[str], columns: Sequence[str]) -> str:
    found = [name for name in ((asked,) if asked else usual) if name in columns]
    if not found:
        wanted = asked or " or ".join(usual)
        there = listed(columns, 20) or "none"
        raise TinyclapError(f"{path} has no column {wanted}; there are: {there}. Name yours with --{what}-column")
    return found[0]


def _texts(row: dict[str, Any], name: str) -> list[str]:
    """What a column holds, in JSONL also a list of texts; nothing where it is empty."""
    value = row.get(name)
    values = value if isinstance(value, list) else [value]
    return [text for each in values if isinstance(each, str | int | float) and (text := str(each).strip())]
