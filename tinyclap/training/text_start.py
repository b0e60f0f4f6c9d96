"""A text student before its training: its vocabulary, and its first table from what the teacher has."""

import copy
from collections.abc import Sequence

import numpy as np
import torch

from tinyclap.data.texts.corpus import Caption
from tinyclap.models.text_student import TextStudent
from tinyclap.models.text_student_config import PlacementConfig, TextEncoderConfig
from tinyclap.teachers.encoder import TextTarget
from tinyclap.training.vocabulary import PREFIX, backend_of, reduced_vocabulary, teacher_rows

AT_ONCE = 256


def new_text_student(
    config: TextEncoderConfig,
    target: TextTarget,
    captions: Sequence[Caption],
    teacher: str,
    seed: int,
    *,
    further: Sequence[str] = (),
) -> TextStudent:
    """A text student whose word pieces are those of the captions, each beginning as its teacher has it.

    The table begins with the main directions of the teacher's own embeddings of its tokens, as the mean over the tokens
    that a word piece is read as; or, of a teacher that shows none or whose tokenizer cannot be asked, of its embeddings
    of the word pieces as texts (model2vec, Tulkens & van Dongen 2024).

    Args:
        config: shape.
        target: of the teacher.
        captions: to learn from.
        teacher: its fingerprint.
        seed: of the layers' first weights.
        further: texts that it will not learn and whose words it is to have all the same.
    """
    texts = [*(caption.text for caption in captions), *further]
    tokenizer = reduced_vocabulary(texts, config.vocabulary)
    placed = target.placement
    placement = None
    if placed is not None:
        placement = PlacementConfig(None if placed.names is None else len(placed.names), placed.temperature)
    torch.manual_seed(seed)
    shape = config.of_teacher(tokenizer.get_vocab_size(), target.embed_dim, placement, teacher)
    student = TextStudent(shape, tokenizer)
    if placed is not None:
        student.placement = copy.deepcopy(placed).cpu()
    if target.table is not None and backend_of(target.tokenizer) is not None:
        rows = teacher_rows(tokenizer, target.tokenizer, target.table.float().cpu().numpy())
    else:
        rows = _as_texts(target, sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__))
    uses = np.bincount(
        np.concatenate([entry.ids for entry in tokenizer.encode_batch(texts)]),
        minlength=shape.vocabulary,
    )
    with torch.no_grad():
        student.table.weight.copy_(torch.from_numpy(main_directions(rows, config.table_dim, uses)))
    return student


def main_directions(rows: np.ndarray, dim: int, uses: np.ndarray) -> np.ndarray:
    """Rows (V, d) by their `dim` main directions, each row counted as often as it is used: float32 (V, dim).

    Centred, and scaled to a standard deviation of 1 over all numbers; directions beyond d are zero.
    """
    shares = (uses + 1.0) / (uses + 1.0).sum()
    centred = rows - shares @ rows
    weighted = np.sqrt(shares)[:, None] * centred
    _, vectors = np.linalg.eigh(weighted.T @ weighted)
    chosen = vectors[:, ::-1][:, :dim]
    signs = np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(chosen.shape[1])])
    reduced = centred @ (chosen * signs)
    made = np.zeros((len(rows), dim), np.float32)
    made[:, : reduced.shape[1]] = reduced / max(float(reduced.std()), 1e-12)
    return made


def _as_texts(target: TextTarget, tokens: Sequence[str]) -> np.ndarray:
    texts = [token.removeprefix(PREFIX) for token in tokens]
    with torch.no_grad():
        batches = [target.embed(list(texts[first : first + AT_ONCE])) for first in range(0, len(texts), AT_ONCE)]
    return torch.cat(batches).float().cpu().numpy()
