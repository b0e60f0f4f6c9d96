"""Models small enough for tests, in the formats of real ones."""

from collections.abc import Sequence

import torch

from tinyclap.teachers import scratch
from tinyclap.teachers.hf import HFTeacher


def tiny_clap(captions: Sequence[str], embed_dim: int) -> HFTeacher:
    """An untrained teacher in LAION's format, always the same."""
    torch.manual_seed(0)
    return scratch.new_clap(
        captions,
        embed_dim=embed_dim,
        vocab_size=300,
        text_hidden_size=32,
        text_layers=1,
        text_heads=2,
        depths=(1, 1),
        heads=(1, 2),
        patch_embeds_hidden_size=8,
        logit_scale=14.0,
        name="tiny",
    ).eval()
