"""What every training loop shares: seeds, and what is trained."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tinyclap.training.ema import Ema, RunningStatistics

NOT_FINITE = "the loss is {loss} in epoch {epoch}; lower training.lr or set training.precision=no"


def seed_step(seed: int, step: int, *part: int) -> None:
    """Seed torch for one micro-batch of a step, so that dropout depends on nothing else and needs no saving."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step, *(part or (0,))]).generate_state(1, np.uint64)[0] >> 1))


@dataclass(frozen=True)
class Trainee:
    """What is trained, as `accelerate` prepared it, and what follows its weights."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    ema: Ema | None
    statistics: RunningStatistics
