"""GigaSpeech, 10,000 hours of English speech with its transcripts (G. Chen et al., Interspeech 2021, arXiv 2106.06909).

It cannot be fetched for you: its authors ask for a form to be signed. Two layouts are read. SpeechColab's own is
`GigaSpeech.json` beside `audio/`, whose Opus files last hours; a clip is a segment of one. That of the Hugging Face hub
is `data/metadata/` with tables beside `data/audio/` with a WAV file for every segment.
"""

import json
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tinyclap.audio import files
from tinyclap.audio.checks import AudioError
from tinyclap.audio.files import AudioInfo
from tinyclap.common.files import sha256_of
from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.published.layouts import Layout, read_table
from tinyclap.errors import TinyclapError

Subset = Literal["XS", "S", "M", "L", "XL", "DEV", "TEST"]
REMEDY = (
    "sign the form of https://github.com/SpeechColab/GigaSpeech and get it with the password that is sent to you: pip "
    "install speechcolab, then GigaSpeech(FOLDER).download(PASSWORD, subset='{XS}'); or accept the terms of "
    "https://huggingface.co/datasets/speechcolab/gigaspeech, run `hf download speechcolab/gigaspeech --repo-type "
    "dataset --include 'data/*/xs*' --local-dir FOLDER` with your token, and unpack each archive where it lies"
)
OFFICIAL = Layout("GigaSpeech", ("GigaSpeech.json",), "audio", REMEDY)
HUB = Path("data/metadata")
# The hub keeps each clip once: a subset is its own tables and those of all smaller ones.
SMALLER: dict[str, tuple[Subset, ...]] = {
    "XS": ("XS",),
    "S": ("XS", "S"),
    "M": ("XS", "S", "M"),
    "L": ("XS", "S", "M", "L"),
    "XL": ("XS", "S", "M", "L", "XL"),
}
PUNCTUATION = {"<COMMA>": ",", "<PERIOD>": ".", "<QUESTIONMARK>": "?", "<EXCLAMATIONPOINT>": "!"}
GARBAGE = {"<SIL>", "<MUSIC>", "<NOISE>", "<OTHER>"}  # the whole transcript of what is not speech
PIECE = 2**20  # characters of the metadata read at a time: all of it would take tens of gigabytes


class Segments(Dataset):
    """Clips that are stretches of longer files.

    Args:
        name: of the data set.
        clips: each with the file that it lies in.
        spans: by clip name, where it begins and how long it lasts in that file, seconds.
    """

    def __init__(self, name: str, clips: list[Clip], spans: dict[str, tuple[float, float]]) -> None:
        super().__init__(name, clips)
        self._spans = spans
        self._digests: dict[Path, str] = {}

    def _info(self, clip: Clip) -> AudioInfo:
        whole = files.info(self._file(clip))
        start_s, duration_s = self._spans[clip.name]
        left_s = whole.duration_s - start_s
        if left_s <= 0:
            raise AudioError(str(clip.path), f"lasts {whole.duration_s:g} s; {clip.name} begins at {start_s:g} s")
        return replace(whole, duration_s=min(duration_s, left_s))

    def _load(self, clip: Clip, sample_rate: int, start_s: float, duration_s: float | None) -> np.ndarray:
        begin_s, length_s = self._spans[clip.name]
        wanted_s = length_s - start_s if duration_s is None else min(duration_s, length_s - start_s)
        if wanted_s <= 0:
            raise AudioError(clip.name, f"lasts {length_s:g} s, nothing at {start_s:g} s")
        return files.read(self._file(clip), sample_rate, begin_s + start_s, wanted_s)

    def _content(self, clip: Clip) -> bytes:
        path = self._file(clip)
        if path not in self._digests:
            self._digests[path] = sha256_of(path) if path.is_file() else ""
        return f"{self._digests[path]} {self._spans[clip.name]}".encode()


