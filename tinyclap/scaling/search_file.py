"""What search.json holds, as it is checked when it is read; see `runs.contents`."""

from typing import Any, TypedDict

from tinyclap.runs.figures import Amount, Cosine, Count, Positive


class StudentCosts(TypedDict, total=False):
    """What a student costs, or may cost at most."""

    macs: Positive
    parameters: Positive
    ram_bytes: Positive
    flash_bytes: Positive
    latency_ms: Positive


class SearchTrial(StudentCosts, total=False):
    """A student that was trained briefly."""

    centred_cosine: Cosine
    epochs: Count
    finished: bool
    student: dict[str, Any]


class SearchBudget(StudentCosts, total=False):
    """What a student might cost at most, and as which it is counted."""

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
