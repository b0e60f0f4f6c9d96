"""Blocks whose inner results are computed again on the way back, instead of being kept: less memory, more time.

Gradient checkpointing (Chen et al., arXiv 1604.06174), of which a training must not notice anything else: dropout draws
the same numbers again, and BatchNorm's running statistics see each batch once.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


class Recomputing(nn.Module):
    """A network of blocks that may be `recomputed`.

    Attributes:
        recompute: whether they are, while it is trained.
    """

    recompute = False


def set_recompute(model: nn.Module, on: bool) -> None:
    """Say of all `Recomputing` parts of a model whether their blocks are recomputed."""
    for module in model.modules():
        if isinstance(module, Recomputing):
            module.recompute = on


def recomputed(block: nn.Module, *inputs: Tensor) -> Tensor:
    """What `block(*inputs)` gives; for the way back nothing but the inputs is kept."""
    if not torch.is_grad_enabled():
        plain: Tensor = block(*inputs)
        return plain
    made: Tensor = checkpoint(
        block, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _counted_before(block))
    )
    return made


@contextmanager
def _counted_before(block: nn.Module) -> Iterator[None]:
    """Within it, batches are normalised as ever and leave the running statistics of a block as they are.

    They are still handed to the normalisation, which keeps them for the way back as it did the first time.
    """
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, count in before:
            norm.momentum, norm.num_batches_tracked = momentum, count
