"""A small vocabulary for a student of text, and what its teacher's table of embeddings says of each token in it."""

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from tinyclap.errors import TinyclapError
from tinyclap.runtime.text_encoder import SPACES, unknown_id

PAD, UNKNOWN, PREFIX = "[PAD]", "[UNK]", "##"
SMALLEST = 64  # tokens
LEARNED = 1.5  # times the size: so many tokens are learned, of which those in use are kept
LONGEST_WORD = 100  # characters, as BERT's


def reduced_vocabulary(texts: Sequence[str], size: int, *, least_uses: int = 3) -> Tokenizer:
    """A tokenizer of BERT's kind, lower case without accents, of the tokens that texts use most.

    [PAD] is 0, [UNK] is 1, and the others follow by how often they are used. The same texts give the same tokenizer.

    Args:
        texts: such as the student will read.
        size: tokens at most; there are fewer where the texts use fewer.
        least_uses: a character that the texts hold so many times is a token in any case, to begin a word with and to go
            on with, so that any word of such can be read. Half of the vocabulary at most is kept for these.

    Raises:
        TinyclapError: a size below SMALLEST, or texts without a word.
    """
    if size < SMALLEST:
        raise TinyclapError(f"a vocabulary of {size} tokens is too small to read texts; give {SMALLEST} or more")
    words = _word_counts(texts)
    if not words:
        raise TinyclapError(
            "a vocabulary cannot be made of texts without a word; give texts that the student will read"
        )
    letters = _letters(words, least_uses)[: size // 2]
    tokens = _learned(words, round(LEARNED * size))
    uses = _uses(words, [*letters, *sorted(set(tokens) - set(letters))])
    others = [token for token in sorted(uses, key=lambda token: (-uses[token], token)) if token not in set(letters)]
    kept = [*letters, *others[: size - len(letters) - 2]]
    uses = _uses(words, kept)
    return _tokenizer(sorted(kept, key=lambda token: (-uses[token], token)))


def teacher_rows(own: Tokenizer, teacher_tokenizer: Any, table: np.ndarray) -> np.ndarray:
    """A first table of embeddings for a student's vocabulary, float32 (V, d), from its teacher's.

    A row is the mean of the teacher's rows for what the teacher reads the token as, where it begins a word or where it
    goes on with one; marks of punctuation begin none. It is zero where the teacher cannot read it.

    Args:
        own: of `reduced_vocabulary`.
        teacher_tokenizer: of `transformers` or `tokenizers`: WordPiece, byte-level BPE, or SentencePiece's kinds.
        table: the teacher's, (its tokens, d).

    Raises:
        TinyclapError: a tokenizer of Python alone, or a table with fewer rows than the tokenizer has tokens.
    """
    teacher = backend_of(teacher_tokenizer)
    if teacher is None:
        raise TinyclapError("the teacher's tokenizer is none of the package tokenizers; start from a random table")
    read, rows = _reader(teacher), np.zeros((own.get_vocab_size(), table.shape[1]), np.float32)
    unknown = unknown_id(teacher, json.loads(teacher.to_str())["model"])
    for token, row in own.get_vocab().items():
        ids = [] if token in (PAD, UNKNOWN) else read(token)
        if token == UNKNOWN and unknown is not None:
            ids = [unknown]
        elif unknown in ids:
            ids = []
        if ids and max(ids) >= len(table):
            raise TinyclapError(
                f"the teacher's table has {len(table)} rows, its tokenizer a token {max(ids)}; give both of one teacher"
            )
        if ids:
            rows[row] = table[ids].astype(np.float32).mean(axis=0)
    return rows


def _tokenizer(tokens: Sequence[str]) -> Tokenizer:
    numbers = {token: number for number, token in enumerate([PAD, UNKNOWN, *tokens])}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=True, lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=PREFIX)
    return tokenizer


def _words(reader: Tokenizer, text: str) -> list[str]:
    return [word for word, _ in reader.pre_tokenizer.pre_tokenize_str(reader.normalizer.normalize_str(text))]


def _word_counts(texts: Sequence[str]) -> dict[str, int]:
    """How often each word occurs, in the order of the words."""
    reader, counts = _tokenizer([]), Counter[str]()
    for text in texts:
        counts.update(word for word in _words(reader, text) if len(word) <= LONGEST_WORD)
    return dict(sorted(counts.items()))


