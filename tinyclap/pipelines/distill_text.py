"""From a recipe to a text student: what `tinyclap distill-text` does, step by step."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.config.load_recipe import dump_for
from tinyclap.config.schema import DistillTextRecipe
from tinyclap.models import hub
from tinyclap.pipelines.build import build_teacher
from tinyclap.pipelines.scoring import zero_shot_task
from tinyclap.pipelines.text_side import finish_words, prepare_words, train_words
from tinyclap.pipelines.training_summary import finish_run
from tinyclap.runs.folder import check_run, open_run
from tinyclap.runs.results import TEXT_FOLDER, TEXT_STUDENT
from tinyclap.teachers.describe import describe_teacher
from tinyclap.training.checkpoint import Checkpoint
from tinyclap.training.distributed import build_accelerator, micro_batches


def distill_text_run(
    recipe: DistillTextRecipe, run: Path, *, resume: bool = False, overwrite: bool = False
) -> dict[str, Any]:
    """Distil a text student, save it, measure it beside its teacher, write the report; returns the run's summary.

    The run folder is touched only after teacher and captions are there; `resume` and `overwrite` as in `open_run`. Of
    several processes only the first returns something.
    """
    began = time.perf_counter()
    check_run(run, written := dump_for(recipe, run), resume=resume, overwrite=overwrite)
    hub.check_folder(run / TEXT_STUDENT, overwrite=True)
    training = recipe.text.training
    accelerator = build_accelerator(training.precision)
    micro_batches(np.arange(training.batch_size), training.micro_batches, accelerator)
    with accelerator.main_process_first():
        teacher = build_teacher(recipe.taught_by)
        task = recipe.data.test and zero_shot_task(recipe.data.test, recipe, teacher)
        words = prepare_words(recipe.text, teacher, recipe.seed, accelerator.device)
    inputs = {"teacher": teacher.fingerprint, "captions": words.corpus.fingerprint}
    open_run(run, written, seed=recipe.seed, inputs=inputs, resume=resume, overwrite=overwrite)
    accelerator.wait_for_everyone()
    spent_s = Checkpoint(run / TEXT_FOLDER).spent_s()
    student = train_words(words, run, recipe.seed, accelerator)
    if not accelerator.is_main_process:
        return {}
    result = finish_words(words, student, teacher, run, task or None)
    summary = {
        "task": recipe.task,
        "name": recipe.name,
        "data": result["sources"],
        "teacher": describe_teacher(teacher),
        "text": result["student"],
        "captions": result["captions"],
        "wall_s": spent_s + time.perf_counter() - began,
    }
    finish_run(run, summary, None)
    return summary
