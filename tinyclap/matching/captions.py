"""Captions for sounds, found rather than written: the sentences of a bank that lie nearest to a sound.

One sound at a time is answered by the captions of largest cosine. Several at once are answered better by a mixture
(`embeddings.pursuit`): the first caption is the nearest, each further one the nearest to what is left, so that it says
something else, and not the same in other words (benchmarks/esc50/captions.py measures both).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyclap.audio.checks import AudioError
from tinyclap.audio.level import SILENCE_BELOW_DBFS
from tinyclap.embeddings.pursuit import mixture
from tinyclap.errors import GateError, TinyclapError
from tinyclap.matching.caption_bank import CaptionBank
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.sounds import Sound


@dataclass(frozen=True)
class Caption:
    """A sentence that fits a sound.

    Attributes:
        text: of the bank.
        cosine: to the sound.
        weight: in the mixture that comes nearest to the sound; None where none was asked for.
    """

    text: str
    cosine: float
    weight: float | None = None


@dataclass(frozen=True)
class Captioned:
    """A file with the captions that fit it, best first, or the reason why it cannot be used.

    Attributes:
        file: its name.
        captions: none where it cannot be used or is silent.
        mixture_cosine: between the sound and the mixture of all captions; None where none was asked for.
        silent: it is too quiet to tell (`audio.level.SILENCE_BELOW_DBFS`).
        reason: why it cannot be used.
    """

    file: str
    captions: tuple[Caption, ...] = ()
    mixture_cosine: float | None = None
    silent: bool = False
    reason: str | None = None


def nearest(embedding: np.ndarray, bank: CaptionBank, count: int = 3) -> list[Caption]:
    """The captions of largest cosine to a sound's unit vector (D,), the largest first; of equal ones the earlier."""
    if count < 1:
        raise TinyclapError(f"n is {count}: it must be 1 or more")
    products = bank.embeddings @ np.asarray(embedding, np.float32)
    some = np.argpartition(-products, min(count, len(products)) - 1)[:count]
    order = some[np.lexsort((some, -products[some]))]
    return [Caption(bank.texts[row], float(products[row])) for row in order]


def mixed(embedding: np.ndarray, bank: CaptionBank, most: int) -> tuple[list[Caption], float]:
    """The captions of which a sound's unit vector (D,) is best made, at most so many, and the mixture's cosine to it.

    The largest weight first. Raises TinyclapError for fewer than one caption.
    """
    made = mixture(embedding, bank.embeddings, most)
    products = bank.embeddings[list(made.rows)] @ np.asarray(embedding, np.float32)
    weighted = zip(made.rows, products, made.weights, strict=True)
    return [Caption(bank.texts[row], float(cosine), weight) for row, cosine, weight in weighted], made.cosine


def caption(bundle: Bundle, sound: Sound, bank: CaptionBank, count: int = 3, *, mix: int | None = None) -> Captioned:
    """A sound's captions.

    Args:
        bundle: that made the bank.
        sound: a file.
        bank: see `caption_bank`.
        count: captions of largest cosine.
        mix: instead, at most so many of which the sound is made.

    Raises:
        AudioError: the file cannot be used.
        TinyclapError: fewer than one caption asked for.
    """
    embedding, level_dbfs = bundle.embed_with_level(sound)
    if level_dbfs < SILENCE_BELOW_DBFS:
        return Captioned(str(sound), silent=True)
    if mix is None:
        return Captioned(str(sound), tuple(nearest(embedding, bank, count)))
    found, cosine = mixed(embedding, bank, mix)
    return Captioned(str(sound), tuple(found), cosine)


def caption_files(
    bundle: Bundle, files: Sequence[Path], bank: CaptionBank, count: int = 3, *, mix: int | None = None
) -> Iterator[Captioned]:
    """The captions of each file as soon as they are known; one that cannot be used has a reason instead."""
    for file in files:
        try:
            yield caption(bundle, file, bank, count, mix=mix)
        except AudioError as error:
            yield Captioned(str(file), reason=error.reason)


def refuse_bad(found: Sequence[Captioned]) -> None:
    """Raise a GateError that names the files that cannot be used, if there are any."""
    bad = [f"{entry.file}: {entry.reason}" for entry in found if entry.reason is not None]
    if bad:
        raise GateError(f"{len(bad)} of {len(found)} files cannot be used:\n  " + "\n  ".join(bad))
