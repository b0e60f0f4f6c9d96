"""What a puzzle is: a few sounds or texts, and as many texts, one of which belongs to each.

What a puzzle of attributes, negation, order or number offers is alike but for that: its texts have the same words. Who
knows which sounds and words there are, and no more, is right no more often than by chance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tinyclap.data.probes.scenes import Scene

Kind = Literal["sounds", "texts"]


@dataclass(frozen=True)
class Sum:
    """What lies where the embeddings of several add up."""

    terms: tuple[Scene | str, ...]


Item = Scene | str | Sum


@dataclass(frozen=True)
class Puzzle:
    """One of a probe.

    Attributes:
        probe: its name.
        kind: what is asked about: recordings, or texts that say the same in other words.
        asked: K of them.
        texts: K, the one that belongs to each in its place.
        targets: recordings that belong to what is asked, where that is a sum; else what is asked is what a text finds.
        group: puzzles of one group are of the same sounds, and are not independent of one another.
    """

    probe: str
    kind: Kind
    asked: tuple[Item, ...]
    texts: tuple[str, ...]
    targets: tuple[Scene, ...] = ()
    group: int = 0


@dataclass(frozen=True)
class Probe:
    """A question about a model.

    Attributes:
        name: of it.
        kind: of its puzzles.
        asks: in a sentence, what is measured.
        make: draws the puzzles of one number.
    """

    name: str
    kind: Kind
    asks: str
    make: Callable[[np.random.Generator, int], list[Puzzle]]


def scenes_of(puzzles: list[Puzzle]) -> list[Scene]:
    """Every recording that puzzles need, each once."""
    items = [item for puzzle in puzzles for item in (*puzzle.asked, *puzzle.targets)]
    terms = [term for item in items for term in (item.terms if isinstance(item, Sum) else (item,))]
    return list(dict.fromkeys(term for term in terms if isinstance(term, Scene)))


def texts_of(puzzles: list[Puzzle]) -> list[str]:
    """Every text that puzzles need, each once."""
    items = [item for puzzle in puzzles for item in (*puzzle.asked, *puzzle.texts)]
    terms = [term for item in items for term in (item.terms if isinstance(item, Sum) else (item,))]
    return list(dict.fromkeys(term for term in terms if isinstance(term, str)))
