"""Contrastive language-audio pretraining from scratch: it makes the teachers that are not downloaded.

Symmetric InfoNCE with a learnable, clamped temperature. Clips that share a label or caption are not each other's
negatives; a view that mixes two clips matches the captions of both, by their share of the amplitude.
"""

import math
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from tinyclap.common.progress import Progress, counted
from tinyclap.data.captions import Captions
from tinyclap.data.views import Views
from tinyclap.errors import TinyclapError
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.training.checkpoint import Checkpoint, restore, snapshot
from tinyclap.training.confusable import confusable
from tinyclap.training.distributed import build_accelerator
from tinyclap.training.ema import Ema, RunningStatistics, load_trained_state, trained_state
from tinyclap.training.loop import NOT_FINITE, Trainee, seed_step
from tinyclap.training.losses import lowest_info_nce, soft_info_nce
from tinyclap.training.optim import build_optimizer, set_learning_rate
from tinyclap.training.options import PretrainOptions
from tinyclap.training.sampling import Companions, epoch_batches

STUCK_SHARE = 0.03
COLLAPSED_COSINE = 0.98
UNIFORM_LOGIT_SD = 0.5
PATIENT_STEPS = 100
WATCHED_EPOCHS = 5


def pretrain(
    teacher: TrainableTeacher,
    views: Views,
    captions: Captions,
    options: PretrainOptions,
    run: Path,
    *,
    seed: int = 0,
    accelerator: Accelerator | None = None,
) -> TrainableTeacher:
    """Train both towers of a teacher contrastively; goes on from `run`'s checkpoint if there is one.

    Args:
        teacher: to train (towers that are frozen stay so).
        views: at the teacher's sample rate; every epoch draws new ones.
        captions: of the same clips.
        options: how to train.
        run: folder for `metrics.jsonl` and `checkpoints/`.
        seed: of order, captions and dropout.
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
    teacher.to(accelerator.device)
    if state:
        load_trained_state(teacher, state["model"])
    companions = _companions(captions, options.confusable_share)
    if options.text_epochs and not state:
        _pretrain_text(teacher, captions, options, companions, seed)
    optimizer = build_optimizer(parameter_groups(teacher, options), options)
    ema = Ema(teacher, options.ema) if options.ema else None
    if state:
        restore(state, optimizer, ema, accelerator.scaler)
    optimizer = accelerator.prepare(optimizer)
    trainee = Trainee(teacher, optimizer, ema, RunningStatistics(teacher))
    steps = len(epoch_batches(len(views), options.batch_size, seed, 0))
    counter = Progress("pretrain", options.epochs * steps, "step", done=first_epoch * steps)
    for epoch in range(first_epoch, options.epochs):
        teacher.train()
        row = _run_epoch(teacher, trainee, views, captions, options, accelerator, companions, seed, epoch, counter)
        counter.update(0, f"epoch {epoch + 1} of {options.epochs}, loss {row['loss']:.3f}")
        checkpoint.add_metrics({"epoch": epoch + 1, "stage": "contrastive", **row})
        diagnosis = diagnose(row) if epoch < WATCHED_EPOCHS else None
        if diagnosis:
            warnings.warn(f"epoch {epoch + 1}: {diagnosis}", stacklevel=2)
        if (epoch + 1) % options.checkpoint_every == 0 or epoch + 1 == options.epochs:
            checkpoint.save(snapshot(epoch + 1, trained_state(teacher), optimizer, ema, accelerator.scaler))
    counter.close()
    if ema:
        ema.write_into(teacher)
    teacher.weights_changed()
    teacher.requires_grad_(False)
    return teacher.cpu().eval()


def refuse_several(accelerator: Accelerator) -> None:
    """Raise a TinyclapError where several processes were launched."""
    if accelerator.num_processes > 1:
        raise TinyclapError(
            "pretraining contrasts the clips of one batch and runs in one process; start it without launch"
        )


def parameter_groups(teacher: TrainableTeacher, options: PretrainOptions) -> list[tuple[list[nn.Parameter], float]]:
    """What is trained at which rate: the audio tower first, whose rate the metrics report; a locked text is in none."""
    heads = teacher.head_parameters() if options.head_lr else []
    own, text = {id(parameter) for parameter in heads}, {id(parameter) for parameter in teacher.text_parameters()}
    audio = [parameter for parameter in teacher.parameters() if id(parameter) not in own | text]
    groups = [(audio, options.lr)]
    if not options.lock_text:
        groups.append(
            ([parameter for parameter in teacher.text_parameters() if id(parameter) not in own], options.text_lr)
        )
    if options.head_lr:
        locked = text if options.lock_text else set()
        groups.append(([parameter for parameter in heads if id(parameter) not in locked], options.head_lr))
    return groups


def _companions(captions: Captions, share: float) -> Companions | None:
    """Clips of other captions with the same rare words, where they are contrasted."""
    said = [" ".join(choices) for choices in captions.choices]
    return Companions(confusable(said, captions.groups), share) if share else None


def _pretrain_text(
    teacher: TrainableTeacher, captions: Captions, options: PretrainOptions, companions: Companions | None, seed: int
) -> None:
    """Train the text tower alone: captions of one group meet, those of different groups part (supervised contrast)."""
    optimizer = build_optimizer([(teacher.text_parameters(), options.text_lr)], options)
    teacher.train()
    for epoch in counted(range(options.text_epochs), "text tower", options.text_epochs, "epoch"):
        batches = epoch_batches(len(captions.groups), options.batch_size, seed, epoch, companions=companions)
        for number, batch in enumerate(batches):
            step = epoch * len(batches) + number
            set_learning_rate(optimizer, step, options.text_epochs * len(batches), options)
            seed_step(seed, step, part=1)
            one, other = (
                teacher.encode_text([captions.draw(int(index), seed, epoch, stream) for index in batch])
                for stream in (2, 3)
            )
            matches = torch.from_numpy(captions.alike(batch).astype(np.float32)).to(one.device)
            soft_info_nce(one, other, teacher.log_scale.detach().exp(), matches).backward()
            torch.nn.utils.clip_grad_norm_(teacher.text_parameters(), options.clip_norm or torch.inf)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


def _run_epoch(
    teacher: TrainableTeacher,
    trainee: Trainee,
    views: Views,
    captions: Captions,
    options: PretrainOptions,
    accelerator: Accelerator,
    companions: Companions | None,
    seed: int,
    epoch: int,
    counter: Progress,
) -> dict[str, float]:
    """Every clip but a rest smaller than a batch; returns the epoch's means and what tells a stuck training."""
    optimizer = trainee.optimizer
    began, data_seconds = time.perf_counter(), 0.0
    batches = epoch_batches(len(views), options.batch_size, seed, epoch, companions=companions)
    rows = []
    for number, batch in enumerate(batches):
        step = epoch * len(batches) + number
        lr = set_learning_rate(optimizer, step, options.epochs * len(batches), options)
        seed_step(seed, step)
        trainee.statistics.before(step)
        started = time.perf_counter()
        waveforms = torch.from_numpy(views.batch([(int(index), epoch) for index in batch])).to(accelerator.device)
        matches = matching(views, captions, batch, epoch).to(accelerator.device)
        data_seconds += time.perf_counter() - started
        with accelerator.autocast():
            audio = teacher.encode_audio(waveforms)
        with accelerator.autocast(), torch.set_grad_enabled(not options.lock_text):
            text = teacher.encode_text([captions.draw(int(index), seed, epoch) for index in batch])
        scale = teacher.log_scale.exp()
        loss = soft_info_nce(audio.float(), text.float(), scale, matches, options.hard_negatives)
        accelerator.backward(loss)
        if options.clip_norm:
            accelerator.clip_grad_norm_(teacher.parameters(), options.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            teacher.log_scale.clamp_(max=math.log(options.logit_scale_max))
        if trainee.ema:
            trainee.ema.update(teacher, step)
        counter.update()
        rows.append([loss.item(), floor(matches), len(batch), *_spread(audio, text, scale)])
    means = np.mean(rows, axis=0)
    if not np.isfinite(means[0]):
        raise TinyclapError(NOT_FINITE.format(loss=means[0], epoch=epoch + 1))
    names = ("loss", "loss_floor", "batch", "logit_sd", "audio_cosine", "text_cosine")
    measured = dict(zip(names, means.tolist(), strict=True))
    return measured | {
        "steps": (epoch + 1) * len(batches),
        "logit_scale": teacher.logit_scale,
        "lr": lr,
        "seconds": time.perf_counter() - began,
        "data_seconds": data_seconds,
    }


def matching(views: Views, captions: Captions, batch: np.ndarray, k: int) -> Tensor:
    """How much each sound of a batch matches each caption of the batch: float32 (B, B), every row summing to 1."""
    same, groups = captions.alike(batch), captions.groups
    matches = same / same.sum(1, keepdims=True)
    for row, index in enumerate(batch):
        view = views.draw(int(index), k)
        if view.other is None:
            continue
        others = groups[batch] == groups[view.other.index]
        if others.any():
            matches[row] = (1.0 - view.other_share) * matches[row] + view.other_share * others / others.sum()
    return torch.from_numpy(matches.astype(np.float32))


def floor(matches: Tensor) -> float:
    """The lowest loss that these matches allow: the mean entropy of their rows and columns."""
    by_text = matches.T / matches.T.sum(1, keepdim=True)
    entropies = [-(rows * rows.clamp_min(1e-12).log()).sum(1).mean() for rows in (matches, by_text)]
    return float((entropies[0] + entropies[1]) / 2)


@torch.no_grad()
def _spread(audio: Tensor, text: Tensor, scale: Tensor) -> tuple[float, float, float]:
    """Standard deviation of the logits, and the mean cosine between different sounds and between different texts."""
    logit_sd = (scale * audio @ text.T).float().std().item()
    apart = ~torch.eye(len(audio), dtype=torch.bool, device=audio.device)
    return logit_sd, (audio @ audio.T)[apart].mean().item(), (text @ text.T)[apart].mean().item()


def diagnose(row: dict[str, float]) -> str | None:
    """Why a contrastive loss sits at ln(batch), the loss of guessing; None while it does not.

    Args:
        row: one epoch's metrics: loss, batch, steps, logit_sd, audio_cosine, text_cosine, logit_scale.
    """
    chance = math.log(row["batch"])
    if abs(row["loss"] / chance - 1.0) > STUCK_SHARE:
        return None
    message = f"the loss {row['loss']:.3f} sits at ln(batch) = {chance:.3f}, the loss of guessing: "
    collapsed = [name for name in ("audio", "text") if row[f"{name}_cosine"] > COLLAPSED_COSINE]
    if collapsed:
        return message + (
            f"the {' and '.join(collapsed)} tower gives every input the same embedding (mean cosine "
            f"{max(row[f'{name}_cosine'] for name in collapsed):.3f}); lower its learning rate, lengthen "
            "training.warmup_share, or check that its inputs differ"
        )
    if row["logit_sd"] < UNIFORM_LOGIT_SD:
        return message + (
            f"the logits hardly differ (standard deviation {row['logit_sd']:.2g}), so softmax is uniform; raise "
            f"training.logit_scale_init (the scale is {row['logit_scale']:.3g}, with which no towers come below "
            f"{lowest_info_nce(row['logit_scale'], round(row['batch'])):.3f}; CLIP starts at 14.3)"
        )
    if row["steps"] < PATIENT_STEPS:
        return None
    return (
        message
        + "the towers have not met; if this lasts, raise training.lr or check that captions belong to their clips"
    )
