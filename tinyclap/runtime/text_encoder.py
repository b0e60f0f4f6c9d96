"""A bundle's text side: texts to unit vectors with ONNX Runtime; tokenizers reads what is not of BERT's kind."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinyclap.common.files import parse_json, refuse_pointer
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle_contents import TEXT_GRAPH, TOKENIZER
from tinyclap.runtime.session import embeddings_of, metadata_of, open_session
from tinyclap.runtime.wordpiece import OtherKindError, WordPiece

TEXTS_AT_ONCE, CHARACTERS_TOLD = 32, 80
SHORT = 2  # letters of a piece, below which it says nothing of its word
SPACES = ("\u0120", "\u2581")  # with which a token that begins a word starts: byte-level BPE's, SentencePiece's


class UnknownWordsError(TinyclapError):
    """Texts no word of which a bundle knows."""


class Tokens(NamedTuple):
    """A text as tokens: their ids, whether it was cut, and whether any of them stands for a word."""

    ids: Sequence[int]
    is_cut: bool
    is_known: bool


Reader = Callable[[Sequence[str]], list[Tokens]]


class TextEncoder:
    """Tokenizer and graph of a text tower.

    Args:
        folder: the bundle.
        max_tokens: longer texts are cut, with a warning.
        pad_id: token that fills up shorter texts.
        threads: working on the graph.
        exact: as for `session.open_session`.

    Raises:
        TinyclapError: the tokenizer cannot be read, or the graph cannot be run.
        ModuleNotFoundError: tokenizers is not installed, and the tokenizer is not of BERT's kind.
    """

    def __init__(
        self, folder: Path, *, max_tokens: int, pad_id: int, threads: int | None = None, exact: bool = False
    ) -> None:
        self._tokens_of = token_reader(folder / TOKENIZER, max_tokens)
        self._max_tokens, self._pad_id = max_tokens, pad_id
        names = ("input_ids", "attention_mask")
        self._path = folder / TEXT_GRAPH
        self._session = open_session(
            self._path, inputs=names, output="text_embeds", providers=None, threads=threads, exact=exact
        )

    @property
    def latent_map(self) -> dict[str, Any] | None:
        """The manifest's `latent_map` as the graph itself tells it; None for a graph of the teacher's whole space."""
        return metadata_of(self._path, self._session).get("latent_map")

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """N texts, N > 0 -> unit-norm float32 (N, D); UnknownWordsError where no word of one is known."""
        read = self._known(texts)
        cut = [text for text, tokens in zip(texts, read, strict=True) if tokens.is_cut]
        if cut:
            warnings.warn(f"a text is cut to {self._max_tokens} tokens: {_short(cut[0])}", stacklevel=3)
        rows = [tokens.ids for tokens in read]
        batches = [rows[first : first + TEXTS_AT_ONCE] for first in range(0, len(rows), TEXTS_AT_ONCE)]
        return np.concatenate([self._embed(batch) for batch in batches])

    def refuse_unknown(self, texts: Sequence[str]) -> None:
        """Raise an UnknownWordsError for texts no word of which is known: nothing would tell them from one another."""
        self._known(texts)

    def spelled_out(self, texts: Sequence[str]) -> list[str]:
        """The words of texts, if each of them is read in pieces of fewer than SHORT letters on average; else none."""
        words = re.findall(r"[^\W\d_]+", " ".join(texts))
        around, *read = [len(tokens.ids) for tokens in self._tokens_of(["", *words])]
        known = any(
            length == around + 1 or SHORT * (length - around) <= len(word)
            for length, word in zip(read, words, strict=True)
        )
        return [] if known else words

    def _known(self, texts: Sequence[str]) -> list[Tokens]:
        read = self._tokens_of(texts)
        unknown = [text for text, tokens in zip(texts, read, strict=True) if not (tokens.is_known and text.strip())]
        if unknown:
            rest = f" (nor {len(unknown) - 1} more)" if len(unknown) > 1 else ""
            raise UnknownWordsError(
                f"{_short(unknown[0])} is not among the words this bundle knows{rest}; say it in other words "
                f"(it knows those of {self._path.with_name(TOKENIZER)})"
            )
        return read

    def _embed(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        ids, mask = padded(rows, self._pad_id)
        return embeddings_of(self._session, {"input_ids": ids, "attention_mask": mask})


def token_reader(path: Path, max_tokens: int) -> Reader:
    """What makes tokens of texts as a tokenizer.json says; what it cannot read is a TinyclapError.

    Raises:
        TinyclapError: the file is damaged.
        ModuleNotFoundError: tokenizers is not installed, and the file is not of BERT's kind.
    """
    try:
        parsed = parse_json(path.read_bytes())
    except ValueError as error:
        raise TinyclapError(f"{path} is no tokenizer.json ({error})") from error
    try:
        own = WordPiece(parsed)
    except OtherKindError:
        return _packages_reader(path, parsed, max_tokens)

    def read(texts: Sequence[str]) -> list[Tokens]:
        try:
            whole = [own.ids(text) for text in texts]
        except UnicodeEncodeError as error:
            raise _unreadable(path, error.object, error) from error
        kept = [own.framed(ids, max_tokens) for ids in whole]
        return [
            Tokens(some, len(some) < len(own.framed(ids)), not own.wordless.issuperset(ids))
            for some, ids in zip(kept, whole, strict=True)
        ]

    return read


def _packages_reader(path: Path, parsed: Any, max_tokens: int) -> Reader:
    """As `token_reader`, with the package tokenizers."""
    tokenizer = read_tokenizer(path)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    wordless = special | {unknown_id(tokenizer, parsed["model"]), *map(tokenizer.token_to_id, SPACES)}

    def tokens(read: Any) -> Tokens:
        own = [number for number, around in zip(read.ids, read.special_tokens_mask, strict=True) if not around]
        return Tokens(read.ids, bool(read.overflowing), not wordless.issuperset(own))

    def read(texts: Sequence[str]) -> list[Tokens]:
        try:
            return [tokens(encoded) for encoded in tokenizer.encode_batch(list(texts))]
        except Exception as error:  # tokenizers raises nothing more exact
            raise _unreadable(path, texts[0], error) from error

    return read


def _unreadable(path: Path, text: str, error: Exception) -> TinyclapError:
    return TinyclapError(f"{path} cannot read {_short(text)} ({error})")


def _short(text: str) -> str:
    return repr(text if len(text) <= CHARACTERS_TOLD else f"{text[:CHARACTERS_TOLD]}...")


def read_tokenizer(path: Path) -> Any:
    """The `tokenizers.Tokenizer` in a file; TinyclapError where there is none, or a damaged one."""
    from tokenizers import Tokenizer

    if not path.is_file():
        raise TinyclapError(f"{path} is missing; copy the whole folder again")
    refuse_pointer(path)
    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # tokenizers raises nothing more exact
        reason = " ".join(str(error).split())
        raise TinyclapError(f"{path} is no tokenizer.json ({reason}); copy it again") from error


def unknown_id(tokenizer: Any, model: Mapping[str, Any]) -> int | None:
    """The id of what a `tokenizers.Tokenizer` does not know, by the `model` of its JSON; None where it can read all."""
    number = model.get("unk_id")  # of Unigram
    found: int | None = tokenizer.token_to_id(model.get("unk_token") or "") if number is None else number
    return found


def padded(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of N texts filled up to the longest, int64 (N, L), L > 0, and their mask, 1 where there is a token."""
    ids = np.full((len(rows), max([1, *map(len, rows)])), pad_id, np.int64)
    mask = np.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row)], mask[place, : len(row)] = row, 1
    return ids, mask
