"""From a data section to the task that scores it."""

from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.config.data import describe_data, one_or_more
from tinyclap.config.schema import DistillRecipe, Recipe
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.folder import empty_classes
from tinyclap.evaluation.caption_task import RetrievalTask
from tinyclap.evaluation.labelled import check_captions, check_labels
from tinyclap.evaluation.zero_shot import ZeroShotTask
from tinyclap.models.student import Student
from tinyclap.models.text_student import TextStudent
from tinyclap.pipelines.distilled_run import head_of
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.joint import JointTeacher


def labelled_dataset(spec: Any, listed: Dataset | None = None) -> Dataset:
    """The data set of a data section; raises TinyclapError for clips without a label and for a single class.

    `listed` is the same data set where somebody has listed its clips already.
    """
    dataset = build_dataset(spec) if listed is None else listed
    folders = [part.root for part in one_or_more(spec) if part.kind == "folder"]
    check_labels(dataset, describe_data(spec), folders)
    return dataset


def zero_shot_task(
    spec: Any,
    recipe: Recipe,
    teacher: Teacher,
    *sample_rates: int,
    listed: Dataset | None = None,
    prompts: tuple[str, ...] | None = None,
) -> ZeroShotTask:
    """The task of a data section, for a teacher and for students of these sample rates; `listed` as above.

    Prompts in place of the recipe's are named with the data, so that such an evaluation is another one.

    Raises:
        TinyclapError: clips without a label, a single class, class names that read alike, or too many unusable clips.
    """
    dataset = labelled_dataset(spec, listed)
    # A section that names its labels has chosen among the folders; one that does not means all of them.
    whole = [part for part in one_or_more(spec) if part.kind == "folder" and part.labels is None]
    empty = [name for part in whole for name in empty_classes(Path(part.root))]
    return ZeroShotTask.prepare(
        dataset,
        teacher,
        sample_rates,
        data=describe_data(spec) + (f" with prompts {', '.join(map(repr, prompts))}" if prompts else ""),
        prompts=prompts or recipe.evaluate.prompts or teacher.prompts,
        n_bootstrap=recipe.evaluate.bootstrap,
        seed=recipe.seed,
        empty_classes=empty,
        **recipe.data.limits,
    )


def retrieval_task(
    dataset: Dataset,
    spec: Any,
    recipe: Recipe,
    teacher: Teacher,
    *sample_rates: int,
    text_student: TextStudent | None = None,
) -> RetrievalTask:
    """The task of a captioned data set, for a teacher, for students of these sample rates, and for a text student.

    Raises:
        TinyclapError: clips without a caption, a single clip, or too many unusable clips.
    """
    check_captions(dataset, described := describe_data(spec))
    return RetrievalTask.prepare(
        dataset,
        teacher,
        sample_rates,
        data=described,
        text_student=text_student,
        n_bootstrap=recipe.evaluate.bootstrap,
        seed=recipe.seed,
        **recipe.data.limits,
    )


def evaluated_heads(
    run: Path, recipe: DistillRecipe, teacher: Teacher, student: Student, mean: np.ndarray
) -> list[dict[str, Any]]:
    """Each head on the run's test data, beside its own teacher; none without test data or several teachers."""
    if recipe.data.test is None or not isinstance(teacher, JointTeacher):
        return []
    found = []
    for head in teacher.heads:
        one = head_of(run, head.name, teacher, student, mean)
        task = zero_shot_task(recipe.data.test, recipe, one.teacher, student.sample_rate)
        found.append(one.described(task.evaluate(one.teacher, one.student, mean=one.mean)))
    return found
