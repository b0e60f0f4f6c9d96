"""What is asked of a library as one vector, and the order of what sound and name found."""

from collections.abc import Iterable, Sequence

import numpy as np

from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.sounds import Sound, one_or_many

AWAY = 0.5  # weight of what is not wanted: half, so that what is wanted still decides
RANK_OFFSET = 60  # of reciprocal rank fusion


def query_vector(
    bundle: Bundle,
    text: str | Sequence[str] | None,
    like: Sound | Iterable[Sound] | None,
    without: str | Sequence[str] | None,
    sample_rate: float | None = None,
) -> np.ndarray:
    """Unit-norm float32 (D,): the mean of the unit vectors of texts and sounds, less AWAY times that of `without`.

    Raises:
        TinyclapError: nothing is wanted, the bundle has no words for a text, or a sound cannot be used.
    """
    wanted, unwanted = _several(text), _several(without)
    if not wanted and like is None:
        raise TinyclapError("nothing is asked for; give a text, or a sound that what you look for is like")
    if (wanted or unwanted) and bundle.manifest.text is None:
        raise TinyclapError(
            f"bundle {bundle.folder} has no words, so {(wanted or unwanted)[0]!r} cannot be looked for by sound: give "
            "a sound with --like, search the names alone with --by name, or export a bundle with --text and index again"
        )
    vectors = [bundle.embed_text(wanted)] if wanted else []
    if like is not None:
        vectors.append(bundle.embed(one_or_many(like), sample_rate=sample_rate))
    query = unit(np.concatenate(vectors).mean(0))
    if unwanted:
        query = query - AWAY * unit(bundle.embed_text(unwanted).mean(0))
    return unit(query).astype(np.float32)


def fused(by_sound: Sequence[int], by_name: Sequence[int], n: int) -> dict[int, str]:
    """The best `n` of two orders, each with what found it: reciprocal rank fusion, 1 / (60 + rank) summed over both.

    Cormack, Clarke and Büttcher, SIGIR 2009. Of equal sums the name stands first: it has all the words that were asked.
    """
    scores: dict[int, float] = {}
    for order in (by_name, by_sound):
        for rank, item in enumerate(order):
            scores[item] = scores.get(item, 0.0) + 1 / (RANK_OFFSET + 1 + rank)
    of_sound, of_name = set(by_sound), set(by_name)
    best = sorted(scores, key=lambda item: -scores[item])[:n]  # stable: names came first
    return {item: "both" if item in of_sound & of_name else "sound" if item in of_sound else "name" for item in best}


def _several(texts: str | Sequence[str] | None) -> list[str]:
    given = [] if texts is None else [texts] if isinstance(texts, str) else list(texts)
    return [str(text) for text in given]
