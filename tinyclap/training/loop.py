"""What both training loops need: schedule, optimiser, weight averaging, checkpoints, metrics, merged statistics."""

import json
import math
import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import GradScaler, Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tinyclap.common.files import write_text
from tinyclap.errors import TinyclapError

NOT_FINITE = "the loss is {loss} in epoch {epoch}; lower training.lr or set training.precision=no"


@dataclass(frozen=True)
class Options:
    """How to train; the fields of a recipe's `training` section that both tasks share."""

    epochs: int
    batch_size: int
    lr: float
    micro_batches: int = 1
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    schedule: str = "cosine"
    warmup_share: float = 0.05
    ema: float = 0.999
    clip_norm: float = 1.0
    precision: str = "no"
    checkpoint_every: int = 1


def build_accelerator(precision: str, device: str | None = None) -> Accelerator:
    """Device, mixed precision and processes as `accelerate` finds them (`device="cpu"` forces the CPU)."""
    # Statistics are averaged once an epoch by average_over_processes, not overwritten by the first process's.
    buffers = DistributedDataParallelKwargs(broadcast_buffers=False)
    # The others wait while the first process decodes and lets a big teacher listen, which may take hours.
    patience = InitProcessGroupKwargs(timeout=timedelta(days=7))
    accelerator = Accelerator(mixed_precision=precision, cpu=device == "cpu", kwargs_handlers=[buffers, patience])
    if precision == "fp16" and accelerator.device.type == "cpu":
        raise TinyclapError("training.precision=fp16 needs a GPU; set training.precision to no or bf16")
    return accelerator


def learning_rate(step: int, total: int, options: Options, peak: float) -> float:
    """Linear warm-up to `peak`, then half a cosine down to zero (or constant), for step 0 <= step < total."""
    warmup = round(options.warmup_share * total)
    if step < warmup:
        return peak * (step + 1) / warmup
    if options.schedule == "constant":
        return peak
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def build_optimizer(groups: Iterable[tuple[Iterable[nn.Parameter], float]], options: Options) -> torch.optim.Optimizer:
    """Adam or AdamW over (parameters, peak learning rate) groups; vectors and scalars are not decayed."""
    rows = []
    for parameters, lr in groups:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        matrices = [parameter for parameter in trained if parameter.ndim > 1]
        vectors = [parameter for parameter in trained if parameter.ndim <= 1]
        rows.append({"params": matrices, "lr": lr, "peak": lr, "weight_decay": options.weight_decay})
        rows.append({"params": vectors, "lr": lr, "peak": lr, "weight_decay": 0.0})
    rows = [row for row in rows if row["params"]]
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[options.optimizer](rows)


def set_learning_rate(optimizer: torch.optim.Optimizer, step: int, total: int, options: Options) -> float:
    """Set every group's rate for this step; returns the first group's."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, total, options, group["peak"])
    return float(optimizer.param_groups[0]["lr"])


def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Full batches of a fresh order of range(n); fewer clips than a batch are repeated to fill one."""
    order = np.random.default_rng([seed, epoch]).permutation(n)
    if n < batch_size:
        order = np.resize(order, batch_size)
    return [order[first : first + batch_size] for first in range(0, len(order) - batch_size + 1, batch_size)]


def seed_step(seed: int, step: int, part: int = 0) -> None:
    """Seed torch for one micro-batch of a step, so that dropout depends on nothing else and needs no saving."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step, part]).generate_state(1, np.uint64)[0] >> 1))


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """The part of a model's state that training changes: all but its frozen parameters."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


