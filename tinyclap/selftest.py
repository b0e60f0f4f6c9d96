"""Does this machine compute what was exported? No torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyclap.bundle import FLOAT_GRAPH, INT8_GRAPH
from tinyclap.runtime import Bundle

LARGEST_DIFFERENCE = 1e-4  # of unit vectors, float graph
LOWEST_COSINE = 0.9  # INT8 graph, mean: rounding costs less, arithmetic that saturates costs more


@dataclass(frozen=True)
class GraphTest:
    """How one graph does on the bundle's test sounds, against the model that was exported.

    Attributes:
        graph: its file name.
        provider: the execution provider that was active.
        n_sounds: how many test sounds there are.
        difference: largest absolute difference of two unit vectors.
        cosine: mean over the sounds.
        passed: whether the difference (float) or the cosine (INT8) is within its limit.
    """

    graph: str
    provider: str
    n_sounds: int
    difference: float
    cosine: float
    passed: bool


def selftest(folder: Path, *, providers: str | None = None, threads: int | None = None) -> list[GraphTest]:
    """Run every audio graph of a bundle on its test sounds.

    Raises:
        TinyclapError: the bundle cannot be loaded, or has no test vectors.
    """
    first = Bundle.load(folder, graph="float", providers=providers, threads=threads)
    bundles = [first]
    if INT8_GRAPH in first.manifest.graphs:
        bundles.append(Bundle.load(folder, graph="int8", providers=providers, threads=threads))
    return [_tested(bundle) for bundle in bundles]


def _tested(bundle: Bundle) -> GraphTest:
    expected, computed = bundle.test_vectors()
    difference = float(np.abs(computed - expected).max())
    cosine = float(np.sum(computed * expected, axis=1).mean())
    passed = difference <= LARGEST_DIFFERENCE if bundle.graph == FLOAT_GRAPH else cosine >= LOWEST_COSINE
    return GraphTest(bundle.graph, bundle.provider, len(expected), difference, cosine, passed)
