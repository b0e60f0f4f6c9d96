"""What `tinyclap score` finds, as it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tinyclap.embeddings.calibration import Calibration


@dataclass(frozen=True)
class Pair:
    """A clip and a prompt of it.

    Attributes:
        file, prompt: the two.
        cosine: of their vectors; None where the clip cannot be used.
        calibrated: what the teacher's cosine would be; None without a calibration.
        teacher: the teacher's own; None where it was not asked.
        level_dbfs: of the clip.
        reason: why there is no cosine.
    """

    file: str
    prompt: str
    cosine: float | None = None
    calibrated: float | None = None
    teacher: float | None = None
    level_dbfs: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Score:
    """A mean over pairs, its 95 % interval (None of a single clip), and the same clips' mean to others' prompts."""

    score: float
    ci95: list[float] | None
    mismatched: float | None


@dataclass(frozen=True)
class Distance:
    """Two collections of clips apart, see `embeddings.distances`.

    Attributes:
        frechet, kad: the distances.
        bandwidth: of the kernel.
        n_reference, n_generated: clips.
        embed_dim: dimensions; with fewer clips than these the Frechet distance says more of their number than of them.
    """

    frechet: float
    kad: float
    bandwidth: float
    n_reference: int
    n_generated: int
    embed_dim: int

    @property
    def few(self) -> bool:
        """Whether there are fewer clips than dimensions."""
        return min(self.n_reference, self.n_generated) <= self.embed_dim


@dataclass(frozen=True)
class Result:
    """What `tinyclap score` found.

    Attributes:
        by: the model, see `Encoder.described`; `settings` with which it embedded.
        score: of the clips with a prompt; None where there were no prompts.
        n_clips, n_prompts, n_silent: among the pairs that count.
        pairs: all, also of clips that cannot be used.
        missing, unmatched: see `prompts.Matched`.
        bad: files that cannot be used, and why.
        calibration: of the scores to the teacher's, and `calibrated`, the score on its scale.
        teacher: the teacher's own description, and `teacher_score`.
        distance: to a reference.
    """

    by: Mapping[str, Any]
    settings: Mapping[str, Any]
    score: Score | None = None
    n_clips: int = 0
    n_prompts: int = 0
    n_silent: int = 0
    pairs: Sequence[Pair] = ()
    missing: Sequence[str] = ()
    unmatched: Sequence[str] = ()
    bad: Mapping[str, str] = field(default_factory=dict)
    calibration: Calibration | None = None
    calibrated: Score | None = None
    teacher: Mapping[str, Any] | None = None
    teacher_score: Score | None = None
    distance: Distance | None = None

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
