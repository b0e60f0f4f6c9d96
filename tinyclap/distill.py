"""Distillation: a student learns a frozen teacher's embeddings by cosine similarity alone, without text or labels.

Reads from top to bottom: `distill` is the loop. Every random choice is a function of (seed, epoch or step), so a run
killed at any moment and taken up again ends with the same weights, bit for bit on a CPU.

Several processes (`accelerate launch -m tinyclap distill ...`) share each batch's micro-batches and average gradients;
the losses equal those of one process that accumulates the same micro-batches. BatchNorm normalises by each micro-batch;
its running statistics are averaged over the processes at the end of every epoch.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn
from tqdm import tqdm

from tinyclap import training
from tinyclap.errors import TinyclapError
from tinyclap.logmels import LogMelViews
from tinyclap.losses import CentredCosineLoss, CosineLoss
from tinyclap.student import Student
from tinyclap.training import Checkpoint, Ema


@dataclass(frozen=True)
class DistillOptions(training.Options):
    """A distillation recipe's `training` section.

    Args:
        loss: `cosine` (the paper's) or `centred_cosine`.
        plain_weight: share of the plain cosine inside `centred_cosine`.
        head_epochs: epochs of a second stage that trains the head alone.
        head_lr: its learning rate.
    """

    loss: str = "centred_cosine"
    plain_weight: float = 0.2
    head_epochs: int = 0
    head_lr: float = 0.004


def build_accelerator(precision: str, device: str | None = None) -> Accelerator:
    """Device, mixed precision and processes as `accelerate` finds them (`device="cpu"` forces the CPU)."""
    # Statistics are averaged once an epoch by training.average_statistics, not overwritten by the first process's.
    kwargs = DistributedDataParallelKwargs(broadcast_buffers=False)
    return Accelerator(mixed_precision=precision, cpu=device == "cpu", kwargs_handlers=[kwargs])


def distill(
    student: Student,
    targets: np.ndarray,
    views: LogMelViews,
    options: DistillOptions,
    run: Path,
    *,
    seed: int = 0,
    accelerator: Accelerator | None = None,
) -> Student:
    """Train a student on stored teacher embeddings.

    Goes on from `run`'s checkpoint if there is one.

    Args:
        student: to train.
        targets: teacher embeddings of every view, unit norm, (clips, views, D).
        views: spectrograms of the same views by the student's front end.
        options: how to train.
        run: folder for `metrics.jsonl` and `checkpoints/`.
        seed: of order and dropout.
        accelerator: device and processes; found by itself if not given.

    Returns:
        The trained student (the weights' moving average, if there is one), in evaluation mode on the CPU.

    Raises:
        TinyclapError: shapes or sample rates that do not belong together, or a loss that is not finite.
    """
    _refuse_mismatch(student, targets, views)
    accelerator = accelerator or build_accelerator(options.precision)
    criterion = _build_loss(targets, options).to(accelerator.device)
    checkpoint = Checkpoint(run)
    state = checkpoint.load()
    first_epoch = state["epoch"] if state else 0
    if accelerator.is_main_process:
        checkpoint.keep_metrics(first_epoch)
    if state:
        student.load_state_dict(state["model"])
    stages = [("all", 0, options.epochs), ("head", options.epochs, options.epochs + options.head_epochs)]
    bar = tqdm(total=stages[-1][2], initial=first_epoch, desc="distil", unit="epoch", disable=_bar(accelerator))
    for stage, begin, end in stages:
        if first_epoch >= end:
            continue
        optimizer = _enter_stage(student, stage, options)
        ema = Ema(student, options.ema) if options.ema else None
        if state and state["epoch"] > begin:
            optimizer.load_state_dict(state["optimizer"])
            if ema:
                ema.model.load_state_dict(state["ema"])
        model, prepared = accelerator.prepare(_Encoder(student), optimizer)
        if ema:
            ema.model.to(accelerator.device)
        for epoch in range(max(begin, first_epoch), end):
            _set_mode(student, stage)
            row = _run_epoch(
                model, prepared, ema, criterion, targets, views, options, accelerator, seed, (begin, epoch, end)
            )
            for averaged in (student, ema.model) if ema else (student,):
                training.average_statistics(averaged, accelerator)
            is_last = epoch + 1 == end
            if is_last and ema:
                student.load_state_dict(ema.model.state_dict())
            if accelerator.is_main_process:
                checkpoint.add_metrics({"epoch": epoch + 1, "stage": stage, **row})
                if is_last or (epoch + 1) % options.checkpoint_every == 0:
                    checkpoint.save(
                        {
                            "epoch": epoch + 1,
                            "model": student.state_dict(),
                            "optimizer": prepared.state_dict(),
                            "ema": ema.model.state_dict() if ema else None,
                        }
                    )
            bar.update()
            bar.set_postfix(loss=f"{row['loss']:.3f}", centred_cosine=f"{row['centred_cosine']:.3f}")
        accelerator.free_memory(model, prepared)
    bar.close()
    return student.requires_grad_(True).cpu().eval()


def _run_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: Ema | None,
    criterion: Callable[[Tensor, Tensor], Tensor],
    targets: np.ndarray,
    views: LogMelViews,
    options: DistillOptions,
    accelerator: Accelerator,
    seed: int,
    span: tuple[int, int, int],
) -> dict[str, float]:
    """One pass over all clips, one view of each; returns the epoch's means."""
    begin, epoch, end = span
    began, data_seconds = time.perf_counter(), 0.0
    batches = training.epoch_batches(len(views), options.batch_size, seed, epoch)
    sums = torch.zeros(3, device=accelerator.device)
    mean = torch.from_numpy(teacher_mean(targets)).to(accelerator.device)
    for number, batch in enumerate(batches):
        step = (epoch - begin) * len(batches) + number
        lr = training.set_learning_rate(optimizer, step, (end - begin) * len(batches), options)
        parts = training.micro_batches(batch, options.micro_batches, accelerator)
        for position, part in enumerate(parts):
            place = position * accelerator.num_processes + accelerator.process_index
            training.seed_step(seed, epoch * len(batches) + number, place)
            started = time.perf_counter()
            rows = [(int(index), view_number(int(index), epoch, views.per_clip)) for index in part]
            logmels = views.batch(rows).to(accelerator.device)
            wanted = torch.from_numpy(np.stack([targets[row] for row in rows])).to(accelerator.device).float()
            data_seconds += time.perf_counter() - started
            with accelerator.no_sync(model) if position + 1 < len(parts) else nullcontext():
                embeddings = model(logmels)
                loss = criterion(embeddings.float(), wanted)
                accelerator.backward(loss / len(parts))
            with torch.no_grad():
                cosine = (embeddings * wanted).sum(-1).mean()
                centred = F.cosine_similarity(embeddings - mean, wanted - mean, dim=-1).mean()
                sums += torch.stack([loss.detach(), cosine, centred]) / len(parts)
        if options.clip_norm:
            accelerator.clip_grad_norm_(model.parameters(), options.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if ema:
            ema.update(accelerator.unwrap_model(model).student, step)
    loss_mean, cosine_mean, centred_mean = (accelerator.reduce(sums, reduction="mean") / len(batches)).tolist()
    if not np.isfinite(loss_mean):
        raise TinyclapError(
            f"the loss is {loss_mean} in epoch {epoch + 1}; lower training.lr or set training.precision=no"
        )
    return {
        "loss": loss_mean,
        "cosine": cosine_mean,
        "centred_cosine": centred_mean,
        "lr": lr,
        "seconds": time.perf_counter() - began,
        "data_seconds": data_seconds,
    }


def view_number(index: int, epoch: int, per_clip: int) -> int:
    """The view of a clip that an epoch uses: all of them in turn, each clip from another one on."""
    return (epoch + index) % per_clip


def teacher_mean(targets: np.ndarray) -> np.ndarray:
    """Mean embedding over all stored views: float32 (D,), not normalised."""
    flat = targets.reshape(-1, targets.shape[-1])
    total = np.zeros(flat.shape[1])
    for first in range(0, len(flat), 65_536):
        total += flat[first : first + 65_536].astype(np.float64).sum(0)
    return (total / len(flat)).astype(np.float32)


def _build_loss(targets: np.ndarray, options: DistillOptions) -> nn.Module:
    if options.loss == "cosine":
        return CosineLoss()
    return CentredCosineLoss(torch.from_numpy(teacher_mean(targets)), options.plain_weight)


def _enter_stage(student: Student, stage: str, options: DistillOptions) -> torch.optim.Optimizer:
    if stage == "all":
        return training.build_optimizer([(student.parameters(), options.lr)], options)
    student.requires_grad_(False)
    for parameter in student.head_parameters():
        parameter.requires_grad_(True)
    return training.build_optimizer([(student.head_parameters(), options.head_lr)], options)


def _set_mode(student: Student, stage: str) -> None:
    """In the second stage the trunk is a fixed feature extractor: no dropout, no new statistics."""
    student.train(stage == "all")
    student.head.train()


def _bar(accelerator: Accelerator) -> bool | None:
    return None if accelerator.is_local_main_process else True


class _Encoder(nn.Module):
    """The student from spectrograms on, in the form that `accelerate` distributes."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, logmel: Tensor) -> Tensor:
        return self.student.encode(logmel)


def _refuse_mismatch(student: Student, targets: np.ndarray, views: LogMelViews) -> None:
    wanted = (len(views), views.per_clip, student.embed_dim)
    if targets.shape != wanted:
        raise TinyclapError(f"targets have shape {targets.shape}, but clips, views and student's width make {wanted}")
    if views.frontend.spec != student.config.frontend:
        raise TinyclapError("the spectrograms were made by another front end than the student's")
