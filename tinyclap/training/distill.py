"""Distillation: a student learns a frozen teacher's embeddings by cosine similarity alone, without text or labels.

Reads from top to bottom: `distill` is the loop. Every random choice is a function of (seed, epoch or step), so a run
killed at any moment and taken up again ends with the same weights, bit for bit on a CPU.

Several processes (`accelerate launch -m tinyclap distill ...`) share each batch's micro-batches and average gradients;
the losses equal those of one process that accumulates the same micro-batches. BatchNorm normalises by each micro-batch;
its running statistics are averaged over the processes at the end of every epoch (on CUDA, SyncBatchNorm shares them).
"""

import copy
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from tinyclap.common.progress import Progress
from tinyclap.embeddings.joint_space import Head, Stored
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.errors import TinyclapError
from tinyclap.models.recompute import set_recompute
from tinyclap.models.student import Student
from tinyclap.models.text_student import TextStudent
from tinyclap.training.checkpoint import Checkpoint, restore, snapshot
from tinyclap.training.distributed import average_over_processes, build_accelerator, micro_batches
from tinyclap.training.ema import Ema, RunningStatistics
from tinyclap.training.inputs import StudentInputs
from tinyclap.training.loop import NOT_FINITE, Trainee, seed_step, throughput
from tinyclap.training.losses import distillation_loss
from tinyclap.training.optim import build_optimizer, set_learning_rate
from tinyclap.training.options import DistillOptions
from tinyclap.training.sampling import Companions, balanced, epoch_batches, occurrences

BACKWARD = 3  # times the MACs of an embedding, those of a training step

Learner = TypeVar("Learner", Student, TextStudent)


def distill(
    student: Learner,
    targets: Stored,
    mean: np.ndarray,
    inputs: StudentInputs,
    options: DistillOptions,
    run: Path,
    *,
    seed: int = 0,
    accelerator: Accelerator | None = None,
    weights: np.ndarray | None = None,
    texts: np.ndarray | None = None,
    companions: Companions | None = None,
    heads: Sequence[Head] = (),
    watch: Callable[[int, Callable[[], Learner]], None] | None = None,
) -> Learner:
    """Train a student, of sound or of text, on stored teacher embeddings.

    Goes on from `run`'s checkpoint if there is one.

    Args:
        student: to train.
        targets: teacher embeddings of every view, unit norm, (clips, views, D).
        mean: of these embeddings (`teacher_mean`), (D,).
        inputs: what the student takes of the same views.
        options: how to train.
        run: folder for `metrics.jsonl` and `checkpoints/`.
        seed: of order and dropout.
        accelerator: device and processes; found by itself if not given.
        weights: how often each clip is trained on, relative to the others, (clips,); None for all alike.
        texts: the teacher's embeddings of `options.texts`, unit norm (N, D), where `options.text_weight` is not 0.
        companions: clips (or captions) to contrast within a batch; None for a batch of any.
        heads: the parts of several teachers in the space; none for one teacher.
        watch: called after every epoch with how many there were, and can have the student as it is then (its weights'
            moving average, in evaluation mode on the CPU); what it raises ends the training.

    Returns:
        The trained student (the weights' moving average, if there is one), in evaluation mode on the CPU.

    Raises:
        TinyclapError: shapes or sample rates that do not belong together, or a loss that is not finite.
    """
    _refuse_mismatch(student, targets, inputs)
    accelerator = accelerator or build_accelerator(options.precision)
    centre = torch.from_numpy(mean).to(accelerator.device)
    anchors = None if texts is None else torch.from_numpy(texts).to(accelerator.device)
    if options.balance_clusters:
        weights = balanced(targets, options.balance_clusters, seed, weights)
    batches = TargetBatches(
        targets,
        inputs,
        centre,
        distillation_loss(options, centre, anchors, heads),
        seed,
        options.batch_size,
        weights,
        companions,
    )
    checkpoint = Checkpoint(run)
    state = checkpoint.load()
    first_epoch = state["epoch"] if state else 0
    if accelerator.is_main_process:
        checkpoint.keep_metrics(first_epoch)
    if state:
        student.load_state_dict(state["model"])
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(student)
    student.to(accelerator.device)
    set_recompute(student, options.gradient_checkpointing)
    stages = (Stage("all", 0, options.epochs), Stage("head", options.epochs, options.epochs + options.head_epochs))
    steps, visible = len(batches.of_epoch(0)), accelerator.is_main_process
    counter = Progress("distil", stages[-1].end * steps, "step", done=first_epoch * steps, visible=visible)
    for stage in stages:
        if first_epoch >= stage.end or stage.begin == stage.end:
            continue
        optimizer = _enter(stage, student, options)
        ema: Ema | None = Ema(student, options.ema) if options.ema else None
        if state and state["epoch"] > stage.begin:
            restore(state, optimizer, ema, accelerator.scaler)
        model, prepared = accelerator.prepare(_Encoder(student), optimizer)
        trainee = Trainee(model, prepared, ema, RunningStatistics(model))
        for epoch in range(max(stage.begin, first_epoch), stage.end):
            # In the second stage the trunk is a fixed feature extractor: no dropout, no new statistics.
            student.train(stage.name == "all")
            student.head.train()
            row = _run_epoch(trainee, batches, options, accelerator, stage, epoch, counter)
            merged: list[Tensor] = [buffer for name, buffer in student.named_buffers() if ".running_" in name]
            average_over_processes([*merged, *(ema.state.values() if ema else ())], accelerator)
            is_last = epoch + 1 == stage.end
            if is_last and ema:
                ema.write_into(student)
            if accelerator.is_main_process:
                checkpoint.add_metrics({"epoch": epoch + 1, "stage": stage.name, **row})
                if is_last or (epoch + 1) % options.checkpoint_every == 0:
                    checkpoint.save(snapshot(epoch + 1, student.state_dict(), prepared, ema, accelerator.scaler))
            figures = f"loss {row['loss']:.3f}, centred cosine {row['centred_cosine']:.3f}"
            counter.update(0, f"epoch {epoch + 1} of {stages[-1].end}, {figures}")
            if watch:
                watch(epoch + 1, partial(_as_it_is, student, ema))
        accelerator.free_memory(model, prepared)
    counter.close()
    set_recompute(student, False)
    return student.requires_grad_(True).cpu().eval()


