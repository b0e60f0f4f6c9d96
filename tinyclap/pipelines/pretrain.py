"""From a recipe to a pretrained teacher, new or fine-tuned: what `tinyclap pretrain` does, step by step."""

import time
import warnings
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
from tinyclap.errors import TinyclapError
from tinyclap.evaluation.zero_shot import ZeroShotTask
from tinyclap.models.threads import threads_for
from tinyclap.pipelines.build import new_teacher
from tinyclap.pipelines.scoring import zero_shot_task
from tinyclap.pipelines.text_side import USUAL_TOKENS
from tinyclap.pipelines.training_summary import finish_run, training_clips
from tinyclap.reports.model_cards import teacher_card
from tinyclap.runs.folder import check_run, open_run
from tinyclap.teachers import load_teacher
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.teachers.describe import describe_teacher
from tinyclap.teachers.dual.pair import DualTeacher
from tinyclap.teachers.dual.vit import VitTower
from tinyclap.training.checkpoint import Checkpoint
from tinyclap.training.contrastive.lora import Adapters, trained_share
from tinyclap.training.distill import BACKWARD
from tinyclap.training.distributed import build_accelerator
from tinyclap.training.pretrain import pretrain, refuse_lengths, refuse_several

UNKNOWN = "unknown"  # a licence, and PretrainRecipe's default


def pretrain_run(recipe: PretrainRecipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Pretrain a teacher, save it, evaluate it; returns the run's summary. The run folder as in `distill_run`."""
    began = time.perf_counter()
    check_run(run, written := dump_for(recipe, run), resume=resume, overwrite=overwrite)
    accelerator = build_accelerator(recipe.training.precision)
    refuse_several(accelerator)
    train = build_dataset(recipe.data.train)
    torch.manual_seed(recipe.seed)
    captions = _captions(train, range(len(train)), recipe)
    teacher = new_teacher(recipe, captions) if recipe.init is None else initial_teacher(recipe)
    teacher.licence = recipe.licence if recipe.init is None or recipe.licence != UNKNOWN else teacher.licence
    refuse_lengths(teacher, recipe.views)
    begun = describe_teacher(teacher)  # what cannot be counted is said before the training, not after it
    lora = recipe.init and recipe.init.lora
    adapters = Adapters(teacher, lora) if lora else None
    task = zero_shot_task(recipe.data.test, recipe, teacher) if recipe.data.test else None
    if task:
        refuse_overlap(train, task.dataset)
    decoded = decode(train, teacher.sample_rate, **recipe.data.limits)
    views = Views(decoded, recipe.views)
    _warn_of_short(views, teacher)
    captions = _captions(train, decoded.windows.clips, recipe)
    inputs = {"training clips": decoded.fingerprint}
    open_run(run, written, seed=recipe.seed, inputs=inputs, resume=resume, overwrite=overwrite)
    spent_s = Checkpoint(run).spent_s()
    init = recipe.init and _describe_init(recipe, begun, teacher, task)
    # A token takes each weight of the text side once, and its table's not at all: rather too many than too few.
    text_macs = USUAL_TOKENS * sum(parameter.numel() for parameter in teacher.text_parameters())
    with threads_for(BACKWARD * (begun["macs"] + text_macs) * recipe.training.batch_size):
        pretrain(
            teacher,
            views,
            captions,
            recipe.training,
            run,
            seed=recipe.seed,
            is_new=recipe.init is None,
            accelerator=accelerator,
        )
    if adapters is not None:
        adapters.merge()
    if recipe.weights == "float16":
        teacher.round_to_half()  # what is evaluated is what is saved
    summary = {
        "task": "pretrain",
        "teacher": describe_teacher(teacher),
        **({"init": init} if init else {}),
        **training_clips(decoded),
        "wall_s": spent_s + time.perf_counter() - began,
    }
    evaluation = task.evaluate(teacher) if task else None
    card = teacher_card(summary, evaluation, dump(recipe), recipe.kind)
    teacher.save_pretrained(run / "teacher", card, half=recipe.weights == "float16")
    finish_run(run, summary, evaluation)
    return summary


def initial_teacher(recipe: PretrainRecipe) -> TrainableTeacher:
    """The trained teacher that a recipe goes on from, under the run's name; its parts that are frozen say so.

    Raises:
        TinyclapError: nothing to load, a window or temperature that does not fit the recipe.
    """
    init = recipe.init
    assert init is not None
    loaded = load_teacher(init.kind, init.source)
    if not isinstance(loaded, TrainableTeacher):
        raise TinyclapError(f"init: {init.source} cannot be trained; allowed: kinds hf, laion, msclap and dual")
    where = f"init: {init.kind} {init.source}"
    if recipe.views.longest_s != loaded.window_s:
        raise TinyclapError(
            f"{where} hears windows of {loaded.window_s:g} s, but views.duration_s is {recipe.views.longest_s:g}; set "
            f"views.duration_s: {loaded.window_s:g} (data.max_clip_s must be as long; shorter clips are repeated)"
        )
    most = recipe.training.logit_scale_max
    if loaded.logit_scale > most * (1 + 1e-4):
        raise TinyclapError(
            f"{where} has a logit scale of {loaded.logit_scale:g}, but training.logit_scale_max is {most:g}; raise it"
        )
    frozen = {*init.freeze}
    if isinstance(loaded, DualTeacher) and loaded.text.frozen:
        if init.lora is not None and "text" in init.lora.towers:
            raise TinyclapError(
                f"{where} was made with a frozen sentence encoder, which stays as it is; leave text out of "
                "init.lora.towers"
            )
        frozen.add("text")
    loaded.requires_grad_(True)
    loaded.freeze(frozen)
    loaded.name = recipe.name
    return loaded


def _describe_init(
    recipe: PretrainRecipe, begun: dict[str, Any], teacher: TrainableTeacher, task: ZeroShotTask | None
) -> dict[str, Any]:
    """What a fine-tuning began with, for the summary: also how well that classified."""
    assert recipe.init is not None
    told = {"kind": recipe.init.kind, "source": recipe.init.source, "fingerprint": begun["fingerprint"]}
    told["trained_share"] = trained_share(teacher)
    before = task.evaluate(teacher) if task else None
    return {**told, **({key: before["teacher"][key] for key in ("accuracy", "ci95")} if before else {})}


def _warn_of_short(views: Views, teacher: TrainableTeacher) -> None:
    """Say which clips are shorter than one patch, where clips are heard at their own length."""
    if views.spec.repeat or not isinstance(teacher, DualTeacher) or not isinstance(teacher.audio, VitTower):
        return
    patch_s = teacher.audio.patch_s
    short = [window.name for window in views.decoded.windows if window.duration_s < patch_s]
    if short:
        warnings.warn(
            f"{len(short)} of {len(views)} clips are shorter than one patch of {patch_s:g} s, e.g. {short[0]}; each "
            "is heard as one patch, filled up with silence",
            stacklevel=3,
        )


def _captions(dataset: Dataset, clips: Sequence[int], recipe: PretrainRecipe) -> Captions:
    """Of these clips; with an objective on sound alone some may have none."""
    some = recipe.training.masked is not None
    return Captions([dataset.clips[clip] for clip in clips], recipe.templates, some=some)
