"""Views are pure functions of (seed, clip, k), and every sample rate hears the same one."""

import dataclasses
import hashlib
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tinyclap.audio.windows import fit
from tinyclap.data.dataset import Dataset
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.folder import folder
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.view_spec import BAND_HZ, FIXED, ViewSpec
from tinyclap.data.views import Segment, View, Views, draw, render
from tinyclap.errors import TinyclapError

OFF = {"duration_s": 2.0, "crop": False, "roll": False, "gain_db": 0.0, "mix": 0.0}
EVERYTHING = ViewSpec(
    per_clip=4,
    duration_s=2.0,
    mix=0.5,
    speed=0.15,
    noise_snr_db=5.0,
    time_mask_s=0.5,
    band_mask_octaves=2.0,
)
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
DURATIONS_S = (3.0, 2.0, 1.3, 0.37)


def clip(seconds: float, top_hz: float, rate: int = 44_100, seed: int = 0) -> np.ndarray:
    """Pink noise up to `top_hz`, peak 0.5."""
    length = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    hz = np.fft.rfftfreq(length, 1 / rate)
    waveform = np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, 20.0)) * (hz < top_hz), length)
    return (0.5 * waveform / np.abs(waveform).max()).astype(np.float32)


@pytest.fixture
def clips(tmp_path: Path) -> Dataset:
    """Noise at 44.1 kHz below 5.5 kHz: longer than a view, as long, and shorter."""
    for number, seconds in enumerate(DURATIONS_S):
        soundfile.write(tmp_path / f"{number}.wav", clip(seconds, 5500, seed=number), 44_100, subtype="FLOAT")
    return folder(tmp_path)


@pytest.fixture
def decoded(clips: Dataset) -> Decoded:
    return decode(clips, 16_000)


def plain(index: int, **changes: object) -> View:
    """A view of a clip in which nothing was drawn, but for what is given."""
    nothing = View(
        duration_s=2.0,
        own=Segment(index, 0.0, 0.0, 1.0),
        other=None,
        mix_snr_db=0.0,
        gain_db=0.0,
        noise_snr_db=None,
        noise_slope=0.5,
        noise_seed=7,
        mask_start_s=0.0,
        mask_s=0.0,
        band_hz=None,
    )
    return dataclasses.replace(nothing, **changes)  # type: ignore[arg-type]


def level(waveform: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))


# ---- the same arguments, the same sound


def digest(waveforms: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(waveform.tobytes() for waveform in waveforms)).hexdigest()


def test_another_process_makes_the_same_bytes() -> None:
    code = f"""
import hashlib
from tinyclap.data.dataset import Dataset
from tinyclap.data.decoded import decode
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.views import Views, ViewSpec

views = Views(decode(Procedural(4, duration_s=2.5), 16_000), {dataclasses.replace(EVERYTHING, seed=5)!r})
rows = [(index, k) for index in range(4) for k in range(4)]
print(hashlib.sha256(b"".join(views.waveform(*row).tobytes() for row in rows)).hexdigest())
"""
    theirs = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    views = Views(decode(Procedural(4, duration_s=2.5), 16_000), dataclasses.replace(EVERYTHING, seed=5))
    assert digest([views.waveform(index, k) for index in range(4) for k in range(4)]) == theirs


def test_a_view_does_not_depend_on_what_was_heard_before(decoded: Decoded) -> None:
    rows = [(index, k) for index in range(4) for k in range(3)]
    forwards = Views(decoded, dataclasses.replace(EVERYTHING, seed=1))
    backwards = Views(decoded, dataclasses.replace(EVERYTHING, seed=1))
    expected = {row: forwards.waveform(*row) for row in rows}
    for row in reversed(rows):
        np.testing.assert_array_equal(backwards.waveform(*row), expected[row])
    np.testing.assert_array_equal(forwards.batch(rows), np.stack(list(expected.values())))


def test_every_view_of_every_clip_and_seed_is_another_one(decoded: Decoded) -> None:
    hashes = {
        digest([Views(decoded, dataclasses.replace(EVERYTHING, seed=seed)).waveform(index, k)])
        for seed in range(2)
        for index in range(4)
        for k in range(4)
    }
    assert len(hashes) == 32


def test_per_clip_does_not_change_the_views(decoded: Decoded) -> None:
    more = dataclasses.replace(EVERYTHING, per_clip=9)
    assert more.fingerprint == EVERYTHING.fingerprint
    np.testing.assert_array_equal(
        Views(decoded, dataclasses.replace(more, seed=0)).waveform(1, 3),
        Views(decoded, dataclasses.replace(EVERYTHING, seed=0)).waveform(1, 3),
    )


def test_every_other_setting_changes_the_fingerprint() -> None:
    changes = {
        "duration_s": 4.0,
        "crop": False,
        "roll": False,
        "gain_db": 3.0,
        "mix": 0.4,
        "speed": 0.1,
        "noise_snr_db": 10.0,
        "time_mask_s": 0.1,
        "band_mask_octaves": 0.5,
    }
    assert {*changes, "seed", "per_clip"} == {field.name for field in dataclasses.fields(ViewSpec)}
    base = ViewSpec()
    specs = [dataclasses.replace(base, **{name: value}) for name, value in changes.items()]  # type: ignore[arg-type]
    assert len({base.fingerprint, *(spec.fingerprint for spec in specs)}) == len(changes) + 1


# ---- what a view is


def test_fixed_views_are_the_clips_themselves(decoded: Decoded) -> None:
    views = Views(decoded, dataclasses.replace(FIXED, duration_s=2.0, seed=3))
    for index in range(4):
        expected = fit(decoded.waveform(index), 32_000)
        np.testing.assert_array_equal(views.waveform(index, 0), expected)
        np.testing.assert_array_equal(views.waveform(index, 1), expected)


