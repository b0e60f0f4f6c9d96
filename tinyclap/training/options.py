"""How to train."""

from dataclasses import dataclass


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
