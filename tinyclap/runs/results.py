"""What a run folder's result files say, read so that a missing or damaged file is a note and not a crash."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tinyclap.common.files import read_json, write_json
from tinyclap.common.machine import shell_path
from tinyclap.errors import TinyclapError

STUDENT = "student/config.json"
RESULT_FILES = ("recipe.yaml", "env.json", "metrics.jsonl", "evaluation.json", "summary.json", STUDENT)
SWEEP = "sweep.json"  # of a pruned run, where it was asked for
BENCH = "bench.json"  # kept by `tinyclap bench RUN`
BUNDLE = "bundle/bundle.json"  # written by `tinyclap export --onnx RUN`
TEACHER_MEAN = "teacher_mean.npy"  # of the embeddings that a student learned from
MODELS = ("teacher", "student")
ZERO_SHOT = "zero-shot classification"
"""The task of an evaluation that names none: older versions knew no other."""


@dataclass
class Run:
    """A run folder's contents. `gaps`: file name -> why it could not be used."""

    folder: Path
    recipe: str = ""  # recipe.yaml, verbatim
    settings: dict[str, Any] = field(default_factory=dict)  # recipe.yaml, parsed
    environment: dict[str, Any] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    student: dict[str, Any] = field(default_factory=dict)
    sweep: dict[str, Any] = field(default_factory=dict)
    bench: dict[str, Any] = field(default_factory=dict)
    bundle: dict[str, Any] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)


def read_run(folder: Path) -> Run:
    """Read what there is; TinyclapError when `folder` is no run folder."""
    if not folder.is_dir():
        raise TinyclapError(f"{folder}: no such run folder; `tinyclap distill RECIPE` makes one")
    if not any((folder / name).is_file() for name in RESULT_FILES):
        raise TinyclapError(f"{folder}: not a run folder, it has none of {', '.join(RESULT_FILES)}")
    run = Run(folder)
    run.recipe = _read(run, "recipe.yaml", str) or ""
    run.settings = _read(run, "recipe.yaml", lambda text: _object(yaml.safe_load(text))) or {}
    run.environment = _read(run, "env.json", lambda text: _object(json.loads(text))) or {}
    run.epochs = _read(run, "metrics.jsonl", _epochs) or []
    run.evaluations = _read(run, "evaluation.json", lambda text: evaluations_of(json.loads(text))) or []
    run.summary = _read(run, "summary.json", lambda text: _object(json.loads(text))) or {}
    run.student = _read(run, STUDENT, lambda text: _object(json.loads(text))) or {}
    run.bench = _read(run, BENCH, lambda text: _object(json.loads(text))) or {}
    run.bundle = _read(run, BUNDLE, lambda text: _object(json.loads(text))) or {}
    if (folder / SWEEP).is_file():
        run.sweep = _read(run, SWEEP, lambda text: _object(json.loads(text))) or {}
    return run


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
    path = run / "evaluation.json"
    written: list[dict[str, Any]] = read_json(path, [])
    try:
        evaluations_of(written)
    except ValueError as error:
        raise TinyclapError(
            f"{path} is damaged ({error}); remove it and run `tinyclap evaluate {shell_path(run)}`"
        ) from error
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
    write_json(run / "evaluation.json", sorted([evaluation, *others], key=lambda entry: entry.get("data") != own))


def as_mappings(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON list; empty for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_mapping(value: Any) -> dict[str, Any]:
    """A JSON object, or an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def _read(run: Run, name: str, parse: Callable[[str], Any]) -> Any:
    """The parsed file, or None and a note in `run.gaps`."""
    try:
        return parse((run.folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        run.gaps[name] = f"{name} is not in the run folder"
    except (OSError, ValueError, yaml.YAMLError) as error:
        run.gaps[name] = f"{name} cannot be read ({' '.join(str(error).split())})"
    return None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    return value


def _epochs(text: str) -> list[dict[str, Any]]:
    """One record per stage and epoch: of an epoch trained again after a crash, the last."""
    records: dict[tuple[str, Any], dict[str, Any]] = {}
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            record = _object(json.loads(line))
        except ValueError as error:
            if number == len(lines):
                break  # a run killed while it wrote leaves half a line
            raise ValueError(f"line {number}: {error}") from error
        records[str(record.get("stage")), str(record.get("epoch", number))] = record
    return list(records.values())
