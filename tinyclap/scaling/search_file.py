"""What search.json holds, as it is checked when it is read; see `runs.contents`."""

from typing import Any, TypedDict

from tinyclap.runs.contents import Amount, Cosine, Count, Positive


class SearchTrial(TypedDict, total=False):
    """A student that was trained briefly."""

    centred_cosine: Cosine
    epochs: Count
    finished: bool
    macs: Positive
    parameters: Positive
    ram_bytes: Positive
    flash_bytes: Positive
    latency_ms: Positive
    student: dict[str, Any]


class SearchBudget(TypedDict, total=False):
    """What a student might cost at most."""

    macs: Positive
    parameters: Positive
    ram_bytes: Positive
    flash_bytes: Positive
    latency_ms: Positive
    precision: str
    fused: bool
    latency: dict[str, Any]


class Search(TypedDict, total=False):
    """search.json."""

    budget: SearchBudget
    trials: list[SearchTrial]
    epochs: Amount
    views: Count
    seed: Count
    recipe: str
    environment: dict[str, Any]
    data: str
    students: Count
    fitting: Count
    held_out_clips: Count