@dataclass(frozen=True)
class Stage:
    """A stretch of epochs with an optimiser and a schedule of its own."""

    name: str
    begin: int
    end: int


@dataclass(frozen=True)
class TargetBatches:
    """Targets (clips, views, D), the student's inputs of the same views, and the loss between target and embedding."""

    targets: Stored
    inputs: StudentInputs
    mean: Tensor
    criterion: nn.Module
    seed: int
    batch_size: int
    weights: np.ndarray | None
    companions: Companions | None = None

    def of_epoch(self, epoch: int) -> list[np.ndarray]:
        """Every batch's (clip, view) pairs, (B, 2): each clip's next view, a clip drawn again its next one again."""
        inputs = self.inputs
        drawn = (self.batch_size, self.seed, epoch, self.weights, inputs.sizes, self.companions)
        clips = epoch_batches(len(inputs), *drawn)
        order = np.concatenate(clips)
        views = view_number(order + occurrences(order), epoch, self.inputs.per_clip)
        return np.split(np.stack([order, views], axis=1), len(clips))

    def batch(self, pairs: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
        """Inputs (B, ...) and teacher embeddings (B, D) of (clip, view) pairs (B, 2)."""
        rows = [(int(index), int(view)) for index, view in pairs]
        wanted = torch.from_numpy(np.stack([self.targets[row] for row in rows])).float()
        return self.inputs.batch(rows).to(device), wanted.to(device)


def _run_epoch(
    trainee: Trainee,
    learned: TargetBatches,
    options: DistillOptions,
    accelerator: Accelerator,
    stage: Stage,
    epoch: int,
    counter: Progress,
) -> dict[str, Any]:
    """One view of every clip but a rest smaller than a batch, or as weights have it; returns the epoch's means."""
    model, optimizer = trainee.model, trainee.optimizer
    began, data_seconds, clips = time.perf_counter(), 0.0, 0
    batches = learned.of_epoch(epoch)
    sums = torch.zeros(3, device=accelerator.device)
    for number, batch in enumerate(batches):
        step = (epoch - stage.begin) * len(batches) + number
        lr = set_learning_rate(optimizer, step, (stage.end - stage.begin) * len(batches), options)
        trainee.statistics.before(step)
        parts = micro_batches(batch, options.micro_batches, accelerator)
        for position, part in enumerate(parts):
            place = position * accelerator.num_processes + accelerator.process_index
            seed_step(learned.seed, epoch * len(batches) + number, place)
            started = time.perf_counter()
            inputs, wanted = learned.batch(part, accelerator.device)
            data_seconds += time.perf_counter() - started
            clips += len(part)
            with accelerator.no_sync(model) if position + 1 < len(parts) else nullcontext():
                embeddings = model(inputs).float()
                loss = learned.criterion(embeddings, wanted)
                accelerator.backward(loss / len(parts))
            with torch.no_grad():
                cosine = (embeddings * wanted).sum(-1).mean()
                centred = F.cosine_similarity(embeddings - learned.mean, wanted - learned.mean, dim=-1).mean()
                sums += torch.stack([loss.detach(), cosine, centred]) / len(parts)
        if options.clip_norm:
            accelerator.clip_grad_norm_(model.parameters(), options.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if trainee.ema:
            trainee.ema.update(accelerator.unwrap_model(model).student, step)
        counter.update()
    loss_mean, cosine_mean, centred_mean = (accelerator.reduce(sums, reduction="mean") / len(batches)).tolist()
    if not np.isfinite(loss_mean):
        raise TinyclapError(NOT_FINITE.format(loss=loss_mean, epoch=epoch + 1))
    return {
        "loss": loss_mean,
        "cosine": cosine_mean,
        "centred_cosine": centred_mean,
        "lr": lr,
        **throughput(clips, time.perf_counter() - began, data_seconds, accelerator),
    }


Indices = TypeVar("Indices", int, np.ndarray)


def view_number(index: Indices, epoch: int, per_clip: int) -> Indices:
    """The view of a clip that an epoch uses: all of them in turn, each clip from another one on."""
    return (epoch + index) % per_clip


def teacher_mean(targets: Stored, latent_map: LatentMap | None = None) -> np.ndarray:
    """Mean embedding over all stored views: float32 (D,), not normalised.

    `latent_map` takes each of them into the space of a pruned student first.
    """
    flat = targets.reshape(-1, targets.shape[-1])
    total = np.zeros(flat.shape[1] if latent_map is None else latent_map.dim)
    for first in range(0, len(flat), 65_536):
        block = flat[first : first + 65_536]
        mapped = block if latent_map is None else latent_map.apply(block.astype(np.float32))
        total += mapped.astype(np.float64).sum(0)
    return (total / len(flat)).astype(np.float32)


def _as_it_is(student: Learner, ema: Ema | None) -> Learner:
    """A copy with the weights' moving average, in evaluation mode on the CPU."""
    now = copy.deepcopy(student).cpu()
    if ema:
        ema.write_into(now)
    return now.eval()


def _enter(stage: Stage, student: Any, options: DistillOptions) -> torch.optim.Optimizer:
    if stage.name == "all":
        return build_optimizer([(student.parameters(), options.lr)], options)
    student.requires_grad_(False)
    student.head.requires_grad_(True)
    return build_optimizer([(student.head.parameters(), options.head_lr)], options)


class _Encoder(nn.Module):
    """A student's `encode`, in the form that `accelerate` distributes."""

    def __init__(self, student: Any) -> None:
        super().__init__()
        self.student = student

    def forward(self, inputs: Tensor) -> Tensor:
        encoded: Tensor = self.student.encode(inputs)
        return encoded


def _refuse_mismatch(student: Any, targets: Stored, inputs: StudentInputs) -> None:
    wanted = (len(inputs), inputs.per_clip, student.embed_dim)
    if targets.shape != wanted:
        raise TinyclapError(f"targets have shape {targets.shape}, but clips, views and student's width make {wanted}")
    inputs.check(student)
