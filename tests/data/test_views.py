"""Views are pure functions of (seed, clip, k): what each transform does to the sound."""

import dataclasses
import hashlib
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.sounds import EVERYTHING, level
from tinyclap.audio.windows import fit
from tinyclap.data.dataset import Dataset
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.folder import folder
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.view_spec import FIXED, ViewSpec
from tinyclap.data.views import Segment, View, Views, render


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
        "repeat": False,
        "crop": False,
        "roll": False,
        "gain_db": 3.0,
        "mix": 0.4,
        "speed": 0.1,
        "noise_snr_db": 10.0,
        "time_mask_s": 0.1,
        "band_mask_octaves": 0.5,
    }
    assert {*changes, "seed", "per_clip", "student"} == {field.name for field in dataclasses.fields(ViewSpec)}
    base = ViewSpec()
    specs = [dataclasses.replace(base, **{name: value}) for name, value in changes.items()]  # type: ignore[arg-type]
    assert len({base.fingerprint, *(spec.fingerprint for spec in specs)}) == len(changes) + 1


def test_the_default_views_keep_the_fingerprint_they_had() -> None:
    """That of version 0.1.0: a key that came later does not have stored embeddings made again."""
    assert ViewSpec().fingerprint == "79b5c281255f126994945e8ee1faf4e2"


@pytest.mark.parametrize("speed", [0.0, 0.5])
def test_without_repetition_views_are_as_long_as_their_clips(decoded: Decoded, speed: float) -> None:
    """And no longer than asked for; a clip mixed in is repeated under all of its partner."""
    spec = ViewSpec(per_clip=4, duration_s=1.5, repeat=False, mix=1.0, speed=speed, time_mask_s=1.0)
    views = Views(decoded, spec)
    for index, window in enumerate(decoded.windows):
        for k in range(4):
            view = views.draw(index, k)
            assert view.duration_s == min(1.5, window.duration_s / view.own.speed) == views.duration_s(index, k)
            assert view.mask_start_s + view.mask_s <= view.duration_s
            assert len(views.waveform(index, k)) == round(view.duration_s * decoded.sample_rate)


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
