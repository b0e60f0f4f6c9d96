"""Multiply-accumulates against counts by hand."""

import pytest
import torch
from torch import Tensor, nn

from tinyclap.errors import TinyclapError
from tinyclap.hardware.traced_costs import count_macs, n_parameters
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student import Student
from tinyclap.models.student_config import REFERENCE, Head, Pooling, StudentConfig


def macs(module: nn.Module, *shape: int) -> int:
    return count_macs(module, module, torch.zeros(shape))


def test_convolutions_by_hand() -> None:
    # outputs x inputs per output: 8 channels of 10 x 7 positions, 3 channels of 3 x 5 taps
    assert macs(nn.Conv2d(3, 8, (3, 5), padding=(1, 2)), 1, 3, 10, 7) == 8 * 10 * 7 * 3 * 3 * 5
    assert macs(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), 1, 3, 10, 7) == 8 * 5 * 4 * 3 * 9
    assert macs(nn.Conv2d(6, 6, 3, padding=1, groups=6), 1, 6, 10, 7) == 6 * 10 * 7 * 9
    assert macs(nn.Conv2d(4, 5, 1), 1, 4, 10, 7) == 5 * 10 * 7 * 4


def test_linear_layers_and_matrix_products_by_hand() -> None:
    assert macs(nn.Linear(12, 5), 1, 12) == 5 * 12
    assert macs(nn.Linear(12, 5, bias=False), 1, 9, 12) == 9 * 5 * 12
    identity = nn.Identity()
    assert count_macs(identity, lambda x: x @ x.transpose(1, 2), torch.zeros(1, 7, 3)) == 7 * 7 * 3
    assert count_macs(identity, lambda x: torch.bmm(x, x.transpose(1, 2)), torch.zeros(1, 7, 3)) == 7 * 7 * 3


def test_attention_by_hand() -> None:
    """Two texts of 3 heads: 5 queries of 4 numbers, 7 keys of 4, 7 values of 6."""

    def attend(x: Tensor) -> Tensor:
        query, key, value = x[..., :5, :4], x[..., :4], x
        return torch.nn.functional.scaled_dot_product_attention(query, key, value)

    assert count_macs(nn.Identity(), attend, torch.zeros(2, 3, 7, 6)) == 2 * 3 * 5 * 7 * (4 + 6)


def test_looking_rows_up_costs_nothing() -> None:
    net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 3))
    assert count_macs(net, net, torch.tensor([[1, 2]])) == 2 * 4 * 3


def test_a_small_net_by_hand_whatever_lies_between() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False),  # 16 x 8 -> 8 x 4 positions
        nn.BatchNorm2d(4),
        nn.Hardswish(),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(4, 10),
    )
    assert macs(net, 1, 1, 16, 8) == 4 * 8 * 4 * 9 + 4 * 8 * 4 * 9 + 4 * 10
    assert n_parameters(net) == 4 * 9 + 8 + (4 * 9 + 4) + (4 * 10 + 10)


def test_doubling_the_input_doubles_the_count() -> None:
    net = nn.Conv2d(1, 4, 3, padding=1)
    assert macs(net, 1, 1, 32, 8) == 2 * macs(net, 1, 1, 16, 8)


class Unlisted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cumsum(self.linear(x), 1).erf()


def test_an_operator_nobody_decided_on_is_an_error() -> None:
    with pytest.raises(TinyclapError, match=r"cannot count the MACs of cumsum, erf; add them to traced_costs\.py"):
        macs(Unlisted(), 1, 8)


def test_the_reference_student_costs_what_was_measured_of_the_original() -> None:
    """356.7 MMAC for 690 frames and 4,434,547 parameters, by fvcore on the original code with random weights."""
    student = Student(REFERENCE)
    logmel = torch.zeros(1, 1, 690, 64)
    assert count_macs(student, student.encode, logmel) == pytest.approx(356.7e6, rel=1e-3)
    assert n_parameters(student) == 4_434_547


@pytest.mark.parametrize("head", ["linear", "projection"])
@pytest.mark.parametrize("pooling", ["mean", "mean_max", "mels"])
def test_every_student_can_be_counted(head: Head, pooling: Pooling) -> None:
    student = Student(StudentConfig(phinet=PhiNetConfig(alpha=0.35), head=head, pooling=pooling))
    logmel = torch.zeros(1, 1, 251, 64)
    total = count_macs(student, student.encode, logmel)
    trunk = count_macs(student, student.trunk, logmel)
    assert 0 < trunk < total


def test_counting_changes_nothing() -> None:
    student = Student(StudentConfig(phinet=PhiNetConfig(alpha=0.35))).train()
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    count_macs(student, student.encode, torch.zeros(1, 1, 251, 64))
    assert all(torch.equal(tensor, before[name]) for name, tensor in student.state_dict().items())
    assert student.training
    assert all(parameter.grad is None for parameter in student.parameters())


class Mindful(nn.Linear):
    """A layer that keeps what it saw, as Swin's layers of transformers keep the size of their windows."""

    seen: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        return super().forward(x)


@pytest.mark.parametrize("width", [4, 7])
def test_counting_leaves_a_model_as_it_was(width: int) -> None:
    layer, dropout, seen = Mindful(4, 5), nn.Dropout(0.5), torch.zeros(1, 4)
    net = nn.Sequential(layer, dropout)
    net(seen)
    dropout.eval()
    if width == 4:
        assert macs(net, 1, width) == 20
    else:
        with pytest.raises(RuntimeError):
            macs(net, 1, width)
    assert layer.seen is seen
    assert (net.training, layer.training, dropout.training) == (True, True, False)
