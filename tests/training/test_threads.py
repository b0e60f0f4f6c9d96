"""Small steps take one thread."""

import pytest
import torch

from tinyclap.training.threads import threads_for


@pytest.mark.parametrize(("macs", "threads"), [(3e8, 1), (1.4e9, 1), (2e9, 2), (1e12, 4)])
def test_a_step_takes_the_threads_that_it_can_use(monkeypatch: pytest.MonkeyPatch, macs: float, threads: int) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with threads_for(macs):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 4
        monkeypatch.setenv("OMP_NUM_THREADS", "4")
        with threads_for(macs):
            assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
