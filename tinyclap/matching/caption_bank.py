"""A bank of captions: the texts of a file and their vectors, embedded once for each text side and kept in the cache."""

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.cache_lock import cache_folder
from tinyclap.common.row_store import VERSION, RowStore, fill_stores
from tinyclap.common.tables import TABLE_SUFFIXES, read_table, read_text
from tinyclap.errors import TinyclapError, listed
from tinyclap.matching.encoder import text_identity
from tinyclap.matching.prompts import TEXT_COLUMNS
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.text_encoder import UnknownWordsError

FEW = 1e-3  # a vector shorter than this stands for a caption no word of which is known


@dataclass(frozen=True)
class CaptionBank:
    """Captions to choose from.

    Attributes:
        texts: each once.
        embeddings: of each, unit-norm float32 (N, embed_dim), memory-mapped where they come from the cache.
        left_out: captions no word of which the bundle knows.
        computed: texts that were embedded now; 0 where all were in the cache.
    """

    texts: Sequence[str]
    embeddings: np.ndarray
    left_out: Sequence[str] = ()
    computed: int = 0


def read_captions(path: Path, column: str | None = None) -> list[str]:
    """The captions of a file, each once, in its order.

    Args:
        path: a text file with a caption a line, or .csv, .tsv or .jsonl.
        column: of a table; None for the first one there of TEXT_COLUMNS.

    Raises:
        TinyclapError: no such file, one that cannot be read, no such column, or no caption.
    """
    if not path.is_file():
        what = f"{path} is no file" if path.exists() else f"there is no file {path}"
        raise TinyclapError(f"captions: {what}; give a text file with one a line, or a .csv")
    if path.suffix.lower() in TABLE_SUFFIXES:
        found = _of_table(path, column)
    elif column is not None:
        raise TinyclapError(f"{path} is read line by line and has no columns; leave --column out")
    else:
        found = read_text(path).splitlines()
    captions = list(dict.fromkeys(text for line in found if (text := " ".join(line.split()))))
    if not captions:
        raise TinyclapError(f"{path} holds no captions; give one a line, or a table with a column caption")
    return captions


def caption_bank(bundle: Bundle, captions: Sequence[str]) -> CaptionBank:
    """Captions with their vectors, which are computed once; killed, the same call goes on where it stopped.

    Raises:
        TinyclapError: the bundle has no text side, or knows no word of any caption.
    """
    if bundle.manifest.text is None:
        bundle.embed_text(captions[0])  # says so
    cut: list[str] = []
    store = RowStore(
        cache_folder("embeddings") / _key(bundle, captions),
        (len(captions), bundle.embed_dim),
        np.float32,
        lambda rows, _: _embedded(bundle, [captions[row] for row in rows], cut),
    )
    filled = fill_stores([store], lambda _: None, progress="embed captions", unit="caption")[0]
    if cut:
        warnings.warn(f"{cut[0]} ({len(cut)} such captions at least; their beginnings stand for them)", stacklevel=2)
    known = np.flatnonzero(np.linalg.norm(filled.rows, axis=1) > FEW)
    if len(known) == len(captions):
        return CaptionBank(captions, filled.rows, (), filled.computed)
    unknown = sorted(set(range(len(captions))) - set(known.tolist()))
    left_out = [captions[row] for row in unknown]
    if not len(known):
        raise TinyclapError(f"the bundle knows no word of any caption, e.g. {listed(left_out)}")
    return CaptionBank([captions[row] for row in known.tolist()], filled.rows[known], left_out, filled.computed)


def _of_table(path: Path, column: str | None) -> list[str]:
    columns, rows = read_table(path)
    wanted = (column,) if column else TEXT_COLUMNS
    chosen = next((name for name in wanted if name in columns), None)
    if chosen is None and columns:
        there = listed(columns, 20)
        raise TinyclapError(f"{path} has no column {' or '.join(wanted)}; there are: {there}. Name it with --column")
    values: list[Any] = [row.get(str(chosen)) for _, row in rows]
    listed_values = (value if isinstance(value, list) else [value] for value in values)
    return [text for several in listed_values for text in several if isinstance(text, str)]


def _embedded(bundle: Bundle, texts: Sequence[str], cut: list[str]) -> np.ndarray:
    """Vectors (N, D) of texts, zeros for one no word of which is known; warnings of long ones go to `cut`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return bundle.embed_text(texts)
        except UnknownWordsError:
            if len(texts) == 1:
                return np.zeros((1, bundle.embed_dim), np.float32)
        finally:
            cut += [str(warning.message) for warning in caught]
    return np.concatenate([_embedded(bundle, [text], cut) for text in texts])


def _key(bundle: Bundle, captions: Sequence[str]) -> str:
    """A name that the text side and the captions decide."""
    parts = [VERSION, "captions", text_identity(bundle), *captions]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
