"""How many threads a training step takes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

MACS_A_THREAD = 1e9  # of a step, below which a second thread costs more beside a neighbour than it brings without one


@contextmanager
def threads_for(macs: float) -> Iterator[None]:
    """As many of torch's threads as a step of so many MACs can use, unless OMP_NUM_THREADS says how many.

    A small step takes hardly longer with one thread, and then a neighbour does not slow it down.
    """
    before = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, min(before, round(macs / MACS_A_THREAD))))
    try:
        yield
    finally:
        torch.set_num_threads(before)
