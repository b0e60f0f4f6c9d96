"""Hardware-Aware Scaling (PhiNets, Paissan et al., arXiv 2110.00337): the student that fills a budget.

RAM sets alpha·t0, operations set alpha²·t0, and flash then sets beta. `propose` solves for them on the exact costs.
"""

import dataclasses
from collections.abc import Callable

from tinyclap.hardware.budget import Budget
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.phinet_config import shaped
from tinyclap.models.student_config import StudentConfig

ALPHA_RANGE, T0_RANGE, BETA_RANGE = (0.05, 4.0), (2.0, 8.0), (0.5, 1.5)


def propose(base: StudentConfig, budget: Budget, t0: float | None = None) -> StudentConfig | None:
    """The student that fills a budget, by the HAS inversion; `base` gives what is not solved for.

    RAM grows with alpha·t0 and operations with alpha²·t0: t0, from 2 to 8, is where both allow the same alpha (without
    both limits it stays as it is; it can also be given). beta is then the largest up to 1.5, and alpha the largest of
    all, with which every limit holds. All of it by bisection on the exact costs.

    Returns:
        The student; None where even the narrowest does not fit.
    """

    def student(alpha: float, beta: float, t0: float) -> StudentConfig:
        return dataclasses.replace(base, phinet=shaped(base.phinet, alpha=alpha, beta=beta, t0=t0))

    def widest(within: Budget, beta: float, t0: float) -> float:
        return _largest(lambda alpha: within.excess(student_costs(student(alpha, beta, t0))) <= 1, *ALPHA_RANGE)

    beta = BETA_RANGE[0]
    if t0 is None and {"macs", "ram_bytes"} <= set(budget.limits):
        ram, work = dataclasses.replace(budget, macs=None), dataclasses.replace(budget, ram_bytes=None)
        t0 = _largest(lambda factor: widest(ram, beta, factor) >= widest(work, beta, factor), *T0_RANGE)
    t0 = base.phinet.t0 if t0 is None else t0
    alpha = widest(budget, beta, t0)
    if budget.excess(student_costs(student(alpha, beta, t0))) > 1:
        return None
    beta = _largest(
        lambda shape: budget.excess(student_costs(student(0.97 * alpha, shape, t0))) <= 1, beta, BETA_RANGE[1]
    )
    return student(widest(budget, beta, t0), beta, t0)


def _largest(fits: Callable[[float], bool], low: float, high: float) -> float:
    """The largest value of three digits between two that fits; `low` where none does."""
    if fits(high):
        return high
    while high - low > 0.0015:
        middle = round((low + high) / 2, 3)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
