"""How long an unseen student takes, from others that were timed: a sum of costs, each with its own time.

The times are fitted on one machine, runtime and number of threads, and hold for those alone. `cross_validate` says how
far off the predictions are for students that the fit has not seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyclap.errors import TinyclapError
from tinyclap.hardware.macs_ram_flash import FRONTEND, Costs, Count, Layer

FEATURES = ("layers", "frontend_macs", "stem_macs", "pointwise_macs", "depthwise_macs", "matrix_macs", "activations")
PARTS = 4  # of the cross-validation
FEWEST = 2 * len(FEATURES)


@dataclass(frozen=True)
class LatencyFit:
    """Milliseconds of each cost, and how well they predict.

    Attributes:
        ms: per unit of each of FEATURES, 0 or more.
        median_error: median relative error on students that a fit had not seen.
        n_students: that were timed.
        measured_on: machine, runtime and threads.
    """

    ms: Mapping[str, float]
    median_error: float
    n_students: int
    measured_on: str

    def predict(self, costs: Costs) -> Any:
        """Milliseconds from waveform to embedding; an array for arrays of costs."""
        found = features(costs.layers)
        return sum(self.ms[name] * found[name] for name in FEATURES)


def features(layers: Sequence[Layer]) -> dict[str, Count]:
    """What takes time: numbers of layers, MACs by kind, and activations read or written."""
    found: dict[str, Count] = dict.fromkeys(FEATURES, 0)
    for layer in layers:
        found["layers"] = found["layers"] + 1
        found["activations"] = found["activations"] + layer.live
        kind = _kind(layer.name)
        if kind is not None:
            found[kind] = found[kind] + layer.macs
    return found


def fit(found: Sequence[Mapping[str, Count]], taken_ms: Sequence[float], measured_on: str) -> LatencyFit:
    """Fit times to timed students.

    Args:
        found: `features` of each.
        taken_ms: median time of each.
        measured_on: machine, runtime and threads, in words.

    Raises:
        TinyclapError: too few students.
    """
    if len(found) < FEWEST:
        raise TinyclapError(f"{len(found)} timed students are too few to fit; give {FEWEST} or more")
    table = np.array([[float(one[name]) for name in FEATURES] for one in found])
    taken = np.array(taken_ms, float)
    errors = np.abs(cross_validate(table, taken) / taken - 1)
    ms = dict(zip(FEATURES, _solve(table, taken).tolist(), strict=True))
    return LatencyFit(ms, float(np.median(errors)), len(found), measured_on)


def cross_validate(table: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Times of all students, each predicted by a fit that has not seen it (N,)."""
    predicted = np.empty(len(taken))
    parts = np.arange(len(taken)) % PARTS
    for part in range(PARTS):
        predicted[parts == part] = table[parts == part] @ _solve(table[parts != part], taken[parts != part])
    return predicted


def _solve(table: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Weights of 0 or more of least squared relative error; what would be negative is left out, the worst first."""
    scaled = table / taken[:, None]
    units = np.maximum(scaled.max(0), 1e-30)
    kept = np.ones(table.shape[1], bool)
    weights = np.zeros(table.shape[1])
    while kept.any():
        weights[:] = 0.0
        weights[kept] = np.linalg.lstsq(scaled[:, kept] / units[kept], np.ones(len(taken)), rcond=None)[0]
        if weights.min() >= 0:
            break
        kept[weights.argmin()] = False
    return weights / units


def _kind(name: str) -> str | None:
    if name == FRONTEND:
        return "frontend_macs"
    if name.startswith("trunk.stem"):
        return "stem_macs"
    if name.endswith((".expand", ".project")) or name == "last_conv":
        return "pointwise_macs"
    if name.endswith(".depthwise"):
        return "depthwise_macs"
    if name.startswith("head") or name.endswith(".squeeze_excite"):
        return "matrix_macs"
    return None
