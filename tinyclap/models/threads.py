"""How torch's threads share the work.

Threads that share one product of matrices wait for each other hundreds of times in a pass. Beside another process that
one may have no core meanwhile, and the pass takes several times as long; parts that share nothing wait once
(benchmarks/results/neighbour.json).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Part = TypeVar("Part")
Made = TypeVar("Made")

MACS_A_THREAD = 4e9  # of a step, below which a second thread costs more beside a neighbour than it brings without one
MOST_AT_ONCE = 4  # parts; bounds memory


@contextmanager
def threads_for(macs: float) -> Iterator[None]:
    """As many of torch's threads as a step of so many MACs can use, unless OMP_NUM_THREADS says how many."""
    wanted = max(1, min(torch.get_num_threads(), round(macs / MACS_A_THREAD)))
    with _threads(torch.get_num_threads() if "OMP_NUM_THREADS" in os.environ else wanted):
        yield


def in_threads(compute: Callable[[Part], Made], parts: Sequence[Part]) -> list[Made]:
    """What `compute` makes of each part, in order; several at a time without gradients, each in a thread of its own.

    Together they take as many threads as torch takes for one operation.
    """
    threads = torch.get_num_threads()
    at_once = min(len(parts), threads, MOST_AT_ONCE)
    if at_once < 2 or torch.is_grad_enabled():
        return [compute(part) for part in parts]

    def begin() -> None:
        torch.set_num_threads(threads // at_once)

    with _threads(threads), ThreadPoolExecutor(at_once, initializer=begin) as pool:
        return list(pool.map(torch.no_grad()(compute), parts))


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
