"""Optimiser and learning-rate schedule."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from tinyclap.training.options import TrainingOptions


def learning_rate(step: int, total: int, options: TrainingOptions, peak: float) -> float:
    """Linear warm-up to `peak`, then half a cosine down to zero (or constant), for step 0 <= step < total."""
    warmup = round(options.warmup_share * total)
    if step < warmup:
        return peak * (step + 1) / warmup
    if options.schedule == "constant":
        return peak
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def build_optimizer(
    groups: Iterable[tuple[Iterable[nn.Parameter], float]], options: TrainingOptions
) -> torch.optim.Optimizer:
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


def set_learning_rate(optimizer: torch.optim.Optimizer, step: int, total: int, options: TrainingOptions) -> float:
    """Set every group's rate for this step; returns the first group's."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, total, options, group["peak"])
    return float(optimizer.param_groups[0]["lr"])
