"""A fit of times: exact where times are sums of costs, never negative, honest about students it has not seen."""

import numpy as np
import pytest

from tests.hardware.test_macs_ram_flash import drawn
from tinyclap.errors import TinyclapError
from tinyclap.hardware.latency_model import FEATURES, LatencyFit, cross_validate, features, fit
from tinyclap.hardware.macs_ram_flash import student_costs

MS = dict(zip(FEATURES, (0.01, 2e-7, 4e-7, 1e-7, 9e-7, 3e-7, 1e-6), strict=True))
TRUE = LatencyFit(MS, 0.0, 0, "nowhere")
COSTS = [student_costs(drawn(seed)) for seed in range(40)]


def test_times_that_are_sums_of_costs_are_found_again() -> None:
    found = [features(costs.layers) for costs in COSTS]
    taken = [TRUE.predict(costs) for costs in COSTS]
    fitted = fit(found, taken, "here")
    assert fitted.median_error < 1e-6
    assert fitted.n_students == 40
    for costs in (student_costs(drawn(seed)) for seed in range(40, 50)):
        assert fitted.predict(costs) == pytest.approx(TRUE.predict(costs), rel=1e-4)


def test_noise_shows_in_the_error_and_no_cost_takes_negative_time() -> None:
    noise = np.random.default_rng(0).uniform(0.7, 1.3, len(COSTS))
    taken = [TRUE.predict(costs) * factor for costs, factor in zip(COSTS, noise, strict=True)]
    fitted = fit([features(costs.layers) for costs in COSTS], taken, "here")
    assert 0.05 < fitted.median_error < 0.4
    assert min(fitted.ms.values()) >= 0


def test_every_student_is_predicted_by_a_fit_without_it() -> None:
    table = np.eye(8)[:, : len(FEATURES)] + 1.0
    taken = np.arange(1.0, 9.0)
    predicted = cross_validate(table, taken)
    changed = taken.copy()
    changed[0] = 100.0
    assert cross_validate(table, changed)[0] == pytest.approx(predicted[0])


def test_all_macs_are_counted_once() -> None:
    for costs in COSTS:
        found = features(costs.layers)
        kinds = ("stem_macs", "pointwise_macs", "depthwise_macs", "matrix_macs")
        assert sum(found[kind] for kind in kinds) == costs.macs
        assert found["frontend_macs"] == costs.frontend_macs


def test_too_few_students_are_refused() -> None:
    with pytest.raises(TinyclapError, match="3 timed students are too few to fit; give 14 or more"):
        fit([features(costs.layers) for costs in COSTS[:3]], [1.0, 2.0, 3.0], "here")
