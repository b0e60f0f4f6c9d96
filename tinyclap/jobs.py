"""From a recipe to a finished run: what `tinyclap distill` and `tinyclap pretrain` do, step by step.

Recipes end here: everything that is called from here takes plain arguments.
"""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyclap.build import build_teacher, describe_student, new_teacher, teacher_kind
from tinyclap.common.files import write_array, write_json
from tinyclap.config.data import describe_data
from tinyclap.config.recipe import dump
from tinyclap.config.recipes import DistillRecipe, PretrainRecipe, Recipe
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.captions import Captions
from tinyclap.data.decoded import Decoded
from tinyclap.data.overlap import refuse_overlap
from tinyclap.evaluation.zero_shot import grade, prepare
from tinyclap.models import hub
from tinyclap.models.student import Student
from tinyclap.report import model_card, teacher_card, write_report
from tinyclap.runs.folder import check_run, open_run
from tinyclap.runs.results import TEACHER_MEAN, write_evaluation
from tinyclap.teachers.describe import describe_teacher
from tinyclap.training import loop
from tinyclap.training.distill import DistillOptions, distill, teacher_mean
from tinyclap.training.distillation_set import lessons, training_views
from tinyclap.training.loop import Checkpoint
from tinyclap.training.pretrain import PretrainOptions, pretrain, refuse_several


def run_recipe(recipe: Recipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """`run_distill` or `run_pretrain`, as the recipe's task says."""
    if isinstance(recipe, PretrainRecipe):
        return run_pretrain(recipe, run, resume=resume, overwrite=overwrite)
    return run_distill(recipe, run, resume=resume, overwrite=overwrite)


def run_distill(recipe: DistillRecipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Distil, save the student, evaluate it beside its teacher, write the report; returns the run's summary.

    The run folder is touched only after teacher and data are there; `resume` and `overwrite` as in `open_run`. Of
    several processes only the first returns something.
    """
    began = time.perf_counter()
    check_run(run, dump(recipe), resume=resume, overwrite=overwrite)
    hub.check_folder(run / "student", overwrite=True)
    accelerator = loop.build_accelerator(recipe.training.precision)
    loop.micro_batches(np.arange(recipe.training.batch_size), recipe.training.micro_batches, accelerator)
    with accelerator.main_process_first():  # it downloads, decodes and lets the teacher listen; the others read
        train = build_dataset(recipe.data.train)
        teacher = build_teacher(recipe.teacher)
        torch.manual_seed(recipe.seed)
        student = Student(recipe.student.config(teacher.embed_dim, recipe.views.duration_s))
        described = {"teacher": describe_teacher(teacher), "student": describe_student(student)}
        exam = recipe.data.test and prepare(recipe.data.test, recipe, teacher, student.sample_rate)
        if exam:
            refuse_overlap(train, exam.dataset)
        taught = lessons(recipe, train, teacher, student, accelerator.device)
    stored, decoded = taught.stored, taught.logmels.views.decoded
    mean = teacher_mean(stored.embeddings)
    options = DistillOptions(**recipe.training.model_dump(exclude={"keep_logmels"}))
    inputs = {"teacher": teacher.fingerprint, "training clips": decoded.fingerprint}
    open_run(run, dump(recipe), seed=recipe.seed, inputs=inputs, resume=resume, overwrite=overwrite)
    accelerator.wait_for_everyone()
    spent_s = Checkpoint(run).spent_s()
    student = distill(
        student, stored.embeddings, mean, taught.logmels, options, run, seed=recipe.seed, accelerator=accelerator
    )
    if not accelerator.is_main_process:
        return {}
    write_array(run / TEACHER_MEAN, mean)
    summary = {
        "task": "distill",
        "name": recipe.name,
        "data": describe_data(recipe.data.train),
        **described,
        **_heard(decoded),
        "views": recipe.views.per_clip,
        "teacher_forwards": stored.teacher_forwards,
        "store": str(stored.folder),
        "store_rounding_error": stored.rounding_error,
        "wall_s": spent_s + time.perf_counter() - began,
    }
    evaluation = grade(exam, teacher, student, mean=mean) if exam else None
    card = model_card(summary, evaluation, teacher_is_local=Path(recipe.teacher.source).exists())
    student.save_pretrained(run / "student", card, overwrite=True)
    _finish(run, summary, evaluation)
    return summary


def run_pretrain(recipe: PretrainRecipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Pretrain a teacher, save it, evaluate it; returns the run's summary. The run folder as in `run_distill`."""
    began = time.perf_counter()
    check_run(run, dump(recipe), resume=resume, overwrite=overwrite)
    accelerator = loop.build_accelerator(recipe.training.precision)
    refuse_several(accelerator)
    train = build_dataset(recipe.data.train)
    torch.manual_seed(recipe.seed)
    captions = _captions(train, range(len(train)), recipe.templates)
    teacher = new_teacher(recipe, captions)
    teacher.licence = recipe.licence
    describe_teacher(teacher)  # what cannot be counted is said before the training, not after it
    exam = recipe.data.test and prepare(recipe.data.test, recipe, teacher)
    if exam:
        refuse_overlap(train, exam.dataset)
    views = training_views(recipe, train, teacher.sample_rate)
    decoded = views.decoded
    captions = _captions(train, [window.clip for window in decoded.windows], recipe.templates)
    options = PretrainOptions(**recipe.training.model_dump(exclude={"logit_scale_init"}))
    inputs = {"training clips": decoded.fingerprint}
    open_run(run, dump(recipe), seed=recipe.seed, inputs=inputs, resume=resume, overwrite=overwrite)
    spent_s = Checkpoint(run).spent_s()
    pretrain(teacher, views, captions, options, run, seed=recipe.seed, accelerator=accelerator)
    if recipe.weights == "float16":
        teacher.round_to_half()  # what is evaluated is what is saved
    summary = {
        "task": "pretrain",
        "teacher": describe_teacher(teacher),
        **_heard(decoded),
        "wall_s": spent_s + time.perf_counter() - began,
    }
    evaluation = grade(exam, teacher) if exam else None
    card = teacher_card(summary, evaluation, dump(recipe), teacher_kind(recipe))
    teacher.save_pretrained(run / "teacher", card, half=recipe.weights == "float16")
    _finish(run, summary, evaluation)
    return summary


def _heard(decoded: Decoded) -> dict[str, Any]:
    """How many clips a training heard, and which it could not."""
    clips = len({window.clip for window in decoded.windows})
    return {"clips": clips, "bad_clips": [dataclasses.asdict(clip) for clip in decoded.bad]}


def _finish(run: Path, summary: dict[str, Any], evaluation: dict[str, Any] | None) -> None:
    if evaluation is not None:
        write_evaluation(run, evaluation, evaluation["data"])
    write_json(run / "summary.json", summary)  # last but the report: it is what marks a finished run
    write_report(run)


def _captions(dataset: Dataset, clips: Sequence[int], templates: Sequence[str]) -> Captions:
    return Captions([dataset.clips[clip] for clip in clips], templates)
