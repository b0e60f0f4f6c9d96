"""A network behind a log-mel front end, with a name: what a baseline is."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.teachers.base import AudioTower
from tinyclap.teachers.htsat import stretching


class Encoder(AudioTower):
    """An audio tower of random weights.

    Args:
        name: for tables.
        spec: of the front end.
        window_s: that it hears at once, seconds.
        network: decibels (B, 1, frames, n_mels) to (B, embed_dim).
        embed_dim: of the result.
    """

    licence = "none: random weights"

    def __init__(self, name: str, spec: FrontendSpec, window_s: float, network: nn.Module, embed_dim: int) -> None:
        super().__init__()
        self.name, self.window_s, self.embed_dim = name, window_s, embed_dim
        self.frontend, self.sample_rate = LogMel(spec), spec.sample_rate
        self.network = network
        self.eval().requires_grad_(False)

    def before_tracing(self) -> nn.Module | None:
        return next(filter(None, map(stretching, self.network.modules())), None)

    def encode_logmel(self, logmel: Tensor) -> Tensor:
        return functional.normalize(self.network(logmel), dim=-1)


class Calls(nn.Module):
    """A module whose forward is a function of another module."""

    def __init__(self, module: nn.Module, function: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.module, self.function = module, function

    def forward(self, logmel: Tensor) -> Tensor:
        return self.function(self.module, logmel)
