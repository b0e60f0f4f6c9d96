"""What every training loop shares: seeds, what is trained, how fast."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
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


def throughput(clips: int, seconds: float, data_seconds: float, accelerator: Accelerator) -> dict[str, Any]:
    """What an epoch's row tells of its speed: by all processes together, and where there are several, by each.

    Args:
        clips: that this process trained on.
        seconds: of the epoch.
        data_seconds: in which this process waited for its data.
        accelerator: of the training.
    """
    mine = torch.tensor([[clips, seconds, data_seconds]], dtype=torch.float32, device=accelerator.device)
    each = accelerator.gather(mine).cpu().double()
    own_clips, own_seconds, waited = each.unbind(1)
    told = {
        "seconds": seconds,
        "data_seconds": data_seconds,
        "clips_per_s": float(own_clips.sum() / own_seconds.max()),
        "data_share": float(waited.sum() / own_seconds.sum()),
    }
    if len(each) == 1:
        return told
    rows = [
        {"clips": round(one), "clips_per_s": one / spent, "data_share": wait / spent}
        for one, spent, wait in each.tolist()
    ]
    return {**told, "processes": rows}
