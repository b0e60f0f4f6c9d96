"""What every training loop shares: the order of clips, seeds, and what is trained."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tinyclap.training.ema import Ema, RunningStatistics

NOT_FINITE = "the loss is {loss} in epoch {epoch}; lower training.lr or set training.precision=no"


def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Full batches of a fresh order of range(n); fewer clips than a batch are repeated to fill one."""
    order = np.random.default_rng([seed, epoch]).permutation(n)
    if n < batch_size:
        order = np.resize(order, batch_size)
    return [order[first : first + batch_size] for first in range(0, len(order) - batch_size + 1, batch_size)]


def seed_step(seed: int, step: int, part: int = 0) -> None:
    """Seed torch for one micro-batch of a step, so that dropout depends on nothing else and needs no saving."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step, part]).generate_state(1, np.uint64)[0] >> 1))


@dataclass(frozen=True)
class Trainee:
    """What is trained, as `accelerate` prepared it, and what follows its weights."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    ema: Ema | None
    statistics: RunningStatistics
