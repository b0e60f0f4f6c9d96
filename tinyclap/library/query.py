"""What is asked of a library as one vector, and the order of what sound and name found."""

from collections.abc import Iterable, Sequence

import numpy as np

from tinyclap.common.checks import is_count
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.sounds import Sound, one_or_many

AWAY = 0.5  # weight of what is not wanted: half, so that what is wanted still decides
RANK_OFFSET = 60  # of reciprocal rank fusion
BY = ("both", "sound", "name")


def checked(
    text: str | Sequence[str] | None,
    like: Sound | Iterable[Sound] | None,
    without: str | Sequence[str] | None,
    n: int,
    by: str,
) -> tuple[list[str], list[str], bool]:
    """Texts that are wanted, those that are not, and whether nothing is asked but conditions; as `Library.find`.

    Raises:
        TinyclapError: another `by` or `n`, names by anything but words, or a text without a letter or a digit.
    """
    wanted, unwanted = several(text), several(without)
    nothing = not wanted and like is None and not unwanted
    if by not in BY:
        raise TinyclapError(f"by is {by!r}; allowed: {', '.join(BY)}")
    if not is_count(n):
        raise TinyclapError(f"n is {n}: it must be a whole number, 1 or more")
    if by == "name" and not nothing and (not wanted or like is not None or unwanted):
        raise TinyclapError("names are found by words alone; give a text, and no sound to be like or unlike")
    blank = [one for one in (*wanted, *unwanted) if not any(map(str.isalnum, one))]
    if blank:
        raise TinyclapError(f'{blank[0]!r} has no words in it; write some, e.g. "dog barking"')
    return wanted, unwanted, nothing


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
    wanted, unwanted = several(text), several(without)
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


def several(texts: str | Sequence[str] | None) -> list[str]:
    """None, one text or several as a list."""
    given = [] if texts is None else [texts] if isinstance(texts, str) else list(texts)
    return [str(text) for text in given]