def _letters(words: Mapping[str, int], least_uses: int) -> list[str]:
    """Characters used so often, the most used first, each twice where it can go on with a word too."""
    reader, counts = _tokenizer([]), Counter[str]()
    for word, count in words.items():
        for letter in word:
            counts[letter] += count
    letters = [letter for letter in sorted(counts, key=lambda one: (-counts[one], one)) if counts[letter] >= least_uses]
    return [
        token for one in letters for token in (one, PREFIX + one)[: 2 if len(_words(reader, f"a{one}")) == 1 else 1]
    ]


def _uses(words: Mapping[str, int], tokens: Sequence[str]) -> Counter[str]:
    """How often each token is used where the words are read by these."""
    model, uses = _tokenizer(tokens).model, Counter[str]()
    for word, count in words.items():
        for token in model.tokenize(word):
            uses[token.value] += count
    del uses[UNKNOWN]
    return uses


def _learned(words: Mapping[str, int], size: int) -> list[str]:
    """Tokens that the two most frequent neighbours are joined to, again and again (BPE; Sennrich et al. 2016).

    Equally frequent ones are taken in the order of their texts.
    """
    counts = list(words.values())
    spelled = [[word[0], *(PREFIX + letter for letter in word[1:])] for word in words]
    pairs, places = Counter[tuple[str, str]](), defaultdict[tuple[str, str], set[int]](set)
    for place, pieces in enumerate(spelled):
        for pair in pairwise(pieces):
            pairs[pair] += counts[place]
            places[pair].add(place)
    queue = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(queue)
    tokens = dict.fromkeys(piece for pieces in spelled for piece in pieces)
    while queue and len(tokens) < size:
        count, best = heapq.heappop(queue)
        if -count != pairs[best] or -count < 2:  # counted anew since, or no more frequent than chance
            continue
        joined, changed = best[0] + best[1].removeprefix(PREFIX), set()
        tokens[joined] = None
        for place in list(places[best]):
            for pair in pairwise(spelled[place]):
                pairs[pair] -= counts[place]
                places[pair].discard(place)
                changed.add(pair)
            spelled[place] = _joined(spelled[place], best, joined)
            for pair in pairwise(spelled[place]):
                pairs[pair] += counts[place]
                places[pair].add(place)
                changed.add(pair)
        for pair in changed:
            heapq.heappush(queue, (-pairs[pair], pair))
    return list(tokens)


def _joined(pieces: Sequence[str], pair: tuple[str, str], joined: str) -> list[str]:
    """Pieces of a word with each such pair as one."""
    made: list[str] = []
    for piece in pieces:
        if made and (made[-1], piece) == pair:
            made[-1] = joined
        else:
            made.append(piece)
    return made


def backend_of(tokenizer: Any) -> Tokenizer | None:
    """The `tokenizers.Tokenizer` that a tokenizer is, or that does its work; None of one of Python alone."""
    return tokenizer if isinstance(tokenizer, Tokenizer) else getattr(tokenizer, "backend_tokenizer", None)


def _reader(teacher: Tokenizer) -> Callable[[str], list[int]]:
    """What gives the ids that a teacher has for a token of ours."""
    model, tokens = teacher.model, teacher.get_vocab(with_added_tokens=False)
    if isinstance(model, models.WordPiece):
        prefix = model.continuing_subword_prefix
        within = {token.removeprefix(prefix): number for token, number in tokens.items() if token.startswith(prefix)}
        within |= {token: number for token, number in tokens.items() if token == model.unk_token}
        going_on = models.WordPiece(within, unk_token=model.unk_token, continuing_subword_prefix="")
        return lambda token: _ids(going_on, token[len(PREFIX) :]) if token.startswith(PREFIX) else _ids(model, token)
    space = max(SPACES, key=lambda mark: sum(token.startswith(mark) for token in tokens))
    space = space if any(token.startswith(space) for token in tokens) else ""
    is_bytes = isinstance(model, models.BPE) and space != SPACES[1]
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)

    def read(token: str) -> list[int]:
        piece = token.removeprefix(PREFIX)
        written = to_bytes.pre_tokenize_str(piece)[0][0] if is_bytes else piece
        return _ids(model, space + written if piece == token and piece[0].isalnum() else written)

    return read


def _ids(model: Any, piece: str) -> list[int]:
    try:
        return [token.id for token in model.tokenize(piece)]
    except Exception:  # tokenizers raises nothing more exact for what a tokenizer without an unknown token cannot read
        return []
