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

from tinyclap.build import describe_student, describe_teacher, new_teacher, student_config, teacher_kind
from tinyclap.data import Dataset, build_dataset
from tinyclap.distill import DistillOptions, build_accelerator, distill, teacher_mean
from tinyclap.embeddings import teacher_embeddings
from tinyclap.evaluation import (
    decode_set,
    describe_data,
    evaluate_student,
    evaluate_teacher,
    labelled_set,
    write_evaluation,
)
from tinyclap.files import write_json
from tinyclap.frontend import LogMel
from tinyclap.logmels import LogMelViews
from tinyclap.pretrain import Captions, PretrainOptions, pretrain
from tinyclap.recipe import dump
from tinyclap.report import model_card, teacher_card, write_report
from tinyclap.run import check_run, open_run
from tinyclap.schema.data import Data
from tinyclap.schema.recipes import DistillRecipe, PretrainRecipe
from tinyclap.student import Student
from tinyclap.teachers import load_teacher
from tinyclap.views import Views, ViewSpec


def run_distill(recipe: DistillRecipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Distil, save the student, evaluate it beside its teacher, write the report; returns the run's summary.

    The run folder is touched only after teacher and data are there; `resume` and `overwrite` as in `open_run`.
    """
    began = time.perf_counter()
    check_run(run, dump(recipe), resume=resume, overwrite=overwrite)
    accelerator = build_accelerator(recipe.training.precision)
    train, test = build_dataset(recipe.data.train), _test_set(recipe.data)
    teacher = load_teacher(recipe.teacher.kind, recipe.teacher.source)
    spec = ViewSpec(**recipe.views.model_dump())
    torch.manual_seed(recipe.seed)
    student = Student(student_config(recipe.student, teacher.embed_dim, spec.duration_s))
    described = {"teacher": describe_teacher(teacher), "student": describe_student(student)}
    with accelerator.main_process_first():  # the first process decodes and lets the teacher listen, the others read
        heard = Views(decode_set(train, teacher.sample_rate, recipe.data), spec, recipe.seed)
        stored = teacher_embeddings(teacher, heard, accelerator.device)
        decoded = decode_set(train, student.sample_rate, recipe.data)
        views = LogMelViews(
            Views(decoded, spec, recipe.seed), LogMel(student.config.frontend), keep=recipe.training.keep_logmels
        )
    options = DistillOptions(**recipe.training.model_dump(exclude={"keep_logmels"}))
    open_run(run, dump(recipe), seed=recipe.seed, resume=resume, overwrite=overwrite)
    accelerator.wait_for_everyone()
    student = distill(student, stored.embeddings, views, options, run, seed=recipe.seed, accelerator=accelerator)
    if not accelerator.is_main_process:
        return {}
    np.save(run / "teacher_mean.npy", teacher_mean(stored.embeddings))
    summary = {
        "task": "distill",
        "name": recipe.name,
        "data": describe_data(recipe.data.train),
        **described,
        "clips": len({window.clip for window in decoded.windows}),
        "bad_clips": [dataclasses.asdict(clip) for clip in decoded.bad],
        "views": spec.per_clip,
        "teacher_forwards": stored.teacher_forwards,
        "store": str(stored.folder),
        "store_rounding_error": stored.rounding_error,
        "wall_s": time.perf_counter() - began,
    }
    evaluation = None
    if test is not None:
        evaluation = evaluate_student(teacher, student, test, recipe, mean=np.load(run / "teacher_mean.npy"))
        evaluation = write_evaluation(run, evaluation, describe_data(recipe.data.test))
    student.save_pretrained(run / "student", model_card(summary, evaluation), overwrite=True)
    write_json(run / "summary.json", summary)  # last but the report: it is what marks a finished run
    write_report(run)
    return summary


def run_pretrain(recipe: PretrainRecipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Pretrain a teacher, save it, evaluate it; returns the run's summary. The run folder as in `run_distill`."""
    began = time.perf_counter()
    check_run(run, dump(recipe), resume=resume, overwrite=overwrite)
    train, test = build_dataset(recipe.data.train), _test_set(recipe.data)
    torch.manual_seed(recipe.seed)
    captions = _captions(train, range(len(train)), recipe.templates)
    teacher = new_teacher(recipe, captions)
    teacher.licence = recipe.licence
    describe_teacher(teacher)  # what cannot be counted is said before the training, not after it
    decoded = decode_set(train, teacher.sample_rate, recipe.data)
    captions = _captions(train, [window.clip for window in decoded.windows], recipe.templates)
    views = Views(decoded, ViewSpec(**recipe.views.model_dump()), recipe.seed)
    options = recipe.training.model_dump()
    options.pop("logit_scale_init")
    open_run(run, dump(recipe), seed=recipe.seed, resume=resume, overwrite=overwrite)
    pretrain(teacher, views, captions, PretrainOptions(**options), run, seed=recipe.seed)
    if recipe.weights == "float16":
        teacher.round_to_half()  # what is evaluated is what is saved
    summary = {
        "task": "pretrain",
        "teacher": describe_teacher(teacher),
        "clips": len({window.clip for window in decoded.windows}),
        "bad_clips": [dataclasses.asdict(clip) for clip in decoded.bad],
        "wall_s": time.perf_counter() - began,
    }
    evaluation = None
    if test is not None:
        evaluation = evaluate_teacher(teacher, test, recipe)
        evaluation = write_evaluation(run, evaluation, describe_data(recipe.data.test))
    card = teacher_card(summary, evaluation, dump(recipe), teacher_kind(recipe))
    teacher.save_pretrained(run / "teacher", card, half=recipe.weights == "float16")
    write_json(run / "summary.json", summary)
    write_report(run)
    return summary


def _test_set(data: Data) -> Dataset | None:
    return None if data.test is None else labelled_set(data.test)


def _captions(dataset: Dataset, clips: Sequence[int], templates: Sequence[str]) -> Captions:
    return Captions([dataset.clips[clip] for clip in clips], templates)
