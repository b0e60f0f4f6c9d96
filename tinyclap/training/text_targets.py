"""What a text student learns from: captions as word pieces, and the teacher's embeddings of what they mean."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tinyclap.common.cache_lock import cache_folder
from tinyclap.common.row_store import BLOCK_ROWS, VERSION, RowStore, fill_stores
from tinyclap.data.texts.corpus import Caption, Corpus
from tinyclap.errors import TinyclapError
from tinyclap.models.text_student import PAD, TextStudent
from tinyclap.runtime.text_encoder import padded
from tinyclap.teachers.encoder import TextTarget
from tinyclap.training.targets import TeacherTargets


class CaptionTokens:
    """Captions as word pieces: the `StudentInputs` of a text student, one view each.

    Args:
        student: whose word pieces they are.
        captions: to read.
    """

    per_clip = 1

    def __init__(self, student: TextStudent, captions: Sequence[Caption]) -> None:
        self._tokenizer, limit = student.tokenizer, student.config.max_tokens
        encoded = self._tokenizer.encode_batch([caption.text for caption in captions])
        self._rows = [np.array(entry.ids[:limit], np.uint16) for entry in encoded]
        self.sizes: np.ndarray | None = np.array([len(row) for row in self._rows])

    def __len__(self) -> int:
        return len(self._rows)

    def check(self, student: Any) -> None:
        """Raise a TinyclapError unless they are this student's word pieces."""
        if not isinstance(student, TextStudent) or student.tokenizer.get_vocab() != self._tokenizer.get_vocab():
            raise TinyclapError("the captions were read by another tokenizer than the student's")

    def batch(self, rows: Sequence[tuple[int, int]]) -> Tensor:
        """Word pieces (B, L) of captions by (number, 0)."""
        tokens, _ = padded([self._rows[number].tolist() for number, _ in rows], PAD)
        return torch.from_numpy(tokens)


def in_store_order(corpus: Corpus) -> list[Caption]:
    """The captions by the length of what they mean, so that a teacher embeds texts of one length at once."""
    return sorted(corpus.captions, key=lambda caption: len(caption.meaning))


def text_embeddings(target: TextTarget, captions: Sequence[Caption], name: str) -> TeacherTargets:
    """The teacher's embedding of what each caption means, (captions, 1, E), from the store as far as it is filled.

    Args:
        target: of the teacher.
        captions: as `in_store_order` gives them.
        name: of the teacher, for progress and messages.

    Raises:
        TinyclapError: an embedding that is not finite, or too small a disk.
    """
    meanings = [caption.meaning for caption in captions]
    total = hashlib.blake2b(json.dumps([VERSION, BLOCK_ROWS, "texts", target.fingerprint]).encode(), digest_size=16)
    for meaning in meanings:
        total.update(f"{len(meaning)} {meaning}".encode())

    def embed(rows: range, texts: list[str]) -> np.ndarray:
        with torch.no_grad():
            embeddings: np.ndarray = target.embed(texts).float().cpu().numpy()
        for text, embedding in zip(texts, embeddings, strict=True):
            if not np.isfinite(embedding).all():
                raise TinyclapError(f"teacher {name}: the embedding of the text {text!r} is not finite")
        return embeddings

    shape = (len(meanings), target.embed_dim)
    store = RowStore(cache_folder("embeddings") / total.hexdigest(), shape, np.float16, embed)
    (filled,) = fill_stores(
        [store], lambda rows: [meanings[row] for row in rows], progress=f"{name} embeds captions", unit="caption"
    )
    return TeacherTargets(filled.rows[:, None], filled.folder, filled.computed, filled.rounding_error)
