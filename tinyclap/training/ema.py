"""What follows the weights while they are trained: their moving average, and BatchNorm's first statistics."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


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

    Args:
        model: that has them.
        is_new: False for a model that was trained before, whose statistics go on by their momentum.
    """

    def __init__(self, model: nn.Module, *, is_new: bool = True) -> None:
        self._is_new = is_new
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        self._momenta = [(norm, norm.momentum) for norm in norms if norm.momentum is not None]

    def before(self, step: int, part: int = 0, parts: int = 1) -> None:
        """Prepare for a part of step `step` (both from 0); the parts of a step count together as one batch."""
        for norm, momentum in self._momenta:
            share = (max(momentum, 1.0 / (step + 1)) if self._is_new else momentum) / parts
            norm.momentum = share / (1.0 - (parts - 1 - part) * share)

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Within it, batches are normalised as ever and leave no trace in the running statistics."""
        tracking = [norm for norm, _ in self._momenta if norm.track_running_stats]
        for norm in tracking:
            norm.track_running_stats = False
        try:
            yield
        finally:
            for norm in tracking:
                norm.track_running_stats = True
