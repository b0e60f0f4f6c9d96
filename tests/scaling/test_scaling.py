"""Students within a budget: counted exactly, the nearest named where none fits, and proposals that fill it."""

import dataclasses
import itertools

import pytest

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.hardware.budget import Budget
from tinyclap.hardware.devices import load_device
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.hardware.pareto import pareto
from tinyclap.models.student_config import REFERENCE, StudentConfig
from tinyclap.scaling.design_space import (
    DesignSpace,
    embedding_dims,
    enumerate_space,
    frontends,
    refuse_empty,
    space_around,
)
from tinyclap.scaling.has import propose

BASE = StudentConfig()
SMALL = DesignSpace(
    BASE,
    frontends(BASE.frontend, 16_000),
    (512, 64),
    alphas=(0.2, 0.5),
    betas=(1.0,),
    expansions=(3.0, 6.0),
    depths=(5, 7),
    features=(128, 512),
)


def test_those_that_fit_are_those_whose_own_costs_fit() -> None:
    budget = Budget(macs=4_000_000, ram_bytes=120_000, flash_bytes=200_000)
    found = enumerate_space(SMALL, budget)
    assert found.counted == len(SMALL) == 2 * 2 * 2 * 2 * 2 * len(SMALL.frontends) * 2 * 2
    assert 0 < len(found) < len(SMALL)
    kept = {found.config(row): row for row in range(len(found))}
    assert len(kept) == len(found)
    fitting = 0
    everything = itertools.product(SMALL.trunks(), SMALL.frontends, SMALL.features, SMALL.dims)
    for trunk, spec, features, dim in everything:
        config = dataclasses.replace(BASE, phinet=trunk, frontend=spec, features=features, embed_dim=dim)
        costs = student_costs(config)
        fits = budget.excess(costs) <= 1
        assert fits == (config in kept)
        if fits:
            fitting += 1
            measured = budget.measure(costs)
            assert {name: found.costs[name][kept[config]] for name in measured} == measured
    assert fitting == len(found)


def test_where_nothing_fits_the_nearest_and_the_binding_limit_are_named() -> None:
    budget = Budget(macs=4_000_000, ram_bytes=120_000, flash_bytes=19_000)
    found = enumerate_space(SMALL, budget)
    assert len(found) == 0
    with pytest.raises(TinyclapError, match=r"none of .* fits; the nearest, alpha 0\.2, .* of flash where 18\.6 KiB"):
        refuse_empty(found, budget)


@pytest.mark.parametrize(
    "budget",
    [
        Budget(macs=5_000_000, ram_bytes=128 * 1024, flash_bytes=512 * 1024),
        Budget(macs=20_000_000, ram_bytes=320 * 1024, flash_bytes=2**20),
        Budget(macs=3_000_000),
        Budget(ram_bytes=64 * 1024, precision="int8", fused=True),
        Budget(parameters=100_000, precision="float32"),
    ],
)
def test_a_proposal_fits_and_fills_the_budget(budget: Budget) -> None:
    proposed = propose(dataclasses.replace(BASE, features=128), budget)
    assert proposed is not None
    assert 0.9 < budget.excess(student_costs(proposed)) <= 1


def test_operations_and_ram_are_both_used_up_where_t0_can_trade_them() -> None:
    budget = Budget(macs=8_000_000, ram_bytes=160 * 1024)
    proposed = propose(BASE, budget)
    assert proposed is not None
    measured = budget.measure(student_costs(proposed))
    assert measured["macs"] > 0.95 * 8_000_000
    assert measured["ram_bytes"] > 0.95 * 160 * 1024


def test_a_budget_below_everything_has_no_proposal() -> None:
    assert propose(BASE, Budget(flash_bytes=1000)) is None


def test_a_device_limits_what_is_asked_for() -> None:
    device = load_device("stm32f746")
    budget = Budget.of_device(device, macs=10_000_000, ram_bytes=100_000)
    assert budget.limits == {"macs": 10_000_000, "ram_bytes": 100_000, "flash_bytes": device.flash.free}
    with pytest.raises(TinyclapError, match="RAM of 977 KiB is more than the device has free, 272 KiB"):
        Budget.of_device(device, ram_bytes=1_000_000)


def test_front_ends_can_be_computed_and_include_the_recipes_own() -> None:
    own = FrontendSpec(32_000, 1024, 1024, 640, f_max=14_000)
    found = frontends(own, 16_000)
    assert found[0] == own
    assert {spec.sample_rate for spec in found[1:]} == {8_000, 16_000}
    assert all(spec.f_max <= spec.sample_rate / 2 for spec in found)


def test_the_teachers_dimensions_and_fewer() -> None:
    assert embedding_dims(384) == (384, 256, 128, 64, 32)
    assert embedding_dims(512) == (512, 256, 128, 64, 32)


def test_the_front_is_what_no_other_beats() -> None:
    costs = {"macs": [1, 2, 3, 2, 4], "ram": [1, 1, 1, 3, 1]}
    assert pareto(costs, [0.5, 0.7, 0.7, 0.8, 0.9]) == [0, 1, 3, 4]
    assert pareto({"macs": [1, 1]}, [0.5, 0.5]) == [0, 1]


def test_a_space_around_the_reference_keeps_its_variant() -> None:
    around = space_around(REFERENCE, 44_100, 1024)
    assert (around.squeeze_excite, around.activations) == ((False,), ("relu6",))
    small = dataclasses.replace(around, alphas=(0.5,), betas=(1.0,), expansions=(3.0,), depths=(7,))
    found = enumerate_space(small, Budget(macs=10**9))
    assert len(found) == len(small)
    ours = space_around(BASE, 16_000, 512)
    assert ours.squeeze_excite == (True, False)
    assert ours.activations == ("hardswish", "relu6")
