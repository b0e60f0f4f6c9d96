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
from tinyclap.config.evaluation_data import OtherData, other_data
from tinyclap.config.load_recipe import load_recipe
from tinyclap.config.schema import Recipe
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.overlap import clips_in_training
from tinyclap.errors import TinyclapError
from tinyclap.evaluation.labelled import task_for
from tinyclap.evaluation.robustness import RobustnessTask
from tinyclap.evaluation.task import Task
from tinyclap.evaluation.zero_shot import ZeroShotTask
from tinyclap.models.student import Student
from tinyclap.models.text_student import TextStudent
from tinyclap.pipelines.build import build_teacher
from tinyclap.pipelines.distilled_run import head_of, student_and_teacher
from tinyclap.pipelines.scoring import retrieval_task, zero_shot_task
from tinyclap.pipelines.text_side import evaluate_words, measure_words
from tinyclap.reports.run_report import write_report
from tinyclap.runs.folder import check_inputs, refuse_unfinished
from tinyclap.runs.results import (
    RETRIEVAL,
    TEACHER_MEAN,
    TEXT_STUDENT,
    ZERO_SHOT,
    read_evaluations,
    read_result,
    write_evaluation,
)
from tinyclap.teachers import load_teacher
from tinyclap.teachers.encoder import Teacher

TASKS = {"zero-shot": ZERO_SHOT, "retrieval": RETRIEVAL}
"""What may be asked for, and the names of the tasks in evaluation.json."""


def evaluate_run(
    run: Path,
    *,
    kind: str | None = None,
    root: str | None = None,
    folds: str | None = None,
    settings: Sequence[str] = (),
    degrade: Sequence[str] = (),
    task: str | None = None,
    prompts: tuple[str, ...] | None = None,
    head: str | None = None,
) -> dict[str, Any]:
    """Evaluate a finished run on its recipe's test set or on other data, and rewrite `evaluation.json` and the report.

    Returns the evaluation; `heard_in_training` in it counts clips that the run was trained on (None where the training
    data is not there any more).

    Args:
        run: of `tinyclap distill`, `distill-text` or `pretrain`.
        kind, root, folds: other data, as in a recipe's data section.
        settings: further keys of that section, `key=value` each; also the limits `max_bad_share` and `max_clip_s`.
        degrade: conditions of `config.degradations.conditions_of`, under which the clips are heard too.
        prompts: templates with {} in place of the recipe's; such an evaluation stands beside that with the recipe's.
        head: of a run with several teachers, to score beside its own teacher; None for the whole.
        task: of `TASKS`; by default zero-shot classification where the data has labels, else retrieval by its captions.
    """
    conditions = conditions_of(degrade)
    recipe = load_recipe(run / "recipe.yaml")
    refuse_unfinished(run, recipe.task)
    if conditions and recipe.task == "distill_text":
        raise TinyclapError(
            f"--degrade changes sounds, and {run} made words alone; leave it out, or evaluate the run of a student"
        )
    if head is not None and recipe.task != "distill":
        raise TinyclapError(f"{run} made no student that hears, so it has no heads; leave out --head")
    read_evaluations(run)  # a damaged file, to which nothing can be added, is found before the work
    own = describe_data(recipe.data.test) if recipe.data.test else None
    recipe = _pointed_at(recipe, run, other_data(kind, root, folds, settings))
    spec: Any = recipe.data.test
    listed = build_dataset(spec)
    wanted = task_for(listed) if task is None else TASKS[task]
    if conditions and wanted == RETRIEVAL:
        raise TinyclapError("--degrade is for zero-shot classification; leave it out, or give labelled data")
    if prompts and wanted == RETRIEVAL:
        raise TinyclapError(
            "--prompts says labels in sentences, and captions are sentences; leave it out for retrieval"
        )
    if recipe.task == "distill_text" and wanted == ZERO_SHOT:
        return evaluate_words(run, recipe, spec, own, prompts)
    teacher, student = _models(run, recipe)
    mean = None if student is None else _teacher_mean(run, student.embed_dim)
    one = None
    if head is not None and student is not None:
        one = head_of(run, head, teacher, student, mean)
        teacher, student, mean = one.teacher, one.student, one.mean
    rates = () if student is None else (student.sample_rate,)
    has_words = one is None and (run / TEXT_STUDENT).is_dir()  # those of all teachers, not of a head
    words = TextStudent.from_pretrained(run / TEXT_STUDENT) if has_words else None
    chosen: Task
    if wanted == RETRIEVAL:
        chosen = retrieval_task(listed, spec, recipe, teacher, *rates, text_student=words)
    else:
        clean = zero_shot_task(spec, recipe, teacher, *rates, listed=listed, prompts=prompts)
        chosen = RobustnessTask(clean, conditions) if conditions else clean
    evaluation = chosen.evaluate(teacher, student, mean=mean)
    if recipe.task != "distill_text":
        evaluation["heard_in_training"] = _clips_in_training(recipe.data, listed)
    if one is not None:
        evaluation = one.described(evaluation)
    write_evaluation(run, evaluation, own)
    if isinstance(chosen, ZeroShotTask) and student is not None and words is not None:
        measure_words(run, chosen, teacher, own, student)
    write_report(run)
    return evaluation


def _pointed_at(recipe: Recipe, run: Path, other: OtherData) -> Recipe:
    """The recipe with the data to score on as its test data."""
    spec = other.spec or recipe.data.test
    if spec is None:
        raise TinyclapError(
            f"{run}/recipe.yaml has no data.test; name labelled or captioned data with --data KIND --root FOLDER"
        )
    data = recipe.data.model_copy(update={"test": spec, **other.limits})
    for fault, remedy in data.unfit():
        raise TinyclapError(f"data.{fault}: {remedy}")
    return recipe.model_copy(update={"data": data})


def _models(run: Path, recipe: Recipe) -> tuple[Teacher, Student | None]:
    """The teacher of a run and its student, if it made one that hears."""
    if recipe.task == "pretrain":
        return load_teacher(recipe.kind, str(run / "teacher")), None
    if recipe.task == "distill":
        student, teacher = student_and_teacher(run, recipe)
        return teacher, student
    teacher = build_teacher(recipe.taught_by)
    check_inputs(run, {"teacher": teacher.fingerprint})
    return teacher, None


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