def gigaspeech(root: Path | str, subset: Subset = "XS") -> Dataset:
    """One subset of GigaSpeech: segments of 1 to 20 s, each with its transcript, in small letters, as caption.

    Clips of one recording share a `source`; the `split` is the smallest subset that has the clip. What is no speech has
    no transcript and is left out. Where only some recordings were downloaded, a warning counts the clips of the others.

    Args:
        root: a folder in either layout.
        subset: XS (10 hours) is part of S (250), that of M (1,000), that of L (2,500), that of XL (10,000); DEV, TEST.

    Raises:
        TinyclapError: another layout, damaged metadata, a subset of which nothing is there.
    """
    root = Path(root)
    if (root / HUB).is_dir():
        return _from_hub(root, subset)
    table = OFFICIAL.check(root)
    clips: list[Clip] = []
    spans: dict[str, tuple[float, float]] = {}
    lost = 0
    for recording in _recordings(table):
        try:
            path = root / str(recording["path"])
            segments = [one for one in recording["segments"] if f"{{{subset}}}" in one["subsets"]]
            is_there = bool(segments) and path.is_file()
            for one in segments:
                text, begin_s = said(str(one["text_tn"])), float(one["begin_time"])
                if not text:
                    continue
                if not is_there:
                    lost += 1
                    continue
                name = str(one["sid"])
                smallest = next(part for part in SMALLER.get(subset, (subset,)) if f"{{{part}}}" in one["subsets"])
                clips.append(Clip(name, captions=(text,), split=smallest, source=str(recording["aid"]), path=path))
                spans[name] = begin_s, float(one["end_time"]) - begin_s
                if not (begin_s >= 0 and 0 < spans[name][1] < math.inf):
                    raise ValueError(f"{name} lasts from {begin_s:g} to {one['end_time']} s")
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(table, f"a recording without what it should say, {type(error).__name__}: {error}") from error
    return Segments("GigaSpeech", _some(clips, lost, subset, root / "audio"), spans)


def said(transcript: str) -> str:
    """A transcript as a sentence: its marks of punctuation as such, in small letters; empty for what is not speech.

    >>> said("AS THEY'RE LEAVING <COMMA> CAN KASH GO <QUESTIONMARK>")
    "as they're leaving, can kash go?"
    """
    if transcript.strip() in GARBAGE:
        return ""
    for mark, sign in PUNCTUATION.items():
        transcript = re.sub(rf"\s*{mark}", sign, transcript)
    return " ".join(transcript.lower().split())


def _recordings(table: Path) -> Iterator[dict[str, Any]]:
    """The entries of `audios`, one at a time. Raises TinyclapError for anything that is not such a list."""
    decoder, text = json.JSONDecoder(), ""
    with table.open(encoding="utf-8") as file:
        while not (found := re.search(r'"audios"\s*:\s*\[', text)):
            piece = file.read(PIECE)
            if not piece:
                raise _damaged(table, 'it holds no list "audios"')
            text += piece
        text = text[found.end() :]
        while True:
            text = text.lstrip(" \t\r\n,")
            if text.startswith("]"):
                return
            try:
                entry, end = decoder.raw_decode(text)
            except JSONDecodeError as error:
                piece = file.read(max(PIECE, len(text)))  # twice as much: a long entry is not tried over and over
                if not piece:
                    raise _damaged(table, f"it ends early, or {error}") from error
                text += piece
                continue
            text = text[end:]
            yield entry


def _from_hub(root: Path, subset: Subset) -> Dataset:
    """The hub's layout: `metadata/xs_metadata/xs_chunks_0000_metadata.csv` lists `audio/xs_files/xs_chunks_0000/`."""
    parts: tuple[Subset, ...] = SMALLER.get(subset, (subset,))
    folders = {part: f"{part.lower()}_metadata*/{part.lower()}_chunks_*.csv" for part in parts}
    tables = [(part, table) for part, pattern in folders.items() for table in sorted((root / HUB).glob(pattern))]
    if not tables:
        raise TinyclapError(f"no tables of subset {subset} in {root / HUB}; {REMEDY}")
    clips: list[Clip] = []
    lost = 0
    for part, table in tables:
        folder = root / "data/audio" / table.parent.name.replace("_metadata", "_files")
        chunk = folder / table.name.removesuffix("_metadata.csv")
        for row in read_table(table, ("sid", "text_tn")):
            text, path = said(row["text_tn"]), chunk / f"{row['sid']}.wav"
            if text and path.is_file():
                source = row["sid"].rpartition("_S")[0]
                clips.append(Clip(row["sid"], captions=(text,), split=part, source=source, path=path))
            else:
                lost += bool(text)
    return Dataset("GigaSpeech", _some(clips, lost, subset, root / "data/audio"))


def _some(clips: list[Clip], lost: int, subset: Subset, folder: Path) -> list[Clip]:
    """The clips, and a warning about those that have no file; raises TinyclapError where there is none."""
    if not clips:
        why = f"none of its {lost:,} clips has a file in {folder}" if lost else "its metadata lists none"
        raise TinyclapError(f"GigaSpeech: no clip of subset {subset}: {why}; {REMEDY}")
    if lost:
        counted = f"{lost:,} of {lost + len(clips):,} clips have no file in {folder}"
        warnings.warn(f"GigaSpeech {subset}: {counted}; the others are used", stacklevel=3)
    return clips


def _damaged(table: Path, what: str) -> TinyclapError:
    return TinyclapError(f"{table} is not GigaSpeech's metadata: {what}; {REMEDY}")
