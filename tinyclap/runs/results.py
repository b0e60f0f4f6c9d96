"""What a run folder's result files say, read so that a missing or damaged file is a note and not a crash."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyclap.common.files import NOT_FETCHED, is_pointer, parse_json, read_json, refuse_pointer, write_json
from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import known
from tinyclap.common.structure import fitting
from tinyclap.errors import TinyclapError, listed
from tinyclap.runs.contents import STRUCTURES
from tinyclap.strict_yaml.source import read_yaml

STUDENT = "student/config.json"
EVALUATIONS = "evaluation.json"
RESULT_FILES = ("recipe.yaml", "env.json", "metrics.jsonl", EVALUATIONS, "summary.json", STUDENT)
SWEEP = "sweep.json"  # of a pruned run, where it was asked for
PROBE = "probe.json"  # kept by `tinyclap probe RUN`
BENCH = "bench.json"  # kept by `tinyclap bench RUN`
BUNDLE = "bundle/bundle.json"  # written by `tinyclap export --onnx RUN`
TEXT_FOLDER = "text"  # in a run whose words were distilled too
TEXT_STUDENT, TEXT_METRICS, TEXT_RESULT = f"{TEXT_FOLDER}/student", f"{TEXT_FOLDER}/metrics.jsonl", "text.json"
TEACHER_MEAN = "teacher_mean.npy"  # of the embeddings that a student learned from
MODELS = ("teacher", "student")
TASKS = ("distill", "distill_text", "pretrain")
RETRIEVAL = "retrieval"
WAYS = TEXT_TO_AUDIO, AUDIO_TO_TEXT = "text_to_audio", "audio_to_text"
ROBUSTNESS = "zero-shot classification under degradations"
ZERO_SHOT = "zero-shot classification"
"""The task of an evaluation that names none: older versions knew no other."""


@dataclass
class Run:
    """A run folder's contents, without what does not fit `contents`.

    `gaps`: file name -> why nothing in it can be used; `damage`: file name -> what in it, or that all of it, cannot be.
    """

    folder: Path
    recipe: str = ""  # recipe.yaml, verbatim
    settings: dict[str, Any] = field(default_factory=dict)  # recipe.yaml, parsed
    environment: dict[str, Any] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    robustness: list[dict[str, Any]] = field(default_factory=list)
    retrieval: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    student: dict[str, Any] = field(default_factory=dict)
    sweep: dict[str, Any] = field(default_factory=dict)
    bench: dict[str, Any] = field(default_factory=dict)
    bundle: dict[str, Any] = field(default_factory=dict)
    probe: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=dict)
    text_epochs: list[dict[str, Any]] = field(default_factory=list)
    gaps: dict[str, str] = field(default_factory=dict)
    damage: dict[str, str] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """What it was made for: "distill", "distill_text" or "pretrain"; "distill" where no file says it."""
        said = self.settings.get("task") or self.summary.get("task")
        return said if said in TASKS else TASKS[0]

    @property
    def has_ears(self) -> bool:
        """Whether it makes what hears: all runs do but those of words alone."""
        return self.task != "distill_text"

    @property
    def has_words(self) -> bool:
        """Whether it makes a text student, or was asked to."""
        asked = self.task == "distill" and bool(self.settings.get("text")) and not self.summary.get("pruned")
        return asked or not self.has_ears or (self.folder / TEXT_FOLDER).is_dir()


def read_run(folder: Path) -> Run:
    """Read what there is, with a warning of what is damaged; TinyclapError when `folder` is no run folder."""
    if not folder.is_dir():
        raise TinyclapError(f"{folder}: no such run folder; `tinyclap distill RECIPE` makes one")
    if not any((folder / name).is_file() for name in RESULT_FILES):
        raise TinyclapError(f"{folder}: not a run folder, it has none of {', '.join(RESULT_FILES)}")
    run = Run(folder)
    run.recipe = _text(run, "recipe.yaml")
    run.settings = _read(run, "recipe.yaml") or {}
    run.environment = _read(run, "env.json") or {}
    run.epochs = _read(run, "metrics.jsonl") or []
    scored = _read(run, EVALUATIONS) or []
    run.evaluations, run.robustness = evaluations_of(scored), evaluations_of(scored, ROBUSTNESS)
    run.retrieval = evaluations_of(scored, RETRIEVAL)
    run.summary = _read(run, "summary.json") or {}
    run.student = _read(run, STUDENT) or {}
    run.bench = _read(run, BENCH) or {}
    run.bundle = _read(run, BUNDLE) or {}
    if (folder / SWEEP).is_file():
        run.sweep = _read(run, SWEEP) or {}
    if (folder / PROBE).is_file():
        run.probe = _read(run, PROBE) or {}
    if run.has_words:
        run.text, run.text_epochs = _read(run, TEXT_RESULT) or {}, _read(run, TEXT_METRICS) or []
    return run


def read_result(folder: Path, name: str) -> dict[str, Any]:
    """What one result file of a run says, as far as it can be used; a warning names what is damaged.

    Raises:
        TinyclapError: a pointer of git-lfs in place of the file.
    """
    refuse_pointer(folder / name)
    found: dict[str, Any] = _read(Run(folder), name) or {}
    return found


def evaluations_of(content: Any, task: str = ZERO_SHOT) -> list[dict[str, Any]]:
    """The evaluations of a task in evaluation.json, one or a list, each as the task's `evaluate` returns it.

    "models" lists the models there are. ValueError for anything else.
    """
    evaluations = []
    for entry in content if isinstance(content, list) else [content]:
        if not isinstance(entry, dict):
            raise ValueError(f"expected an object per evaluation, got {type(entry).__name__}")
        models = [model for model in MODELS if isinstance(entry.get(model), dict)]
        if not models:
            raise ValueError("an evaluation holds neither a teacher's nor a student's result")
        if task_of(entry) == task:
            evaluations.append({**entry, "models": models})
    return evaluations


def task_of(evaluation: Mapping[str, Any]) -> str:
    """The name of the task whose scores an evaluation holds."""
    return str(evaluation.get("task", ZERO_SHOT))


def read_evaluations(run: Path) -> list[dict[str, Any]]:
    """The evaluations of a run as they are written, of all tasks: on its own test data first, then the newest.

    Raises TinyclapError where the file is damaged.
    """
    path = run / EVALUATIONS
    written: list[dict[str, Any]] = read_json(path, [])
    if as_mappings(written) != written:
        raise TinyclapError(
            f"{path} is damaged (expected a list of objects); remove it and run `tinyclap evaluate {shell_path(run)}`"
        )
    return written


def write_evaluation(run: Path, evaluation: dict[str, Any], own: str | None) -> None:
    """Put an evaluation into `evaluation.json`, in place of one of the same task on the same data.

    Args:
        run: folder.
        evaluation: made by a task's `evaluate`.
        own: the run's own test data (`describe_data`), whose evaluation is the run's headline and stays first.
    """

    def place(entry: Mapping[str, Any]) -> tuple[str, Any]:
        return task_of(entry), entry.get("data")

    others = [entry for entry in read_evaluations(run) if place(entry) != place(evaluation)]
    ordered = sorted([evaluation, *others], key=lambda entry: (entry.get("data") != own, task_of(entry) != ZERO_SHOT))
    write_json(run / EVALUATIONS, ordered)


def add_zero_shot(result: Mapping[str, Any], found: dict[str, Any], own: str | None) -> dict[str, Any]:
    """The content of `text.json` with what was measured on labelled sounds, in place of what was on the same.

    Args:
        result: the content so far.
        found: by `evaluation.words.zero_shot_by_words`.
        own: the run's own test data, whose entry is `zero_shot`; all others are in `zero_shot_elsewhere`, the newest
            first. Without an entry on its own data the newest is `zero_shot`.
    """
    before = [as_mapping(result.get("zero_shot")), *as_mappings(result.get("zero_shot_elsewhere"))]
    others = [entry for entry in before if entry and entry.get("data") != found["data"]]
    first, *elsewhere = sorted([found, *others], key=lambda entry: entry.get("data") != own)
    return {**result, "zero_shot": first, "zero_shot_elsewhere": elsewhere}


def as_mappings(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON list; empty for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_mapping(value: Any) -> dict[str, Any]:
    """A JSON object, or an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def _text(run: Run, name: str) -> str:
    """The text of a file; empty without one, or where it is none."""
    try:
        return (run.folder / name).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _read(run: Run, name: str) -> Any:
    """What of a file fits its structure; what does not is noted in `run.damage` or `run.gaps`, with a warning."""
    try:
        if is_pointer(run.folder / name):
            raise ValueError(NOT_FETCHED)
        found, faults = _parsed((run.folder / name).read_text(encoding="utf-8"), name)
        if found is None or (faults and not found):
            raise ValueError(listed(faults) or "it is empty")
    except FileNotFoundError:
        run.gaps[name] = f"{name} is not in the run folder"
        return None
    except (OSError, ValueError) as error:
        run.damage[name] = run.gaps[name] = f"{name} cannot be read ({' '.join(str(error).split())})"
        found = None
    else:
        if faults:
            run.damage[name] = f"{name} is damaged: {listed(faults)}; the rest of it is shown"
    if name in run.damage:
        warnings.warn(f"{run.folder}: {run.damage[name]}", stacklevel=2)
    return found


