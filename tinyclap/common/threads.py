"""How many threads compute together, and how they wait for each other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

SPIN_COUNT = "GOMP_SPINCOUNT"
SPINS = 10_000  # some tens of microseconds
MACS_A_THREAD = 1e9  # of a training step, below which a second thread costs more than it brings beside a neighbour
CHOSEN = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", SPIN_COUNT)


def spin_briefly() -> None:
    """Let threads that wait yield their core soon, unless the environment says otherwise; before torch is imported.

    By default GNU OpenMP's threads spin for milliseconds in every parallel region until the last one is done. Beside
    another process that one may have no core meanwhile, and a training step takes ten times as long
    (benchmarks/results/neighbour.json).
    """
    if not any(name in os.environ for name in CHOSEN):
        os.environ[SPIN_COUNT] = str(SPINS)


@contextmanager
def threads_for(macs: float) -> Iterator[None]:
    """As many of torch's threads as a step of so many MACs can use, unless OMP_NUM_THREADS says how many.

    A small step takes hardly longer with one thread, and then a neighbour does not slow it down.
    """
    import torch

    before = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, min(before, round(macs / MACS_A_THREAD))))
    try:
        yield
    finally:
        torch.set_num_threads(before)
