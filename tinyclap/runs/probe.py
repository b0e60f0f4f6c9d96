"""What probe.json holds: what ears and words understand."""

from typing import TypedDict

from tinyclap.runs.figures import Amount, Count, Score, Share


class ByPair(TypedDict, total=False):
    """The scores of a pair of ears and words, or of words alone."""

    ears: str
    words: str
    right_text: Score
    right_sound: Score
    all: Score
    agreement: Share


class OfProbe(TypedDict, total=False):
    """A probe, as `evaluation.probe.probe` returns it."""

    probe: str
    kind: str
    asks: str
    choices: Count
    chance: Share
    chance_all: Share
    by_one: Share
    puzzles: Count
    by: list[ByPair]


class ProbeResult(TypedDict, total=False):
    """probe.json."""

    seed: Count
    n: Count
    duration_s: Amount
    recordings: Count
    texts: Count
    probes: list[OfProbe]
