"""What is drawn for a view: ranges and their ends, what is off, impossible settings."""

import dataclasses
import math

import pytest

from tinyclap.data.view_spec import BAND_HZ, FIXED, ViewSpec
from tinyclap.data.views import Segment, View, draw
from tinyclap.errors import TinyclapError


def draws(spec: ViewSpec, n: int = 2000) -> list[View]:
    return [draw(dataclasses.replace(spec, seed=4), (8.0, 1.0, 5.0), 0, k) for k in range(n)]


def test_parameters_stay_in_range_and_reach_its_ends() -> None:
    spec = ViewSpec(
        mix=0.3, speed=0.25, noise_snr_db=10.0, time_mask_s=1.0, band_mask_octaves=1.0, gain_db=6.0, duration_s=5.0
    )
    views = draws(spec)

    def spans(values: list[float], low: float, high: float, slack: float = 0.02) -> bool:
        margin = slack * (high - low)
        return low <= min(values) < low + margin and high - margin < max(values) <= high

    assert spans([view.gain_db for view in views], -6.0, 6.0)
    assert spans([view.mix_snr_db for view in views], 0.0, 12.0)
    assert spans([view.noise_snr_db or 0.0 for view in views], 10.0, 40.0)
    assert spans([view.noise_slope for view in views], 0.0, 1.0)
    assert spans([view.own.roll_s for view in views], 0.0, 5.0)
    assert spans([view.mask_s for view in views], 0.0, 1.0)
    assert {view.own.speed for view in views} >= {0.8, 1.0, 1.25}
    assert all(0.8 <= view.own.speed <= 1.25 for view in views)
    assert all(0 <= view.mask_start_s <= 5.0 - view.mask_s for view in views)
    octaves = [math.log2(view.band_hz[1] / view.band_hz[0]) for view in views if view.band_hz]
    assert len(octaves) == len(views)
    assert spans(octaves, 0.0, 1.0)
    edges = [edge for view in views for edge in view.band_hz or ()]
    assert min(edges) >= BAND_HZ[0]
    assert max(edges) <= BAND_HZ[1] * 1.0001


def test_crops_lie_within_the_clip() -> None:
    starts = [(view.own.start_s, view.own.start_s + 5.0 * view.own.speed) for view in draws(ViewSpec(speed=0.2))]
    assert min(start for start, _ in starts) == 0.0
    assert max(end for _, end in starts) == pytest.approx(8.0, abs=0.05)
    assert all(end <= 8.0 for _, end in starts)
    assert {draw(ViewSpec(), (1.0, 5.0), 0, k).own.start_s for k in range(50)} == {0.0}


def test_mixing_happens_as_often_as_asked_and_never_with_itself() -> None:
    views = draws(ViewSpec(mix=0.3))
    others = [view.other.index for view in views if view.other]
    assert len(others) / len(views) == pytest.approx(0.3, abs=0.04)
    assert set(others) == {1, 2}
    assert all(view.other for view in draws(ViewSpec(mix=1.0), 50))
    assert not any(view.other for view in draws(ViewSpec(mix=0.0), 50))
    assert draw(ViewSpec(mix=1.0), (8.0,), 0, 0).other is None  # nobody to mix with


def test_what_is_off_is_not_drawn() -> None:
    for view in draws(FIXED, 20):
        assert view.own == Segment(0, 0.0, 0.0, 1.0)
        assert (view.other, view.gain_db, view.noise_snr_db, view.mask_s, view.band_hz) == (None, 0.0, None, 0.0, None)


def test_a_band_wider_than_what_bands_are_drawn_from_starts_at_its_bottom() -> None:
    for view in draws(ViewSpec(band_mask_octaves=10.0), 200):
        assert view.band_hz is not None
        assert view.band_hz[0] == BAND_HZ[0] or view.band_hz[1] <= BAND_HZ[1] * 1.0001


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_clip": 0},
        {"per_clip": 1.5},
        {"duration_s": 0.0},
        {"duration_s": math.inf},
        {"mix": 1.1},
        {"speed": -0.1},
        {"gain_db": -6.0},
        {"noise_snr_db": math.nan},
        {"time_mask_s": 5.0},
        {"band_mask_octaves": -1.0},
    ],
    ids=str,
)
def test_impossible_settings_are_refused_by_name(wrong: dict[str, float]) -> None:
    [(name, value)] = wrong.items()
    with pytest.raises(TinyclapError, match=rf"^views: {name} = {value!r} is not allowed; it must be "):
        ViewSpec(**wrong)  # type: ignore[arg-type]
