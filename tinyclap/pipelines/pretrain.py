"""From a recipe to a pretrained teacher: what `tinyclap pretrain` does, step by step."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tinyclap.config.load_recipe import dump, dump_for
from tinyclap.config.schema import PretrainRecipe
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.captions import Captions
from tinyclap.data.decoded import decode
from tinyclap.data.overlap import refuse_overlap
from tinyclap.data.views import Views
from tinyclap.pipelines.build import new_teacher, teacher_kind
from tinyclap.pipelines.scoring import zero_shot_task
from tinyclap.pipelines.training_summary import finish_run, training_clips
from tinyclap.reports.model_cards import teacher_card
from tinyclap.runs.folder import check_run, open_run
from tinyclap.teachers.describe import describe_teacher
from tinyclap.training.checkpoint import Checkpoint
from tinyclap.training.distributed import build_accelerator
from tinyclap.training.pretrain import pretrain, refuse_several


def pretrain_run(recipe: PretrainRecipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Pretrain a teacher, save it, evaluate it; returns the run's summary. The run folder as in `distill_run`."""
    began = time.perf_counter()
    check_run(run, written := dump_for(recipe, run), resume=resume, overwrite=overwrite)
    accelerator = build_accelerator(recipe.training.precision)
    refuse_several(accelerator)
    train = build_dataset(recipe.data.train)
    torch.manual_seed(recipe.seed)
    captions = _captions(train, range(len(train)), recipe.templates)
    teacher = new_teacher(recipe, captions)
    teacher.licence = recipe.licence
    describe_teacher(teacher)  # what cannot be counted is said before the training, not after it
    task = recipe.data.test and zero_shot_task(recipe.data.test, recipe, teacher)
    if task:
        refuse_overlap(train, task.dataset)
    decoded = decode(train, teacher.sample_rate, **recipe.data.limits)
    views = Views(decoded, recipe.views)
    captions = _captions(train, [window.clip for window in decoded.windows], recipe.templates)
    inputs = {"training clips": decoded.fingerprint}
    open_run(run, written, seed=recipe.seed, inputs=inputs, resume=resume, overwrite=overwrite)
    spent_s = Checkpoint(run).spent_s()
    pretrain(teacher, views, captions, recipe.training, run, seed=recipe.seed, accelerator=accelerator)
    if recipe.weights == "float16":
        teacher.round_to_half()  # what is evaluated is what is saved
    summary = {
        "task": "pretrain",
        "teacher": describe_teacher(teacher),
        **training_clips(decoded),
        "wall_s": spent_s + time.perf_counter() - began,
    }
    evaluation = task.evaluate(teacher) if task else None
    card = teacher_card(summary, evaluation, dump(recipe), teacher_kind(recipe))
    teacher.save_pretrained(run / "teacher", card, half=recipe.weights == "float16")
    finish_run(run, summary, evaluation)
    return summary


def _captions(dataset: Dataset, clips: Sequence[int], templates: Sequence[str]) -> Captions:
    return Captions([dataset.clips[clip] for clip in clips], templates)
