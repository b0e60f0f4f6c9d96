"""Zipformer's parts, by hand; tests/teachers/test_clsp.py compares the whole with the original."""

import math

import pytest
import torch

from tinyclap.models import zipformer
from tinyclap.models.zipformer_layer import Bypass, by_offset


def test_offsets_are_those_between_places() -> None:
    """[i, j] of the result is column (size - 1) + j - i of what it is made of."""
    size = 5
    scores = torch.arange(2 * size - 1.0).expand(2, 3, size, 2 * size - 1)
    places = torch.arange(size)
    wanted = (size - 1 + places[None] - places[:, None]).float().expand(2, 3, size, size)
    assert torch.equal(by_offset(scores), wanted)


def test_positions_are_antisymmetric_and_told_apart() -> None:
    encoding = zipformer.relative_positions(6, 8, torch.zeros(1))
    assert encoding.shape == (11, 8)
    torch.testing.assert_close(encoding[:, 0], encoding.flip(0)[:, 0])  # cosines
    torch.testing.assert_close(encoding[:, 1], -encoding.flip(0)[:, 1])  # sines
    assert torch.equal(encoding[:, -1], torch.ones(11))
    angle = math.atan(math.sqrt(8) * (math.log(1 + math.sqrt(8)) - math.log(math.sqrt(8))) * 2 * math.pi / 8)
    assert encoding[6, 1].item() == pytest.approx(math.sin(angle), abs=1e-6)  # offset 1


def test_groups_end_where_a_clip_ends() -> None:
    """A clip of 5 frames among 7: its last group is filled up with its own last frame."""
    downsample = zipformer.Downsample(4)
    x = torch.arange(14.0).reshape(1, 7, 2)
    alone = downsample(x[:, :5], None)
    torch.testing.assert_close(downsample(x, torch.tensor([5])), alone)
    torch.testing.assert_close(alone[0, :, 0], torch.tensor([3.0, 8.0]))  # means of 0 2 4 6, and of 8 8 8 8


def test_a_bypass_lies_between_its_ends() -> None:
    bypass = Bypass(2)
    bypass.load_state_dict({"bypass_scale": torch.tensor([0.0, 1.0])})
    assert bypass(torch.zeros(1, 1, 2), torch.ones(1, 1, 2)).tolist() == [[[0.0, 1.0]]]
