"""PhiNet against its closed form (facts of arXiv 2110.00337) and its own promises."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tinyclap.errors import TinyclapError
from tinyclap.models.phinet import PhiNet
from tinyclap.models.phinet_config import (
    BlockShape,
    PhiNetConfig,
    Stride,
    block_shapes,
    expansion_factor,
    map_size,
    stem_channels,
)

REFERENCE = PhiNetConfig(alpha=1.5, beta=0.75, t0=6, depth=7, compatibility=True)
EDGE = PhiNetConfig(alpha=0.334, beta=1.0, t0=5, depth=7)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def by_hand(alpha: float, beta: float, t0: float, depth: int) -> list[tuple[int, int, int]]:
    """(in, hidden, out) channels of every block, straight from the equations."""
    widths = [24, 24, 24, 48, 48, 96, 96] + [192] * max(0, depth - 6)
    channels = [math.floor(48 * alpha)] + [math.floor(width * alpha) for width in widths[: depth + 1]]
    blocks = [(channels[0], channels[0], channels[1])]
    for k in range(1, depth + 1):
        t = t0 * ((depth - k) + beta * k) / depth
        blocks.append((channels[k], math.floor(t * channels[k] + 1e-9), channels[k + 1]))
    return blocks


class TestClosedForm:
    @pytest.mark.parametrize(
        ("alpha", "beta", "t0", "depth"),
        [
            (1.5, 0.75, 6, 7),
            (0.75, 0.75, 6, 7),
            (3.0, 0.75, 6, 7),
            (1.5, 0.75, 4, 7),
            (1.5, 0.75, 6, 8),
            (0.35, 1.0, 4, 7),
            (0.334, 1.0, 5, 7),
            (0.2, 0.5, 3.5, 5),
            (1.0, 1.3, 2.25, 3),
        ],
    )
    def test_channels_and_parameters(self, alpha: float, beta: float, t0: float, depth: int) -> None:
        config = PhiNetConfig(alpha, beta, t0, depth, compatibility=True)
        shapes = block_shapes(config)
        blocks = by_hand(alpha, beta, t0, depth)
        assert [(s.in_channels, s.hidden_channels, s.out_channels) for s in shapes] == blocks
        stem = 9 + 3 * math.floor(48 * alpha)
        first = blocks[0][1] * (blocks[0][2] + 11) + 2 * blocks[0][2]
        expanding = sum(h * (c_in + c_out + 13) + 2 * c_out for c_in, h, c_out in blocks[1:])
        assert parameters(PhiNet(config)) == stem + first + expanding
        gates = sum(2 * h * max(1, h // 6) for _, h, _ in blocks[1:])
        full = PhiNetConfig(alpha, beta, t0, depth)
        whole_stem = 11 * math.floor(48 * alpha)
        assert parameters(PhiNet(full)) == whole_stem + first + expanding + gates

    def test_the_reference_trunk(self) -> None:
        trunk = PhiNet(REFERENCE).eval()
        assert parameters(trunk) == 694_771
        assert trunk(torch.zeros(1, 1, 690, 64)).shape == (1, REFERENCE.out_channels, 22, 2) == (1, 288, 22, 2)

    def test_rounds_down_as_the_reference_does(self) -> None:
        # t(5)·72 is 372 on paper but 371.99999999999994 in the original's arithmetic, hence in its checkpoints.
        deep = PhiNetConfig(alpha=1.5, beta=0.75, t0=6, depth=9, compatibility=True)
        assert block_shapes(deep)[5].hidden_channels == 371
        assert parameters(PhiNet(deep)) == 2_292_212

    def test_the_edge_trunk_has_widths_that_vector_units_like(self) -> None:
        shapes = block_shapes(EDGE)
        assert parameters(PhiNet(EDGE)) == 65_128
        widths = [stem_channels(EDGE)] + [width for s in shapes for width in (s.hidden_channels, s.out_channels)]
        assert all(width % 8 == 0 for width in widths)

    def test_expansion_goes_from_t0_towards_beta_t0(self) -> None:
        config = PhiNetConfig(beta=0.5, t0=6.0)
        factors = [expansion_factor(config, block) for block in range(8)]
        assert factors[0] == 6.0
        assert factors[-1] == 3.0
        assert factors == pytest.approx([6 - 3 * k / 7 for k in range(8)])

    def test_map_size_with_a_wide_stem(self) -> None:
        config = PhiNetConfig(alpha=0.1, stem_stride=(4, 4), mel_strides=(3, 5))
        trunk = PhiNet(config).eval()
        for frames in range(249, 253):
            assert trunk(torch.zeros(1, 1, frames, 64)).shape[2:] == map_size(config, frames, 64)

    @pytest.mark.parametrize("compatibility", [False, True])
    @pytest.mark.parametrize(("stem_stride", "mel_strides"), [((2, 2), (1, 3, 5, 7)), ((2, 2), (1, 3)), ((2, 1), ())])
    def test_map_size(
        self, compatibility: bool, stem_stride: tuple[Stride, Stride], mel_strides: tuple[int, ...]
    ) -> None:
        config = PhiNetConfig(alpha=0.1, stem_stride=stem_stride, mel_strides=mel_strides, compatibility=compatibility)
        trunk = PhiNet(config).eval()
        for frames, n_mels in itertools.product((2, 31, 250, 251), (33, 64)):
            assert trunk(torch.zeros(1, 1, frames, n_mels)).shape[2:] == map_size(config, frames, n_mels)


class TestNetwork:
    @pytest.mark.parametrize(
        "config",
        [
            EDGE,
            PhiNetConfig(alpha=0.2, activation="relu"),
            PhiNetConfig(alpha=0.2, stem_stride=(4, 4), mel_strides=(3, 5), time_strides=(0, 3)),
            PhiNetConfig(alpha=0.2, squeeze_excite=False, activation="relu6", depth=9),
        ],
        ids=["edge", "relu", "strides", "no_gates"],
    )
    def test_every_weight_every_frame_and_every_band_counts(self, config: PhiNetConfig) -> None:
        torch.manual_seed(0)
        trunk = PhiNet(config)
        x = torch.randn(4, 1, 124, 64, requires_grad=True)
        trunk(x).square().sum().backward()
        dead = [name for name, p in trunk.named_parameters() if p.grad is None or not bool((p.grad != 0).any())]
        assert dead == []
        assert x.grad is not None
        assert bool((x.grad.abs().sum((0, 1, 2)) > 0).all())
        assert bool((x.grad.abs().sum((0, 1, 3)) > 0).all())

    def test_blocks_that_keep_the_shape_have_a_residual(self) -> None:
        trunk = PhiNet(EDGE).eval()
        kept = [block for block, shape in enumerate(block_shapes(EDGE)) if shape.residual]
        assert kept == [2, 4, 6]
        for index in kept:
            block: Any = trunk.blocks[index]
            nn.init.zeros_(block.project_norm.weight)
            x = torch.randn(1, block.shape.in_channels, 8, 8)
            assert torch.equal(block(x), x)

    def test_running_statistics_are_an_average(self) -> None:
        norms = [module for module in PhiNet(EDGE).modules() if isinstance(module, nn.BatchNorm2d)]
        assert {(norm.momentum, norm.eps) for norm in norms} == {(0.1, 1e-5)}
        theirs = [module for module in PhiNet(REFERENCE).modules() if isinstance(module, nn.BatchNorm2d)]
        assert {(norm.momentum, norm.eps) for norm in theirs} == {(0.999, 1e-3)}
        assert len(theirs) == 24

    def test_squeeze_excite_scales_channels(self) -> None:
        trunk = PhiNet(EDGE).eval()
        gate: Any = trunk.blocks[1]
        gate = gate.squeeze_excite
        x = torch.rand(2, gate.squeeze.in_channels, 5, 7) + 0.5
        ratio = gate(x) / x
        flat = ratio.mean((2, 3), keepdim=True).expand_as(ratio)
        torch.testing.assert_close(ratio, flat, rtol=1e-5, atol=0)
        assert bool(((ratio > 0) & (ratio < 1)).all())
        assert ratio.std(dim=1).max() > 0

    def test_dropout_only_while_training(self) -> None:
        trunk = PhiNet(PhiNetConfig(alpha=0.2, dropout=0.5))
        x = torch.randn(2, 1, 64, 64)

        def spread(values: Tensor, again: Tensor) -> float:
            return float((values - again).detach().abs().max())

        assert spread(trunk(x), trunk(x)) > 0
        trunk.eval()
        assert spread(trunk(x), trunk(x)) == 0


class TestConfig:
    def test_variants_fill_in_what_was_left_out(self) -> None:
        full, reference = PhiNetConfig(), PhiNetConfig(compatibility=True)
        assert (full.squeeze_excite, full.activation, full.dropout) == (True, "hardswish", 0.0)
        assert (reference.squeeze_excite, reference.activation, reference.dropout) == (False, "relu6", 0.05)
        assert PhiNetConfig(dropout=0.1, compatibility=True).dropout == 0.1

    def test_lists_become_tuples(self) -> None:
        from_json: Any = {"stem_stride": [2, 2], "time_strides": [1, 3], "mel_strides": []}
        config = PhiNetConfig(**from_json)
        assert (config.stem_stride, config.time_strides, config.mel_strides) == ((2, 2), (1, 3), ())
        assert hash(config) == hash(PhiNetConfig(time_strides=(1, 3), mel_strides=()))

    def test_shapes_are_plain_numbers(self) -> None:
        assert block_shapes(EDGE)[1] == BlockShape(8, 40, 8, 6, (2, 2), expands=True, residual=False)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"alpha": 0}, "alpha"),
            ({"alpha": "wide"}, "alpha"),
            ({"beta": -1.0}, "beta"),
            ({"t0": float("inf")}, "t0"),
            ({"depth": 2}, "depth"),
            ({"depth": 7.0}, "depth"),
            ({"squeeze_excite": "yes"}, "squeeze_excite"),
            ({"activation": "gelu"}, "activation"),
            ({"dropout": 1.0}, "dropout"),
            ({"dropout": "none"}, "dropout"),
            ({"stem_stride": (2, 3)}, "stem_stride"),
            ({"stem_stride": 2}, "stem_stride"),
            ({"time_strides": (-1,)}, "time_strides"),
            ({"mel_strides": (1.5,)}, "mel_strides"),
            ({"squeeze_excite": True, "compatibility": True}, "squeeze_excite"),
            ({"activation": "hardswish", "compatibility": True}, "activation"),
            ({"stem_stride": (4, 2), "compatibility": True}, "stem_stride"),
        ],
    )
    def test_refuses_by_name_and_value(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(TinyclapError, match=f"phinet: {field} = .* is not allowed; it must be ") as caught:
            PhiNetConfig(**changes)
        assert repr(changes[field]) in str(caught.value)
