"""Contrastive language-audio pretraining: it makes the teachers that are not downloaded.

Symmetric InfoNCE, or SigLIP's loss, with a learnable, clamped temperature. Clips that share a label or caption are not
each other's negatives; a view that mixes two clips matches the captions of both, by their share of the amplitude. More
objectives of the same stage are in `contrastive.objectives`. Clips of different lengths are put into batches by length.
"""

import math
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from tinyclap.common.progress import Progress, counted
from tinyclap.data.captions import Captions
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.errors import TinyclapError
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.training.checkpoint import Checkpoint, restore, snapshot
from tinyclap.training.confusable import confusable
from tinyclap.training.contrastive.diagnosis import diagnose
from tinyclap.training.contrastive.gradient_cache import backward_in_parts
from tinyclap.training.contrastive.matching import matching
from tinyclap.training.contrastive.objectives import BatchLoss, Heard, Objectives
from tinyclap.training.distributed import build_accelerator
from tinyclap.training.ema import Ema, RunningStatistics, load_trained_state, trained_state
from tinyclap.training.loop import NOT_FINITE, Trainee, seed_step, throughput
from tinyclap.training.losses import soft_info_nce
from tinyclap.training.optim import build_optimizer, set_learning_rate
from tinyclap.training.options import PretrainOptions
from tinyclap.training.sampling import Companions, epoch_batches

WATCHED_EPOCHS = 5

LossOf = Callable[..., Tensor]


def pretrain(
    teacher: TrainableTeacher,
    views: Views,
    captions: Captions,
    options: PretrainOptions,
    run: Path,
    *,
    seed: int = 0,
    is_new: bool = True,
    accelerator: Accelerator | None = None,
) -> TrainableTeacher:
    """Train both towers of a teacher contrastively; goes on from `run`'s checkpoint if there is one.

    Args:
        teacher: to train (what is frozen stays so).
        views: at the teacher's sample rate; every epoch draws new ones.
        captions: of the same clips.
        options: how to train.
        run: folder for `metrics.jsonl` and `checkpoints/`.
        seed: of order, captions and dropout.
        is_new: False for a teacher that was trained before.
        accelerator: device and processes; found by itself if not given.

    Returns:
        The teacher with averaged weights, frozen, on the CPU.
    """
    accelerator = accelerator or build_accelerator(options.precision)
    refuse_several(accelerator)
    checkpoint = Checkpoint(run)
    state = checkpoint.load()
    first_epoch = state["epoch"] if state else 0
    checkpoint.keep_metrics(first_epoch)
    refuse_lengths(teacher, views.spec)
    objectives = Objectives(teacher, options, seed).to(accelerator.device)
    teacher.to(accelerator.device)
    if state:
        load_trained_state(teacher, state["model"])
        objectives.load_state_dict(state.get("objectives", {}))
    companions = _companions(captions, options.confusable_share)
    statistics = RunningStatistics(teacher, is_new=is_new)
    batches = _Batches(teacher, views, captions, options, accelerator, companions, statistics, seed, objectives)
    if options.text_epochs and not state:
        _pretrain_text(batches)
    groups = parameter_groups(teacher, options)
    groups[0][0].extend(objectives.parameters())
    optimizer = build_optimizer(groups, options)
    ema = Ema(teacher, options.ema) if options.ema else None
    if state:
        restore(state, optimizer, ema, accelerator.scaler)
    optimizer = accelerator.prepare(optimizer)
    trainee = Trainee(teacher, optimizer, ema, statistics)
    steps = len(batches.of_epoch(0))
    counter = Progress("pretrain", options.epochs * steps, "step", done=first_epoch * steps)
    for epoch in range(first_epoch, options.epochs):
        teacher.train()
        objectives.train()
        row = _run_epoch(batches, trainee, epoch, counter)
        counter.update(0, f"epoch {epoch + 1} of {options.epochs}, loss {row['loss']:.3f}")
        checkpoint.add_metrics({"epoch": epoch + 1, "stage": "contrastive", **row})
        diagnosis = diagnose(row) if epoch < WATCHED_EPOCHS and options.loss == "info_nce" else None
        if diagnosis:
            warnings.warn(f"epoch {epoch + 1}: {diagnosis}", stacklevel=2)
        if (epoch + 1) % options.checkpoint_every == 0 or epoch + 1 == options.epochs:
            now = snapshot(epoch + 1, trained_state(teacher), optimizer, ema, accelerator.scaler)
            checkpoint.save(now | {"objectives": objectives.state_dict()})
    counter.close()
    if ema:
        ema.write_into(teacher)
    teacher.weights_changed()
    teacher.requires_grad_(False)
    return teacher.cpu().eval()


