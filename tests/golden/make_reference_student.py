"""Write reference_student.npz: what the original tinyCLAP student computes with weights that anyone can make again.

    pip install --no-deps micromind torchinfo
    PYTHONPATH=. python tests/golden/make_reference_student.py .../micromind/networks/phinet.py

Only this script needs micromind (Apache-2.0); the tests use `reference_state`, `logmel` and the .npz file.
"""

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.golden.named_weights import values

GOLDEN = Path(__file__).with_name("reference_student.npz")
# (in, hidden, out) channels of the blocks of alpha 1.5, beta 0.75, t0 6, N 7; block 0 does not expand.
BLOCKS = [
    (72, 72, 36),
    (36, 208, 36),
    (36, 200, 36),
    (36, 192, 72),
    (72, 370, 72),
    (72, 354, 144),
    (144, 678, 144),
    (144, 648, 288),
]


def reference_shapes() -> dict[str, tuple[int, ...]]:
    """The 156 tensors of the published student's checkpoint."""
    shapes = conv("base._layers.1._layers.0", 1, 1, 3) | conv("base._layers.1._layers.1", 72, 1, 1)
    shapes |= norm("base._layers.1._layers.2", 72)
    for block, (channels, hidden, out) in enumerate(BLOCKS):
        at = f"base._layers.{block + 2}._layers."
        first = 1  # after a dropout
        if block:
            shapes |= conv(f"{at}0", hidden, channels, 1) | norm(f"{at}1", hidden)
            first = 4  # after an activation and a dropout
        shapes |= conv(f"{at}{first}", hidden, 1, 3) | norm(f"{at}{first + 1}", hidden)
        shapes |= conv(f"{at}{first + 3}", out, hidden, 1) | norm(f"{at}{first + 4}", out)
    shapes |= norm("base.bn0", 64)
    shapes |= conv("base.pn_block", 2048, 288, 1) | {"base.pn_block.bias": (2048,)}
    shapes |= {"projection.linear1.weight": (1024, 2048), "projection.linear2.weight": (1024, 1024)}
    return shapes | {"projection.layer_norm.weight": (1024,), "projection.layer_norm.bias": (1024,)}


def conv(name: str, out: int, channels: int, kernel: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, channels, kernel, kernel)}


def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    vectors = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{vector}": (channels,) for vector in vectors} | {f"{name}.num_batches_tracked": ()}


def reference_state() -> dict[str, Tensor]:
    """A checkpoint of that format whose values follow from the names of the tensors."""
    return {name: torch.from_numpy(values(name, shape)) for name, shape in reference_shapes().items()}


def logmel() -> Tensor:
    """An input (1, 1, 690, 64), 5 s of decibels."""
    return torch.from_numpy(values("logmel", (1, 1, 690, 64))) * 20 - 30


class _Reference(nn.Module):
    """The student as the tinyCLAP repository puts it together around micromind's PhiNet."""

    def __init__(self, phinet: Any) -> None:
        super().__init__()
        self.base: Any = phinet((1, 640, 64), num_layers=7, alpha=1.5, beta=0.75, t_zero=6, compatibility=True)
        self.base.bn0 = nn.BatchNorm2d(64)
        self.base.pn_block = nn.Conv2d(288, 2048, 1, stride=2)
        self.projection: Any = nn.Module()
        self.projection.linear1 = nn.Linear(2048, 1024, bias=False)
        self.projection.linear2 = nn.Linear(1024, 1024, bias=False)
        self.projection.layer_norm = nn.LayerNorm(1024)

    def forward(self, decibels: Tensor) -> tuple[Tensor, Tensor]:
        feature_map = self.base(self.base.bn0(decibels.transpose(1, 3)).transpose(1, 3))
        first = self.projection.linear1(self.base.pn_block(feature_map).mean((-1, -2)))
        second = self.projection.linear2(nn.functional.gelu(first))
        return feature_map, self.projection.layer_norm(first + second)


def main() -> None:
    reference = _Reference(runpy.run_path(sys.argv[1])["PhiNet"])
    reference.load_state_dict(reference_state())
    with torch.no_grad():
        feature_map, embedding = reference.eval()(logmel())
    np.savez_compressed(GOLDEN, map_means=feature_map.mean((2, 3))[0].numpy(), embedding=embedding[0].numpy())
    print(f"{GOLDEN}: map {tuple(feature_map.shape)}, {sum(p.numel() for p in reference.parameters()):,} parameters")


if __name__ == "__main__":
    main()
