"""How threads that compute together wait for each other."""

import os

SPIN_COUNT = "GOMP_SPINCOUNT"
SPINS = 10_000  # some tens of microseconds
CHOSEN = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", SPIN_COUNT)


def spin_briefly() -> None:
    """Let threads that wait yield their core soon, unless the environment says otherwise; before torch is imported.

    By default GNU OpenMP's threads spin for milliseconds in every parallel region until the last one is done. Beside
    another process that one may have no core meanwhile, and a training step takes ten times as long
    (benchmarks/results/neighbour.json).
    """
    if not any(name in os.environ for name in CHOSEN):
        os.environ[SPIN_COUNT] = str(SPINS)