def parameter_groups(teacher: TrainableTeacher, options: PretrainOptions) -> list[tuple[list[nn.Parameter], float]]:
    """What is trained at which rate: the audio tower first, whose rate the metrics report; a locked text is in none."""
    text = {id(parameter) for parameter in teacher.text_parameters()}
    head = {id(teacher.log_scale)} if options.head_lr else set()
    for module in teacher.parts()["head"] if options.head_lr else ():
        head |= {id(parameter) for parameter in module.parameters()}
    every = [one for one in teacher.parameters() if not (options.lock_text and id(one) in text)]
    groups = [
        ([one for one in every if id(one) not in text | head], options.lr),
        ([one for one in every if id(one) in text - head], options.text_lr),
        ([one for one in every if id(one) in head], options.head_lr or options.lr),
    ]
    return groups if options.head_lr else groups[:2]


def refuse_several(accelerator: Accelerator) -> None:
    """Raise a TinyclapError where several processes were launched."""
    if accelerator.num_processes > 1:
        raise TinyclapError(
            "pretraining contrasts the clips of one batch and runs in one process; start it without launch"
        )


def refuse_lengths(teacher: TrainableTeacher, spec: ViewSpec) -> None:
    """Raise a TinyclapError where views are as long as their clips, and the audio tower takes windows alone."""
    if not spec.repeat and not teacher.any_length:
        raise TinyclapError(
            f"views.repeat is false, but the audio tower of teacher {teacher.name} hears windows of one length; set "
            "views.repeat: true, or take a pair with audio.kind: vit"
        )


def _companions(captions: Captions, share: float) -> Companions | None:
    """Clips of other captions with the same rare words, where they are contrasted."""
    said = [" ".join(choices) for choices in captions.choices]
    return Companions(confusable(said, captions.groups), share) if share else None


class _Step(NamedTuple):
    """Which step of which stage, 1 for that of the text tower alone, and how it goes backward."""

    number: int
    stage: int
    backward: Callable[[Tensor], object]


@dataclass(frozen=True)
class _Batches:
    """What the batches of a training are made of, and how they pass through the towers."""

    teacher: TrainableTeacher
    views: Views
    captions: Captions
    options: PretrainOptions
    accelerator: Accelerator
    companions: Companions | None
    statistics: RunningStatistics
    seed: int
    objectives: Objectives

    def of_epoch(self, epoch: int) -> list[np.ndarray]:
        """Every clip but a rest smaller than a batch; those of a batch are of about the same length."""
        size, n, sizes = self.options.batch_size, len(self.views), None
        if not self.views.spec.repeat:
            sizes = np.array([self.views.duration_s(index, epoch) for index in range(n)])
        return epoch_batches(n, size, self.seed, epoch, sizes=sizes, companions=self.companions)

    def heard(self, part: np.ndarray, epoch: int) -> Heard:
        """The views of an epoch and their captions."""
        clips = [int(index) for index in part]
        rows = [(clip, epoch) for clip in clips]
        views = self.views.batch(rows) if self.views.spec.repeat else [self.views.waveform(*row) for row in rows]
        waveforms = [torch.from_numpy(view).to(self.accelerator.device) for view in views]
        return Heard(clips, waveforms, [self.captions.draw(clip, self.seed, epoch) for clip in clips], epoch)

    def backward(
        self, batch: np.ndarray, encode: Callable[[np.ndarray], Sequence[Tensor]], loss_of: LossOf, step: _Step
    ) -> tuple[Tensor, list[Tensor]]:
        """The loss of a batch, whose gradient is added to the parameters, and its embeddings.

        A part of the batch meets the same dropout both times, and normalisation by its own statistics; the running
        ones see it once.
        """
        parts = np.array_split(batch, self.options.micro_batches)
        if len(parts) == 1:
            seed_step(self.seed, step.number, step.stage)
            self.statistics.before(step.number)
            embeddings = [tensor.float() for tensor in encode(batch)]
            loss = loss_of(*embeddings)
            step.backward(loss)
            return loss.detach(), [tensor.detach() for tensor in embeddings]

        def encode_part(part: int, again: bool) -> Sequence[Tensor]:
            seed_step(self.seed, step.number, step.stage, part)
            self.statistics.before(step.number, part, len(parts))
            with nullcontext() if again else self.statistics.untouched():
                return encode(parts[part])

        return backward_in_parts(encode_part, len(parts), loss_of, step.backward)


