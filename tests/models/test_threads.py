"""Small steps take one thread; parts that share nothing take one each."""

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from tinyclap.models.long_audio import embed_long, repeat_pad
from tinyclap.models.threads import in_threads, threads_for


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    assert torch.get_num_threads() == 4
    torch.set_num_threads(before)


@pytest.mark.parametrize(("macs", "threads"), [(3e8, 1), (5e9, 1), (8e9, 2), (1e12, 4)])
def test_a_step_takes_the_threads_that_it_can_use(monkeypatch: pytest.MonkeyPatch, macs: float, threads: int) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with threads_for(macs):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    with threads_for(macs):
        assert torch.get_num_threads() == 4


@pytest.mark.parametrize(("parts", "at_once", "each"), [(1, 1, 4), (2, 2, 2), (3, 3, 1), (9, 4, 1)])
def test_parts_share_the_threads_and_keep_their_order(parts: int, at_once: int, each: int) -> None:
    together = threading.Barrier(at_once)

    def told(part: int) -> tuple[int, int, bool]:
        if part < at_once:
            together.wait(timeout=60)
        return part, torch.get_num_threads(), torch.is_grad_enabled()

    with torch.no_grad():
        assert in_threads(told, range(parts)) == [(part, each, False) for part in range(parts)]
    assert torch.get_num_threads() == 4


def test_with_gradients_there_is_one_part_after_the_other() -> None:
    here = threading.get_ident()
    assert in_threads(lambda _: threading.get_ident(), range(3)) == [here] * 3


def test_a_part_that_fails_ends_it() -> None:
    with torch.no_grad(), pytest.raises(ZeroDivisionError):
        in_threads(lambda part: 1 // part, range(3))


@torch.no_grad()
def test_an_embedding_is_the_same_with_any_number_of_threads() -> None:
    weight = torch.randn(100, 8, generator=torch.Generator().manual_seed(0))

    def encode(windows: Tensor) -> Tensor:
        return torch.nn.functional.normalize((windows @ weight).relu(), dim=-1)

    def embedded() -> Tensor:
        return embed_long(clips, None, encode, window=100, pad=lambda clip: repeat_pad(clip, 100))

    clips = 0.1 * torch.randn(5, 730, generator=torch.Generator().manual_seed(1))
    several = embedded()
    torch.set_num_threads(1)
    one = embedded()
    torch.set_num_threads(4)
    assert torch.equal(several, one)