def _parsed(text: str, name: str) -> tuple[Any, list[str]]:
    """What of a file's text fits its structure, and what is wrong with the rest; ValueError where it has none."""
    if name.endswith(".yaml"):
        source = read_yaml(text, name)
        content, faults = source.values, [f"{place}: {problem}" for place, problem in source.problems]
    elif name.endswith(".jsonl"):
        content, faults = _lines(text), []
    else:
        content, faults = parse_json(text), []
    if name == EVALUATIONS and isinstance(content, dict):
        content = [content]
    found, more = fitting(content, STRUCTURES[name])
    if name == EVALUATIONS:
        found, others = _scored(found or [])
        more += others
    elif name.endswith("metrics.jsonl"):
        found = _last_of_each(found or [])
    return found, [*faults, *more]


def _scored(entries: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The evaluations that can be shown, of all tasks, and what is wrong with the others and with their parts."""
    faults, scored = [], []
    for number, entry in enumerate(entries, 1):
        if not any(as_mapping(entry.get(model)) for model in MODELS):
            faults.append(f"evaluation {number} holds neither a teacher's nor a student's result")
            continue
        n_labels, matrices = len(entry.get("labels") or []), as_mapping(entry.get("confusion"))
        for model, matrix in list(matrices.items()):
            if matrix and (len(matrix) != n_labels or any(len(row or []) != n_labels for row in matrix)):
                faults.append(
                    f"confusion.{model} has {len(matrix)} rows for {n_labels} labels, or rows of other lengths"
                )
                del matrices[model]
        scored.append(entry)
    return scored, faults


def _lines(text: str) -> list[Any]:
    """The values of JSON Lines; numbers that are not finite, as of a training that diverged, are null."""
    values = []
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            value = parse_json(line)
        except ValueError as error:
            if number == len(lines):
                break  # a run killed while it wrote leaves half a line
            raise ValueError(f"line {number}: {error}") from error
        values.append({key: _finite(inner) for key, inner in value.items()} if isinstance(value, dict) else value)
    return values


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not known(value) else value


def _last_of_each(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record per stage and epoch: of an epoch trained again after a crash, the last."""
    kept = {}
    for number, record in enumerate(records, 1):
        epoch = record.get("epoch")
        kept[record.get("stage"), number if epoch is None else epoch] = record
    return list(kept.values())
