"""The timing protocol, by a clock that moves only when a function says so."""

from collections.abc import Callable
from itertools import cycle

import numpy as np
import pytest

from tinyclap.bench.timing import FEWEST, WARM_UP, interleaved_ms, lasting_ms, median_ratio, ratio_interval


class Clock:
    """Seconds that pass while its functions run."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now_s

    def function(self, name: str, *durations_s: float) -> Callable[[], None]:
        """Takes the given durations in turn, again and again."""
        times = cycle(durations_s)

        def work() -> None:
            self.calls.append(name)
            self.now_s += next(times)

        return work


def test_every_call_is_timed_and_they_take_turns() -> None:
    clock = Clock()
    ticks = []
    functions = {"a": clock.function("a", 0.25, 0.5), "b": clock.function("b", 2.0)}
    taken = lasting_ms(functions, seconds=59.0, now=clock, tick=lambda: ticks.append(clock.now_s))
    # The warm-up takes five calls of each, so that timing begins with the longer of a's durations.
    assert taken["a"] == [500.0, 250.0] * (len(taken["a"]) // 2) + [500.0] * (len(taken["a"]) % 2)
    assert taken["b"] == [2000.0] * len(taken["a"])
    assert clock.calls == ["a"] * WARM_UP + ["b"] * WARM_UP + ["a", "b"] * len(ticks)
    # 24 rounds take 12 * 4.75 s = 57 s, the 25th is begun with time left and ends at 59.5 s.
    assert len(ticks) == len(taken["a"]) == 25


def test_however_little_time_there_are_twenty_rounds() -> None:
    clock = Clock()
    assert lasting_ms({"a": clock.function("a", 3.0)}, seconds=0.0, now=clock) == {"a": [3000.0] * FEWEST}
    assert FEWEST == 20


def test_a_number_of_rounds() -> None:
    calls: list[int] = []
    taken = interleaved_ms({"a": lambda: calls.append(1)}, rounds=7, warm_up=2)
    assert (len(taken["a"]), len(calls)) == (7, 9)


def test_a_ratio_survives_a_machine_that_changes_its_speed() -> None:
    clock, speeds = Clock(), np.random.default_rng(0).lognormal(sigma=1.0, size=WARM_UP + 200)
    base = clock.function("base", *(1e-3 * speeds))
    slower = clock.function("slower", *(2.5e-3 * speeds))
    taken = lasting_ms({"base": base, "slower": slower}, seconds=0.6, now=clock)
    assert median_ratio(taken["slower"], taken["base"]) == pytest.approx(2.5)
    assert ratio_interval(taken["slower"], taken["base"]) == pytest.approx([2.5, 2.5])


def test_the_interval_of_a_ratio_knows_of_noise() -> None:
    rng, base = np.random.default_rng(1), [1.0] * 800
    noisy = (2.0 * rng.lognormal(sigma=0.2, size=800)).tolist()
    low, high = ratio_interval(noisy, base)
    assert low < median_ratio(noisy, base) < high
    # The median of n normal deviates has the standard deviation 1.2533 sigma / sqrt(n).
    assert high - low == pytest.approx(2 * 1.96 * 2.0 * 1.2533 * 0.2 / np.sqrt(800), rel=0.4)
    assert ratio_interval(noisy, base) == [low, high]
    # Noise that lasts is worth fewer rounds: were 20 in a row alike, sqrt(20) times as wide.
    lasting = np.repeat(2.0 * rng.lognormal(sigma=0.2, size=40), 20).tolist()
    lowest, highest = ratio_interval(lasting, base)
    assert 2 * (high - low) < highest - lowest < 8 * (high - low)
