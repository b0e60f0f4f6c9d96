"""How long functions take on one thread or several, compared fairly."""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from tinyclap.common.statistics import TAIL

ROUNDS = 40
FEWEST = 20  # rounds, where their number follows from a time
P99_FEWEST = 500  # so that five lie above it: of 20 it would be almost the maximum, which one disturbance decides
WARM_UP = 5
BLOCKS = 40
N_BOOTSTRAP = 1000
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
    return _by_name(functions, islice(_rounds_ms(functions, warm_up, time.perf_counter if wall else _now), rounds))


def lasting_ms(
    functions: Mapping[str, Callable[[], object]],
    seconds: float,
    *,
    now: Callable[[], float] = time.perf_counter,
    tick: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """As `interleaved_ms` by the clock, which is what a user waits, for as long as is given.

    Args:
        functions: take turns.
        seconds: that the calls may take together, the warm-up not counted; at least FEWEST rounds are made.
        now: the clock, seconds.
        tick: called after each round.
    """

    def rounds() -> Iterator[dict[str, float]]:
        spent_ms = 0.0
        for number, times in enumerate(_rounds_ms(functions, WARM_UP, now), 1):
            yield times
            tick()
            spent_ms += sum(times.values())
            if number >= FEWEST and spent_ms >= 1000 * seconds:
                return

    return _by_name(functions, rounds())


def median_ratio(taken: Sequence[float], base: Sequence[float]) -> float:
    """The median over the rounds of one function's time over another's in the same round."""
    return statistics.median(ours / theirs for ours, theirs in zip(taken, base, strict=True))


def ratio_interval(taken: Sequence[float], base: Sequence[float], seed: int = 0) -> list[float]:
    """The 95 % interval of `median_ratio`: a bootstrap that draws whole stretches of rounds.

    What disturbs a machine lasts longer than a round, so neighbouring rounds are disturbed alike; the rounds are cut
    into BLOCKS stretches, which are drawn again (block bootstrap: Davison & Hinkley 1997, section 8.2).
    """
    ratios = np.divide(taken, base)
    blocks = np.array_split(ratios, min(BLOCKS, len(ratios)))
    draws = np.random.default_rng(seed).integers(len(blocks), size=(N_BOOTSTRAP, len(blocks)))
    medians = [np.median(np.concatenate([blocks[one] for one in drawn])) for drawn in draws]
    return [float(end) for end in np.quantile(medians, (TAIL, 1 - TAIL))]


def _rounds_ms(
    functions: Mapping[str, Callable[[], object]], warm_up: int, now: Callable[[], float]
) -> Iterator[dict[str, float]]:
    """Without end: the milliseconds of one call of each function."""
    for function in functions.values():
        for _ in range(warm_up):
            function()
    while True:
        taken = {}
        for name, function in functions.items():
            began = now()
            function()
            taken[name] = 1000 * (now() - began)
        yield taken


def _by_name(names: Iterable[str], rounds: Iterable[dict[str, float]]) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in names}
    for times in rounds:
        for name, ms in times.items():
            taken[name].append(ms)
    return taken
