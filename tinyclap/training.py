"""What both training loops need: schedule, optimiser, weight averaging, checkpoints, metrics, merged statistics."""

import copy
import json
import math
import os
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from tinyclap.errors import TinyclapError
from tinyclap.files import write_text


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


class Ema:
    """Exponential moving average of a model's weights and statistics, with a decay that warms up."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards `model` after step `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1.0 - decay)
            else:
                mine.copy_(theirs)


def average_statistics(model: nn.Module, accelerator: Accelerator) -> None:
    """Average the BatchNorm running statistics of all processes (on CPU each process gathers its own)."""
    if accelerator.num_processes == 1:
        return
    for buffer in model.buffers():
        if buffer.dtype.is_floating_point:
            buffer.copy_(accelerator.reduce(buffer, reduction="mean"))


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
        rows = self.metrics_path.read_text(encoding="utf-8").splitlines() if self.metrics_path.is_file() else []
        write_text(self.metrics_path, "".join(row + "\n" for row in rows[:epochs]))

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