def _pretrain_text(batches: _Batches) -> None:
    """Train the text tower alone: captions of one group meet, those of different groups part (supervised contrast)."""
    teacher, captions, options, seed = batches.teacher, batches.captions, batches.options, batches.seed
    optimizer = build_optimizer([(teacher.text_parameters(), options.text_lr)], options)
    teacher.train()
    for epoch in counted(range(options.text_epochs), "text tower", options.text_epochs, "epoch"):
        every = epoch_batches(len(captions.groups), options.batch_size, seed, epoch, companions=batches.companions)
        for number, clips in enumerate(every):
            batch = clips[captions.known[clips]]
            if not len(batch):
                continue
            step = epoch * len(every) + number
            set_learning_rate(optimizer, step, options.text_epochs * len(every), options)
            matches = torch.from_numpy(captions.alike(batch).astype(np.float32)).to(batches.accelerator.device)

            def encode(part: np.ndarray, epoch: int = epoch) -> list[Tensor]:
                return [
                    teacher.encode_text([captions.draw(int(index), seed, epoch, stream) for index in part])
                    for stream in (2, 3)
                ]

            def loss_of(one: Tensor, other: Tensor, matches: Tensor = matches) -> Tensor:
                return soft_info_nce(one, other, teacher.log_scale.detach().exp(), matches)

            batches.backward(batch, encode, loss_of, _Step(step, 1, torch.Tensor.backward))
            torch.nn.utils.clip_grad_norm_(teacher.text_parameters(), options.clip_norm or torch.inf)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


def _run_epoch(batches: _Batches, trainee: Trainee, epoch: int, counter: Progress) -> dict[str, Any]:
    """Returns the epoch's means and what tells a stuck training."""
    teacher, options, accelerator = batches.teacher, batches.options, batches.accelerator
    optimizer, objectives = trainee.optimizer, batches.objectives
    began, data_seconds = time.perf_counter(), 0.0

    def encode(part: np.ndarray) -> list[Tensor]:
        nonlocal data_seconds
        started = time.perf_counter()
        heard = batches.heard(part, epoch)
        data_seconds += time.perf_counter() - started
        with accelerator.autocast():
            audio, *more = objectives.audio(teacher, heard)
        with accelerator.autocast(), torch.set_grad_enabled(torch.is_grad_enabled() and not options.lock_text):
            return [audio, teacher.encode_text(heard.texts), *more]

    rows = []
    every = batches.of_epoch(epoch)
    steps = options.epochs * len(every)
    for number, batch in enumerate(every):
        step = epoch * len(every) + number
        lr = set_learning_rate(optimizer, step, steps, options)
        matches = matching(batches.views, batches.captions, batch, epoch).to(accelerator.device)
        loss_of = BatchLoss(objectives, batches.captions, batch, matches, teacher.log_scale)
        scale = teacher.log_scale.detach().exp()
        loss, (audio, text, *_) = batches.backward(batch, encode, loss_of, _Step(step, 0, accelerator.backward))
        if options.clip_norm:
            accelerator.clip_grad_norm_([*teacher.parameters(), *objectives.parameters()], options.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            teacher.log_scale.clamp_(max=math.log(options.logit_scale_max))
        if trainee.ema:
            trainee.ema.update(teacher, step)
        objectives.follow(teacher, step, steps)
        counter.update()
        rows.append({"loss": loss.item()} | loss_of.measured(audio, text, scale))
    measured = {
        name: float(np.mean([row[name] for row in rows if name in row]))
        for name in dict.fromkeys(name for row in rows for name in row)
    }
    if not np.isfinite(measured["loss"]):
        raise TinyclapError(NOT_FINITE.format(loss=measured["loss"], epoch=epoch + 1))
    return measured | {
        "steps": (epoch + 1) * len(every),
        "logit_scale": teacher.logit_scale,
        "lr": lr,
        **throughput(sum(map(len, every)), time.perf_counter() - began, data_seconds, accelerator),
    }