def test_crop_and_roll_are_a_stretch_of_the_clip_shifted_in_a_circle(decoded: Decoded) -> None:
    rendered = render(decoded, plain(0, own=Segment(0, 0.75, 0.5, 1.0)))
    np.testing.assert_array_equal(rendered, np.roll(decoded.waveform(0)[12_000:44_000], 8000))


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_speed_moves_pitch_and_tempo_together(tmp_path: Path, speed: float) -> None:
    t = np.arange(3 * 16_000) / 16_000
    tone = np.where(t < 1.0, 0.5 * np.sin(2 * np.pi * 1000 * t), 0.0).astype(np.float32)
    soundfile.write(tmp_path / "tone.wav", tone, 16_000, subtype="FLOAT")
    rendered = render(decode(folder(tmp_path), 16_000), plain(0, own=Segment(0, 0.0, 0.0, speed)))
    assert np.argmax(np.abs(np.fft.rfft(rendered))) / 2.0 == pytest.approx(1000 * speed, abs=1)
    assert np.flatnonzero(np.abs(rendered) > 0.1)[-1] / 16_000 == pytest.approx(1 / speed, abs=0.01)


@pytest.mark.parametrize("snr_db", [0.0, 6.0, 12.0])
def test_another_clip_is_mixed_in_at_the_drawn_level(decoded: Decoded, snr_db: float) -> None:
    view = plain(1, other=Segment(3, 0.0, 0.0, 1.0), mix_snr_db=snr_db)
    own = fit(decoded.waveform(1), 32_000)
    other = fit(decoded.waveform(3), 32_000)
    added = render(decoded, view)
    windows = decoded.windows
    scale = windows[1].rms / windows[3].rms * 10 ** (-snr_db / 20)
    limit = min(1.0, 1.0 / (windows[1].peak + scale * windows[3].peak))
    np.testing.assert_allclose(added, limit * (own + scale * other), atol=1e-6)
    difference_db = 20 * math.log10(level(own) / level(added / limit - own))
    assert difference_db == pytest.approx(snr_db, abs=0.5)  # levels are those of the whole clips at their own rate


@pytest.mark.parametrize(("snr_db", "slope"), [(0.0, 0.0), (10.0, 1.0), (30.0, 0.5)])
def test_noise_is_added_at_the_drawn_level(clips: Dataset, snr_db: float, slope: float) -> None:
    decoded = decode(clips, 32_000)  # the noise's own rate: all of it is heard
    clean = render(decoded, plain(1))
    noisy = render(decoded, plain(1, noise_snr_db=snr_db, noise_slope=slope))
    window = decoded.windows[1]
    gain = min(1.0, 1.0 / (window.peak + 4 * window.rms * 10 ** (-snr_db / 20)))
    noise = noisy / gain - clean
    assert 20 * math.log10(window.rms / level(noise)) == pytest.approx(snr_db, abs=0.01)
    spectrum = np.abs(np.fft.rfft(noise)) ** 2  # bins of 0.5 Hz
    fall_db = 10 * math.log10(spectrum[200:400].mean() / spectrum[12_800:25_600].mean())
    assert fall_db == pytest.approx(slope * 10 * math.log10(64), abs=1.5)  # pink noise falls by 3 dB an octave


def test_gain_is_as_drawn_unless_the_peak_would_pass_one(decoded: Decoded) -> None:
    clean = render(decoded, plain(0))
    for gain_db in (-20.0, -3.0, 5.0):
        louder = render(decoded, plain(0, gain_db=gain_db))
        np.testing.assert_allclose(louder, clean * 10 ** (gain_db / 20), rtol=1e-5, atol=1e-8)
    limited = render(decoded, plain(0, gain_db=20.0))
    np.testing.assert_allclose(limited, clean / decoded.windows[0].peak, rtol=1e-5, atol=1e-8)


def test_masks_silence_a_stretch_and_a_band(decoded: Decoded) -> None:
    clean = render(decoded, plain(1))
    masked = render(decoded, plain(1, mask_start_s=0.5, mask_s=0.25))
    assert not masked[8000:12_000].any()
    np.testing.assert_array_equal(np.delete(masked, slice(8000, 12_000)), np.delete(clean, slice(8000, 12_000)))
    spectrum = np.abs(np.fft.rfft(render(decoded, plain(1, band_hz=(500.0, 1000.0)))))
    before = np.abs(np.fft.rfft(clean))
    band = slice(1000, 2000)  # bins of 0.5 Hz
    assert spectrum[band].max() < 1e-4 * before[band].max()
    np.testing.assert_allclose(np.delete(spectrum, band), np.delete(before, band), atol=1e-3 * before.max())


# ---- teacher and student hear the same


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


# ---- what is drawn


def draws(spec: ViewSpec, n: int = 2000) -> list[View]:
    return [draw(spec, (8.0, 1.0, 5.0), 0, seed=4, k=k) for k in range(n)]


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
    assert {draw(ViewSpec(), (1.0, 5.0), 0, 0, k).own.start_s for k in range(50)} == {0.0}


def test_mixing_happens_as_often_as_asked_and_never_with_itself() -> None:
    views = draws(ViewSpec(mix=0.3))
    others = [view.other.index for view in views if view.other]
    assert len(others) / len(views) == pytest.approx(0.3, abs=0.04)
    assert set(others) == {1, 2}
    assert all(view.other for view in draws(ViewSpec(mix=1.0), 50))
    assert not any(view.other for view in draws(ViewSpec(mix=0.0), 50))
    assert draw(ViewSpec(mix=1.0), (8.0,), 0, 0, 0).other is None  # nobody to mix with


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
