"""Teacher and student hear the same view, each at its own sample rate."""

import dataclasses

import numpy as np
import pytest
import soxr

from tests.support.sounds import DURATIONS_S, EVERYTHING, OFF, level
from tinyclap.data.dataset import Dataset
from tinyclap.data.decoded import decode
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views

TRANSFORMS = {
    "nothing": {},
    "crop": {"crop": True},
    "roll": {"roll": True},
    "gain": {"gain_db": 6.0},
    "mix": {"mix": 1.0},
    "speed": {"speed": 0.2},
    "noise": {"noise_snr_db": 0.0},
    "time mask": {"time_mask_s": 0.5},
    "band mask": {"band_mask_octaves": 2.0},
    "all": dataclasses.asdict(EVERYTHING) | {"mix": 1.0},
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_two_sample_rates_hear_the_same(clips: Dataset, name: str) -> None:
    spec = ViewSpec(**{**OFF, **TRANSFORMS[name]})  # type: ignore[arg-type, dict-item]
    teacher, student = (Views(decode(clips, rate), dataclasses.replace(spec, seed=1)) for rate in (48_000, 16_000))
    for index in range(len(DURATIONS_S)):
        for k in range(6):
            heard = soxr.resample(teacher.waveform(index, k), 48_000, 16_000, quality="HQ")
            assert np.corrcoef(heard, student.waveform(index, k))[0, 1] > 0.99, (index, k)
            assert level(heard) == pytest.approx(level(student.waveform(index, k)), rel=0.02)


def test_generated_sounds_of_full_bandwidth_are_heard_the_same() -> None:
    """All but speed: slowed down, the lower rate lacks what the higher one brings down from above its Nyquist."""
    spec = dataclasses.replace(EVERYTHING, mix=1.0, speed=0.0, duration_s=1.0)
    clips = Procedural(22, duration_s=1.5)
    teacher, student = (Views(decode(clips, rate), dataclasses.replace(spec, seed=1)) for rate in (48_000, 16_000))
    for index in range(len(clips)):
        heard = soxr.resample(teacher.waveform(index, 0), 48_000, 16_000, quality="HQ")
        assert np.corrcoef(heard, student.waveform(index, 0))[0, 1] > 0.99, clips.clips[index].name


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100, 48_000])
def test_views_have_their_length_at_every_rate_and_hardly_pass_full_scale(clips: Dataset, rate: int) -> None:
    spec = dataclasses.replace(EVERYTHING, gain_db=40.0)  # as loud as allowed, nearly always
    views = Views(decode(clips, rate), dataclasses.replace(spec, seed=2))
    waveforms = views.batch([(index, k) for index in range(4) for k in range(16)])
    assert waveforms.shape == (64, 2 * rate)
    assert waveforms.dtype == np.float32
    assert np.isfinite(waveforms).all()
    assert np.abs(waveforms).max() < 1.15