def load_trained_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put a `trained_state` back; its keys must be exactly those that training changes."""
    model.load_state_dict({**model.state_dict(), **state})


class Ema:
    """Exponential moving average of the weights and statistics that training changes; its decay warms up."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.state = {name: tensor.clone() for name, tensor in trained_state(model).items()}
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards `model` after step `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        current = model.state_dict()
        for name, average in self.state.items():
            if average.dtype.is_floating_point:
                average.lerp_(current[name], 1.0 - decay)
            else:
                average.copy_(current[name])

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up a saved `state`."""
        for name, average in self.state.items():
            average.copy_(state[name])

    def write_into(self, model: nn.Module) -> None:
        """Give the model the averaged weights."""
        load_trained_state(model, self.state)


class RunningStatistics:
    """BatchNorm's running statistics in the first steps: plain means of the batches so far.

    With the momentum alone they would begin at mean 0 and variance 1, which a short training never leaves behind.
    """

    def __init__(self, model: nn.Module) -> None:
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        self._momenta = [(norm, norm.momentum) for norm in norms if norm.momentum is not None]

    def before(self, step: int) -> None:
        """Prepare for step `step` (from 0)."""
        for norm, momentum in self._momenta:
            norm.momentum = max(momentum, 1.0 / (step + 1))


@dataclass(frozen=True)
class Trainee:
    """What is trained, as `accelerate` prepared it, and what follows its weights."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    ema: Ema | None
    statistics: RunningStatistics


def average_over_processes(tensors: Iterable[Tensor], accelerator: Accelerator) -> None:
    """Average BatchNorm's running statistics, which each process gathered from its own micro-batches."""
    if accelerator.num_processes == 1:
        return
    for tensor in tensors:
        if tensor.dtype.is_floating_point:
            tensor.copy_(accelerator.reduce(tensor, reduction="mean"))


def snapshot(
    epoch: int,
    model: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    ema: Ema | None,
    scaler: GradScaler | None = None,
) -> dict[str, Any]:
    """All that a training needs to go on after `epoch` epochs; `scaler` is that of training.precision=fp16."""
    return {
        "epoch": epoch,
        "model": dict(model),
        "optimizer": optimizer.state_dict(),
        "ema": ema.state if ema else None,
        "scaler": scaler.state_dict() if scaler else None,
    }


def restore(
    state: Mapping[str, Any],
    optimizer: torch.optim.Optimizer,
    ema: Ema | None,
    scaler: GradScaler | None = None,
) -> None:
    """Put back what a `snapshot` holds besides the model."""
    optimizer.load_state_dict(state["optimizer"])
    if ema:
        ema.load(state["ema"])
    if scaler:
        scaler.load_state_dict(state["scaler"])


class Checkpoint:
    """The one newest state of a training, replaced whole; metrics after it are dropped when it is taken up again."""

    def __init__(self, run: Path) -> None:
        self.path = run / "checkpoints" / "last.pt"
        self.metrics_path = run / "metrics.jsonl"

    def save(self, state: dict[str, Any]) -> None:
        """Write tensors and plain values; a kill at any moment leaves the old state or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".new")
        try:
            with temporary.open("wb") as stream:
                torch.save(state, stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self.path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def load(self) -> dict[str, Any] | None:
        """The saved state, or None."""
        if not self.path.is_file():
            return None
        try:
            return torch.load(self.path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise TinyclapError(f"{self.path} is damaged ({reason}); start again with --overwrite") from error

    def keep_metrics(self, epochs: int) -> None:
        """Drop the metrics of epochs that are going to be run again."""
        write_text(self.metrics_path, "".join(row + "\n" for row in self._metrics()[:epochs]))

    def spent_s(self) -> float:
        """Seconds that the finished epochs of `metrics.jsonl` took."""
        try:
            whole = [json.loads(row) for row in self._metrics() if row.endswith("}")]  # a kill may leave half a row
            return float(sum(row["seconds"] for row in whole))
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged_metrics(error) from error

    def _metrics(self) -> list[str]:
        try:
            return self.metrics_path.read_text(encoding="utf-8").splitlines() if self.metrics_path.is_file() else []
        except UnicodeDecodeError as error:
            raise self._damaged_metrics(error) from error

    def _damaged_metrics(self, error: Exception) -> TinyclapError:
        reason = f"{type(error).__name__}: {error}"
        return TinyclapError(
            f"{self.metrics_path} is damaged ({reason}); remove it and resume: only the report's past epochs are lost"
        )

    def add_metrics(self, row: dict[str, Any]) -> None:
        """Append one epoch."""
        with self.metrics_path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")


def micro_batches(batch: np.ndarray, count: int, accelerator: Accelerator) -> Sequence[np.ndarray]:
    """This process's share of a batch: `count` equal micro-batches (or one for each process) dealt out in turn."""
    processes = accelerator.num_processes
    count = max(count, processes)
    if count % processes or len(batch) % count:
        raise TinyclapError(
            f"{len(batch)} clips in {count} micro-batches cannot be dealt out evenly to {processes} processes; make "
            f"training.micro_batches a multiple of {processes}, and training.batch_size one of training.micro_batches"
        )
    return np.split(batch, count)[accelerator.process_index :: processes]
