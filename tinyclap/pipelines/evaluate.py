"""What `tinyclap evaluate` does: a finished run on its own test set or on other data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.arrays import read_array
from tinyclap.common.files import refuse_pointer
from tinyclap.common.machine import shell_path
from tinyclap.config.data import Data, describe_data, one_or_more
from tinyclap.config.degradations import conditions_of
from tinyclap.config.evaluation_data import other_data
from tinyclap.config.load_recipe import load_recipe
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.overlap import clips_in_training
from tinyclap.errors import TinyclapError
from tinyclap.evaluation.robustness import RobustnessTask
from tinyclap.evaluation.task import Task
from tinyclap.pipelines.build import teacher_kind
from tinyclap.pipelines.distilled_run import student_and_teacher
from tinyclap.pipelines.text_side import evaluate_words, measure_words
from tinyclap.pipelines.zero_shot import zero_shot_task
from tinyclap.reports.run_report import write_report
from tinyclap.runs.folder import refuse_unfinished
from tinyclap.runs.results import TEACHER_MEAN, TEXT_STUDENT, read_evaluations, read_result, write_evaluation
from tinyclap.teachers import load_teacher


def evaluate_run(
    run: Path,
    *,
    kind: str | None = None,
    root: str | None = None,
    folds: str | None = None,
    settings: Sequence[str] = (),
    degrade: Sequence[str] = (),
    prompts: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """Evaluate a finished run on its recipe's test set or on other data, and rewrite `evaluation.json` and the report.

    Returns the evaluation; `heard_in_training` in it counts clips that the run was trained on (None where the training
    data is not there any more).

    Args:
        run: of `tinyclap distill`, `distill-text` or `pretrain`.
        kind, root, folds: other data, as in a recipe's data section.
        settings: further keys of that section, `key=value` each; also the limits `max_bad_share` and `max_clip_s`.
        prompts: templates with {} in place of the recipe's; such an evaluation stands beside that with the recipe's.
        degrade: conditions of `config.degradations.conditions_of`, under which the clips are heard too.
    """
    conditions = conditions_of(degrade)
    recipe = load_recipe(run / "recipe.yaml")
    refuse_unfinished(run, recipe.task)
    if conditions and recipe.task == "distill_text":
        raise TinyclapError(
            f"--degrade changes sounds, and {run} made words alone; leave it out, or evaluate the run of a student"
        )
    read_evaluations(run)  # a damaged file, to which nothing can be added, is found before the work
    other = other_data(kind, root, folds, settings)
    recipe_test = recipe.data.test
    own = describe_data(recipe_test) if recipe_test else None
    spec = other.spec or recipe_test
    if spec is None:
        raise TinyclapError(f"{run}/recipe.yaml has no data.test; name labelled data with --data KIND --root FOLDER")
    data = recipe.data.model_copy(update={"test": spec, **other.limits})
    for fault, remedy in data.conflicts():
        raise TinyclapError(f"data.{fault}: {remedy}")
    recipe = recipe.model_copy(update={"data": data})
    if recipe.task == "distill_text":
        return evaluate_words(run, recipe, spec, own, prompts)
    if recipe.task == "pretrain":
        teacher = load_teacher(teacher_kind(recipe), str(run / "teacher"))
        student, mean = None, None
        clean = zero_shot_task(spec, recipe, teacher, prompts=prompts)
    else:
        student, teacher = student_and_teacher(run, recipe)
        mean = _teacher_mean(run, student.embed_dim)
        clean = zero_shot_task(spec, recipe, teacher, student.sample_rate, prompts=prompts)
    task: Task = RobustnessTask(clean, conditions) if conditions else clean
    evaluation = task.evaluate(teacher, student, mean=mean)
    evaluation["heard_in_training"] = _clips_in_training(recipe.data, clean.dataset)
    write_evaluation(run, evaluation, own)
    if student is not None and not conditions and (run / TEXT_STUDENT).is_dir():
        measure_words(run, clean, teacher, own, student)
    write_report(run)
    return evaluation


def _clips_in_training(data: Data, test: Dataset) -> int | None:
    stay = {"download": False}  # to look is no reason to fetch
    parts = [part.model_copy(update=stay) if hasattr(part, "download") else part for part in one_or_more(data.train)]
    try:
        return len(clips_in_training(build_dataset(parts), test))
    except TinyclapError:  # the training data may have been moved since
        return None


def _teacher_mean(run: Path, dim: int) -> np.ndarray | None:
    """Of the embeddings that a run's student learned from; None where it was not trained here."""
    summary = read_result(run, "summary.json")
    if summary.get("converted_from") and not (run / TEACHER_MEAN).exists():
        return None
    again = f"tinyclap distill {shell_path(run / 'recipe.yaml')} --run {shell_path(run)} --resume"
    if summary.get("pruned"):
        again = read_result(run, "env.json").get("command", "tinyclap prune")
    refuse_pointer(run / TEACHER_MEAN)
    try:
        mean = read_array(run / TEACHER_MEAN)
        if mean.shape != (dim,):
            raise TinyclapError(f"its shape is {mean.shape}, and the student has {dim} dimensions")
        return mean
    except TinyclapError as error:
        raise TinyclapError(
            f"{run / TEACHER_MEAN}, the teacher's mean embedding, cannot be read ({error}); `{again}` writes it again"
        ) from error
