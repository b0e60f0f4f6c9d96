"""What the result files of a run folder hold, as they are checked when they are read.

Only what a report, a table or a later command reads is named here; other keys may hold anything.
"""

from typing import Any, TypedDict

from tinyclap.runs.figures import Amount, Cosine, Count, Difference, Dim, Number, Positive, Retention, Score, Share
from tinyclap.runs.probe import ProbeResult
from tinyclap.runs.retrieval import Examples, ModelScore
from tinyclap.runs.words import TextResult, TextStudentFacts


class BadClip(TypedDict, total=False):
    """A clip that was left out."""

    name: str
    reason: str


class OfClass(TypedDict, total=False):
    """Accuracy on the clips of a class."""

    label: str
    n: Count
    teacher: Share
    student: Share


class Confusion(TypedDict, total=False):
    """Clips by true class (rows) and predicted class (columns)."""

    teacher: list[list[Count]]
    student: list[list[Count]]


class Condition(TypedDict, total=False):
    """Scores under a degradation, see `evaluation.robustness`."""

    condition: str
    settings: str
    teacher: Score
    student: Score
    difference: Difference
    difference_ci95: tuple[Difference, Difference]


class Evaluation(TypedDict, total=False):
    """An entry of evaluation.json, see `scores.compare`, `robustness` and `caption_task` in `evaluation`."""

    task: str
    data: str
    head: str
    teacher: ModelScore
    student: ModelScore
    difference: Difference
    difference_ci95: tuple[Difference, Difference]
    retention: Retention
    retention_ci95: tuple[Retention, Retention]
    mcnemar_p: Share
    agreement: Share
    cosine: Cosine
    centred_cosine: Cosine
    knn10_overlap: Share
    knn10_chance: Share
    n_clips: Count
    chance: Share
    n_recordings: Count
    clustered: bool
    n_bootstrap: Count
    prompts: list[str]
    labels: list[str]
    per_class: list[OfClass]
    confusion: Confusion
    bad_clips: list[BadClip]
    labels_without_clips: list[str]
    heard_in_training: Count
    conditions: list[Condition]
    n_captions: Count
    n_texts: Count
    by_chance: dict[str, dict[str, Amount]]
    examples: Examples


class Encoder(TypedDict, total=False):
    """What a teacher or a student is and costs."""

    name: str
    licence: str
    embed_dim: Dim
    window_s: Positive
    sample_rate: Count
    parameters: Amount
    trunk_parameters: Amount
    size_bytes: Amount
    macs: Amount


Pruned = TypedDict(
    "Pruned",
    {
        "from": str,
        "method": str,
        "dim": Dim,
        "full_dim": Dim,
        "calibration_clips": Count,
        "calibration": str,
        "calibration_folder": str,
        "finetune_epochs": Count,
    },
    total=False,
)


class Summary(TypedDict, total=False):
    """summary.json."""

    task: str
    name: str
    data: str
    teacher: Encoder
    student: Encoder
    text: TextStudentFacts
    captions: Count
    clips: Count
    bad_clips: list[BadClip]
    views: Count
    pruned: Pruned
    converted_from: str
    wall_s: Amount


class Environment(TypedDict, total=False):
    """env.json."""

    started: str
    command: str
    tinyclap: str
    inputs: dict[str, str]


class Epoch(TypedDict, total=False):
    """A line of metrics.jsonl."""

    epoch: Count
    stage: str
    loss: Number
    cosine: Number
    centred_cosine: Number
    lr: Amount
    seconds: Amount
    data_seconds: Amount
    clips_per_s: Amount
    data_share: Share


class SweepRow(TypedDict, total=False):
    """A student with other dimensions."""

    method: str
    finetuned: bool
    dim: Dim
    accuracy: Share
    ci95: tuple[Share, Share]
    knn10_overlap: Share


class Sweep(TypedDict, total=False):
    """sweep.json."""

    pruned_from: str
    rows: list[SweepRow]


TimedModel = TypedDict(
    "TimedModel",
    {
        "name": str,
        "source": str,
        "file": str,
        "from": str,
        "parameters": Amount,
        "macs": Amount,
        "window_s": Positive,
        "file_bytes": Amount,
        "p50_ms": Amount,
        "p90_ms": Amount,
        "p99_ms": Amount,
        "real_time_factor": Amount,
        "peak_rss_bytes": Amount,
    },
    total=False,
)


class TimedOn(TypedDict, total=False):
    """The machine and the circumstances of bench.json."""

    cpu: str
    host: str
    threads: Count
    batch: Count


class Bench(TypedDict, total=False):
    """bench.json."""

    environment: TimedOn
    models: list[TimedModel]


class Graph(TypedDict, total=False):
    """A graph of an exported bundle."""

    size_bytes: Amount
    parameters: Amount
    macs: Amount
    cosine_to_float: Cosine
    agreement: Share
    measured_clips: Count
    latency_ratio: Amount


class BundleFile(TypedDict, total=False):
    """A file of an exported bundle."""

    size_bytes: Amount


class Parity(TypedDict, total=False):
    """How an exported bundle compares with torch."""

    tolerance: Amount
    clips: Count
    worst_clip: str
    max_abs_clips: Amount
    max_abs_batches: Amount
    max_abs_static: Amount
    max_abs_text: Amount


class ExportedBundle(TypedDict, total=False):
    """The part of bundle.json that a report shows; whoever runs the bundle reads it by `runtime.bundle_contents`."""

    window_s: Positive
    recommended: str
    graphs: dict[str, Graph]
    files: dict[str, BundleFile]
    parity: Parity


STRUCTURES: dict[str, Any] = {
    "recipe.yaml": dict[str, Any],
    "env.json": Environment,
    "evaluation.json": list[Evaluation],
    "metrics.jsonl": list[Epoch],
    "summary.json": Summary,
    "sweep.json": Sweep,
    "text.json": TextResult,
    "text/metrics.jsonl": list[Epoch],
    "bench.json": Bench,
    "probe.json": ProbeResult,
    "bundle/bundle.json": ExportedBundle,
    "student/config.json": dict[str, Any],
}
"""By file, what it holds."""
