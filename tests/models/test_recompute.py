"""Blocks that are computed again on the way back: the same gradients and statistics bit for bit, in less memory."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.support.tiny_texts import text_student
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.recompute import set_recompute
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig

FRONTEND = FrontendSpec(sample_rate=8000, n_fft=256, win_length=256, hop_length=160, n_mels=24, f_max=4000)


def student(alpha: float = 0.3) -> Student:
    torch.manual_seed(0)
    shape = PhiNetConfig(alpha=alpha, dropout=0.2)
    return Student(StudentConfig(FRONTEND, shape, features=32, embed_dim=16, window_s=1.0)).train()


class Live(TorchDispatchMode):
    """The most bytes of tensors that were alive at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                self.alive[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self.alive = {key: entry for key, entry in self.alive.items() if not entry[0].expired()}
        self.most = max(self.most, sum(size for _, size in self.alive.values()))
        return result


def steps(model: nn.Module, encode: Callable[[], Tensor], count: int = 2) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Gradients after some steps, in each of which dropout draws anew, and the state with its running statistics."""
    for step in range(count):
        torch.manual_seed(step)
        encode().square().sum(0).max().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    return [gradient for gradient in gradients if gradient is not None], model.state_dict()


def encoded(model: Any, given: Tensor, bf16: bool) -> Tensor:
    """As the training encodes: what goes back does so outside of the lower precision."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        made: Tensor = model.encode(given)
    return made


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("kind", ["ears", "words"])
def test_gradients_and_statistics_are_the_same_bit_for_bit(kind: str, bf16: bool) -> None:
    told = []
    for on in (False, True):
        if kind == "ears":
            model: Any = student()
            given = torch.randn(4, 1, 50, 24, generator=torch.Generator().manual_seed(1)) * 20
        else:
            model = text_student()
            given = model.tokens(["a dog barks", "rain falls on a roof"])
        model.train()
        set_recompute(model, on)
        told.append(steps(model, partial(encoded, model, given, bf16)))
    (plain, state), (again, same) = told
    assert all(torch.equal(one, other) for one, other in zip(plain, again, strict=True))
    assert state.keys() == same.keys()
    assert all(torch.equal(state[key], same[key]) for key in state)
    if kind == "ears":
        assert {int(value) for key, value in same.items() if key.endswith("num_batches_tracked")} == {2}


def test_it_takes_less_memory() -> None:
    most = []
    for on in (False, True):
        model, given = student(alpha=1.0), torch.randn(8, 1, 200, 24)
        set_recompute(model, on)
        with Live() as live:
            model.encode(given).sum().backward()
        most.append(live.most)
    assert most[1] < 0.6 * most[0], most


def test_without_gradients_or_outside_of_training_nothing_changes() -> None:
    model = student()
    given = torch.randn(2, 1, 50, 24)
    wanted = model.eval().encode(given)
    set_recompute(model, True)
    assert torch.equal(model.encode(given), wanted)
    told = []
    for on in (False, True):
        other = student()
        set_recompute(other, on)
        torch.manual_seed(3)
        with torch.no_grad():
            told.append(other.encode(given))
    assert torch.equal(*told)
