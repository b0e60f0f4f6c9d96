"""How long functions take on one thread, compared fairly. No torch."""

import statistics
import time
from collections.abc import Callable, Mapping

ROUNDS = 40
WARM_UP = 5
FINEST_S = 1e-5
# The processor time of this thread leaves out what else the machine does; on Windows its clock ticks too seldom.
_now = time.thread_time if time.get_clock_info("thread_time").resolution < FINEST_S else time.perf_counter


def interleaved_ms(
    functions: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, warm_up: int = WARM_UP, *, wall: bool = False
) -> dict[str, list[float]]:
    """Milliseconds of every call of functions.

    They take turns, so that a processor that changes its speed does so for all of them. What is counted is the
    processor's time on the calling thread, or with `wall`, for functions that work on several, the clock's.
    """
    now = time.perf_counter if wall else _now
    for function in functions.values():
        for _ in range(warm_up):
            function()
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            began = now()
            function()
            taken[name].append(1000 * (now() - began))
    return taken


def median_ratio(taken: list[float], base: list[float]) -> float:
    """The median over the rounds of one function's time over another's in the same round."""
    return statistics.median(ours / theirs for ours, theirs in zip(taken, base, strict=True))
