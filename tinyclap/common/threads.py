"""How threads that compute together wait for each other."""

import os

WAIT_POLICY = "OMP_WAIT_POLICY"


def yield_while_waiting() -> None:
    """Let waiting threads give their core to others, unless the environment says otherwise; before torch is imported.

    By default GNU OpenMP's threads spin in every parallel region until the last one is done. Beside another process
    on as many cores that one gets no core meanwhile, and a training step takes many times as long
    (benchmarks/results/neighbour.json).
    """
    os.environ.setdefault(WAIT_POLICY, "PASSIVE")
