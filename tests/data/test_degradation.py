"""Degradations do what their units say, at every sample rate, and can be replayed."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tinyclap.common.checks import NotAllowedError
from tinyclap.data.decoded import decode
from tinyclap.data.degradation import Degradation, degrade, draw
from tinyclap.data.degradation_spec import CODECS, DegradationSpec
from tinyclap.data.degraded import DegradedClips
from tinyclap.data.folder import folder
from tinyclap.data.view_spec import ViewSpec

RATE = 16_000


def tone(hz: float, rate: int = RATE, seconds: float = 2.0) -> np.ndarray:
    return (0.25 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def noise(rate: int = RATE) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(2 * rate)).astype(np.float32)


def db(waveform: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))))


def test_nothing_is_nothing() -> None:
    np.testing.assert_array_equal(degrade(tone(440), RATE, Degradation()), tone(440))


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 20.0])
@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_noise_is_as_loud_as_asked(snr_db: float, slope: float) -> None:
    clean = tone(440)
    added = degrade(clean, RATE, Degradation(snr_db=snr_db, noise_slope=slope)) - clean
    assert db(clean) - db(added) == pytest.approx(snr_db, abs=0.7)


def test_level_is_in_decibels_and_stays_within_full_scale() -> None:
    assert db(degrade(tone(440), RATE, Degradation(level_db=-30))) == pytest.approx(db(tone(440)) - 30, abs=1e-3)
    assert np.abs(degrade(tone(440), RATE, Degradation(level_db=40))).max() == 1.0


@pytest.mark.parametrize(("hz", "loss_db"), [(50.0, 62.3), (1000.0, 0.0), (6800.0, 24.1)])
def test_the_band_is_a_butterworth_filters(hz: float, loss_db: float) -> None:
    """Of order 4: 24 dB an octave."""
    heard = degrade(tone(hz), RATE, Degradation(low_hz=300, high_hz=3400))[4000:-4000]
    assert db(tone(hz)[4000:-4000]) - db(heard) == pytest.approx(loss_db, abs=0.3)


def test_a_room_decays_by_60_decibels_in_its_time() -> None:
    click = np.zeros(2 * RATE, np.float32)
    click[0] = 0.5
    energy = np.square(degrade(click, RATE, Degradation(reverb_s=0.8)), dtype=np.float64)[1:]
    left = 10 * np.log10(np.cumsum(energy[::-1])[::-1])  # Schroeder's backward integral
    slope = (left[round(0.4 * RATE)] - left[round(0.1 * RATE)]) / 0.3
    assert slope * 0.8 == pytest.approx(-60, abs=4)


def test_a_room_keeps_the_level() -> None:
    assert db(degrade(noise(), RATE, Degradation(reverb_s=0.5))) == pytest.approx(db(noise()), abs=1e-3)


def test_clipping_and_offset() -> None:
    clipped = degrade(tone(440), RATE, Degradation(clip_db=12))
    assert np.abs(clipped).max() == pytest.approx(0.25 * 10 ** (-12 / 20), rel=1e-3)
    assert degrade(tone(440), RATE, Degradation(dc=0.05)).mean() == pytest.approx(0.05, abs=1e-3)


def test_a_lower_rate_loses_what_it_cannot_hold() -> None:
    assert db(degrade(tone(6000), RATE, Degradation(rate=8000))) < db(tone(6000)) - 50
    assert db(degrade(tone(1000), RATE, Degradation(rate=8000))) == pytest.approx(db(tone(1000)), abs=0.1)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("rate", [10_000, 16_000, 22_000, 32_000, 44_100, 96_000])
def test_codecs_keep_length_and_sound(codec: str, rate: int) -> None:
    clean = tone(440, rate) + 0.3 * tone(1234, rate)
    heard = degrade(clean, rate, Degradation(codec=codec))  # type: ignore[arg-type]
    assert heard.shape == clean.shape
    assert 0.97 < np.corrcoef(clean[4000:-4000], heard[4000:-4000])[0, 1] < 0.999999


@pytest.mark.parametrize(
    "how",
    [Degradation(snr_db=5, seed=3), Degradation(reverb_s=0.5, seed=3), Degradation(low_hz=300, high_hz=3400)],
    ids=["noise", "room", "band"],
)
def test_the_same_sound_at_every_rate(how: Degradation) -> None:
    low = noise()
    high = soxr.resample(low, RATE, 32_000, quality="VHQ")
    heard, expected = (
        soxr.resample(sound, rate, 8_000, quality="VHQ")[800:-800]
        for sound, rate in ((degrade(high, 32_000, how), 32_000), (degrade(low, RATE, how), RATE))
    )
    assert np.corrcoef(heard, expected)[0, 1] > 0.999


def test_clips_get_noise_of_their_own_and_always_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", tone(440), RATE)
    decoded = decode(folder(tmp_path), RATE)
    clips = DegradedClips(decoded, Degradation(snr_db=0), 8_000)
    assert len(clips.waveform(0)) == 16_000
    assert np.corrcoef(clips.waveform(0), clips.waveform(1))[0, 1] < 0.9
    np.testing.assert_array_equal(clips.waveform(1), DegradedClips(decoded, clips.how, 8_000).waveform(1))
    assert clips.fingerprint != DegradedClips(decoded, Degradation(snr_db=1), 8_000).fingerprint


class TestDraw:
    def test_all_that_a_spec_allows_can_be_drawn(self) -> None:
        spec = DegradationSpec(
            *(
                1.0,
                1.0,
                (0.0, 10.0),
                (-30.0, 100.0),
                (0.1, 1000.0),
                (2000.0, 500_000.0),
                (-100.0, 60.0),
                (0.0, 60.0),
                1.0,
            )
        )
        for index in range(100):
            draw(spec, 0, index, 0)

    def test_is_a_pure_function(self) -> None:
        spec = DegradationSpec()
        assert draw(spec, 0, 5, 2) == draw(spec, 0, 5, 2)
        assert len({draw(DegradationSpec(share=1, each=1), 0, 5, k).seed for k in range(20)}) == 20

    def test_shares_and_ranges_are_kept(self) -> None:
        spec = DegradationSpec(share=0.5, each=0.4)
        drawn = [draw(spec, 1, index, 0) for index in range(2000)]
        assert np.mean([how == Degradation() for how in drawn]) == pytest.approx(0.5, abs=0.05)
        rooms = [how.reverb_s for how in drawn if how.reverb_s]
        assert len(rooms) / 2000 == pytest.approx(0.2, abs=0.04)
        assert 0.1 <= min(rooms) < 0.15
        assert 0.95 < max(rooms) <= 1.0
        assert {how.codec for how in drawn} == {None, *CODECS}

    def test_a_kind_that_is_left_out_changes_no_other(self) -> None:
        with_noise, without = (
            draw(DegradationSpec(share=1, each=1, snr_db=snr), 0, 1, 1) for snr in ((0.0, 30.0), None)
        )
        assert without.snr_db is None
        assert dataclasses.replace(with_noise, snr_db=None) == without


def test_teachers_do_not_depend_on_what_students_hear() -> None:
    assert ViewSpec(student=DegradationSpec()).fingerprint == ViewSpec().fingerprint


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"snr_db": (30.0, 0.0)}, r"snr_db.*\[lowest, highest\]"),
        ({"high_hz": (400.0, 8000.0)}, "low_hz.*below high_hz"),
        ({"clip_db": (-1.0, 8.0)}, "clip_db"),
        ({"level_db": (-40.0, 90.0)}, "level_db"),
        ({"codecs": ("aac",)}, "codecs"),
        ({"each": 0.0}, "each"),
    ],
)
def test_settings_that_are_not_allowed(values: dict[str, object], message: str) -> None:
    with pytest.raises(NotAllowedError, match=message):
        DegradationSpec(**values)  # type: ignore[arg-type]
