"""A bundle's text side: texts to unit vectors with ONNX Runtime and tokenizers."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle_contents import TEXT_GRAPH, TOKENIZER
from tinyclap.runtime.session import embeddings_of, metadata_of, open_session

TEXTS_AT_ONCE = 32


class TextEncoder:
    """Tokenizer and graph of a text tower.

    Args:
        folder: the bundle.
        max_tokens: longer texts are cut, with a warning.
        pad_id: token that fills up shorter texts.
        threads: working on the graph.

    Raises:
        TinyclapError: the graph cannot be run.
        ModuleNotFoundError: tokenizers is not installed.
    """

    def __init__(self, folder: Path, *, max_tokens: int, pad_id: int, threads: int | None = None) -> None:
        self._tokenizer = read_tokenizer(folder / TOKENIZER)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._max_tokens, self._pad_id = max_tokens, pad_id
        names = ("input_ids", "attention_mask")
        self._path = folder / TEXT_GRAPH
        self._session = open_session(self._path, inputs=names, output="text_embeds", providers=None, threads=threads)

    @property
    def latent_map(self) -> dict[str, Any] | None:
        """The manifest's `latent_map` as the graph itself tells it; None for a graph of the teacher's whole space."""
        return metadata_of(self._path, self._session).get("latent_map")

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """N texts, N > 0 -> unit-norm float32 (N, D)."""
        batches = [texts[first : first + TEXTS_AT_ONCE] for first in range(0, len(texts), TEXTS_AT_ONCE)]
        return np.concatenate([self._embed(batch) for batch in batches])

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        try:
            encoded = self._tokenizer.encode_batch(list(texts))
        except Exception as error:  # tokenizers raises nothing more exact
            raise TinyclapError(f"{self._path.with_name(TOKENIZER)} cannot read {texts[0][:80]!r} ({error})") from error
        cut = [text for text, tokens in zip(texts, encoded, strict=True) if tokens.overflowing]
        if cut:
            warnings.warn(f"a text is cut to {self._max_tokens} tokens: {cut[0][:80]!r}", stacklevel=4)
        ids, mask = padded([tokens.ids for tokens in encoded], self._pad_id)
        return embeddings_of(self._session, {"input_ids": ids, "attention_mask": mask})


def read_tokenizer(path: Path) -> Any:
    """The `tokenizers.Tokenizer` in a file; TinyclapError for a damaged one."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more exact
        reason = " ".join(str(error).split())
        raise TinyclapError(f"{path} is no tokenizer.json ({reason})") from error


def padded(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of N texts filled up to the longest, int64 (N, L), and their mask, 1 where there is a token."""
    ids = np.full((len(rows), max(map(len, rows))), pad_id, np.int64)
    mask = np.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row)], mask[place, : len(row)] = row, 1
    return ids, mask
