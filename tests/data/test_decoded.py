"""Decoded clips: what is unusable is named, long files become windows, and the store is whole or not there."""

import errno
import io
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyclap.common.files import cache_root
from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.folder import folder
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.errors import TinyclapError

RATE = 16_000


def noise(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    waveform = 0.2 * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return waveform.clip(-1, 1).astype(np.float32)


def write(path: Path, waveform: np.ndarray, rate: int = RATE, subtype: str = "FLOAT") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, rate, subtype=subtype)
    return path


def stores() -> list[str]:
    """Names of what can be seen in the cache; temporary folders are hidden ones."""
    root = cache_root() / "audio"
    return sorted(path.name for path in root.glob("*") if not path.name.startswith(".")) if root.is_dir() else []


def load_nothing(self: Dataset, index: int, *arguments: object) -> np.ndarray:
    raise AssertionError(f"{self.clips[index].name} was decoded again")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Three clips of noise."""
    for seed in range(3):
        write(tmp_path / "good" / f"{seed}.wav", noise(0.5, seed=seed))
    return tmp_path / "good"


@pytest.fixture
def bad(good: Path) -> Path:
    """Three usable clips and one of every kind that is not."""
    broken = noise(0.5)
    broken[100] = np.nan
    whole = io.BytesIO()
    soundfile.write(whole, noise(2.0), RATE, format="FLAC")
    (good / "corrupt.flac").write_bytes(whole.getvalue()[:2000])
    (good / "text.mp3").write_text("this is no music")
    (good / "empty.wav").touch()
    write(good / "nan.wav", broken)
    write(good / "silent.wav", np.zeros(RATE, np.float32))
    write(good / "single.wav", noise(1 / RATE))
    return good


def test_every_unusable_clip_is_named_with_its_reason_and_skipped(bad: Path) -> None:
    decoded = decode(folder(bad), RATE, max_bad_share=0.7)
    reasons = {clip.name: clip.reason for clip in decoded.bad}
    assert set(reasons) == {"corrupt.flac", "text.mp3", "empty.wav", "nan.wav", "silent.wav", "single.wav"}
    assert "cannot be decoded" in reasons["corrupt.flac"]
    assert "cannot be decoded" in reasons["text.mp3"]
    assert reasons["nan.wav"] == "NaN or infinite samples, the first at 0.01 s"
    assert reasons["silent.wav"] == "silent"
    assert reasons["single.wav"] == "shorter than 10 ms"
    assert all(reasons.values())
    assert [window.name for window in decoded.windows] == ["0.wav", "1.wav", "2.wav"]
    names = [clip.name for clip in folder(bad).clips]
    assert [names[window.clip] for window in decoded.windows] == ["0.wav", "1.wav", "2.wav"]
    assert (len(decoded), decoded.n_clips) == (3, 9)
    assert all(np.isfinite(decoded.waveform(index)).all() for index in range(3))


@pytest.mark.parametrize("name", ["index.json", "samples.i16"])
@pytest.mark.parametrize("kept_bytes", [None, 0, 300])
def test_a_damaged_store_is_made_again(good: Path, name: str, kept_bytes: int | None) -> None:
    decode(folder(good), RATE)
    (store,) = (cache_root() / "audio").iterdir()
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    if kept_bytes is None:
        (store / name).unlink()
    else:
        (store / name).write_bytes(before[name][:kept_bytes])
    assert len(decode(folder(good), RATE)) == 3
    assert {path.name: path.read_bytes() for path in store.iterdir()} == before


def test_too_many_unusable_clips_stop_and_are_named(bad: Path) -> None:
    with pytest.raises(TinyclapError, match=r"6 of 9 clips are unusable.*data\.max_bad_share=0\.5") as failure:
        decode(folder(bad), RATE, max_bad_share=0.5)
    for clip in ("corrupt.flac: ", "text.mp3: ", "empty.wav: ", "nan.wav: NaN", "silent.wav: silent", "single.wav: "):
        assert f"\n  {clip}" in str(failure.value)
    assert failure.value.exit_code == 2


def test_the_share_is_the_reader_s_not_the_store_s(bad: Path) -> None:
    assert len(decode(folder(bad), RATE, max_bad_share=1.0)) == 3
    with pytest.raises(TinyclapError, match="6 of 9"):
        decode(folder(bad), RATE)


def test_a_long_list_of_unusable_clips_is_shortened(tmp_path: Path) -> None:
    for number in range(15):
        write(tmp_path / f"{number:02d}.wav", np.zeros(RATE, np.float32))
    with pytest.raises(TinyclapError, match=r"none of its 15 clips is usable(.|\n)*09\.wav: silent\n.*and 5 more"):
        decode(folder(tmp_path), RATE, max_bad_share=1.0)


def test_a_missing_file_is_an_unusable_clip(good: Path) -> None:
    clips = [*folder(good).clips, Clip("gone.wav", path=good / "gone.wav")]
    decoded = decode(Dataset("some", clips), RATE, max_bad_share=0.25)
    assert [(clip.name, clip.reason) for clip in decoded.bad] == [("gone.wav", "no such file")]


def test_a_long_file_becomes_windows_that_make_it_whole(tmp_path: Path) -> None:
    waveform = noise(120.0, 8000)
    waveform[30 * 8000 : 50 * 8000] = 0.0
    write(tmp_path / "long.flac", waveform, 8000, "PCM_16")
    decoded = decode(folder(tmp_path), 8000, max_clip_s=10.0, max_bad_share=0.0)
    assert [window.name for window in decoded.windows][:4] == [
        *("long.flac[0-10 s]", "long.flac[10-20 s]", "long.flac[20-30 s]", "long.flac[50-60 s]")
    ]
    assert [(clip.name, clip.reason) for clip in decoded.bad] == [
        ("long.flac[30-40 s]", "silent"),
        ("long.flac[40-50 s]", "silent"),
    ]
    assert (len(decoded), decoded.n_clips, {window.clip for window in decoded.windows}) == (10, 1, {0})
    joined = np.concatenate([decoded.waveform(index) for index in range(10)])
    expected = np.concatenate([waveform[: 30 * 8000], waveform[50 * 8000 :]])
    np.testing.assert_allclose(joined, expected, atol=2 / 32767, rtol=0)


def test_the_rest_of_a_long_file_is_a_window_unless_nothing_can_be_heard_in_it(tmp_path: Path) -> None:
    write(tmp_path / "rest.wav", noise(2.5))
    write(tmp_path / "speck.wav", noise(2.004))
    decoded = decode(folder(tmp_path), RATE, max_clip_s=1.0)
    assert [(window.name, window.duration_s) for window in decoded.windows] == [
        ("rest.wav[0-1 s]", 1.0),
        ("rest.wav[1-2 s]", 1.0),
        ("rest.wav[2-2.5 s]", 0.5),
        ("speck.wav[0-1 s]", 1.0),
        ("speck.wav[1-2 s]", 1.0),
    ]
    assert decoded.bad == []


@pytest.mark.slow
def test_three_hours_are_decoded_in_bounded_memory(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "long.flac", "w", 8000, 1, "PCM_16") as stream:
        minute = noise(60.0, 8000)
        for _ in range(180):
            stream.write(minute)
    code = f"""
import resource
from pathlib import Path
from tinyclap.data.decoded import decode
from tinyclap.data.folder import folder

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(decode(folder(Path({str(tmp_path)!r})), 8000)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    windows, grown_kb = map(int, done.stdout.split())
    assert windows == 360
    assert grown_kb < 100_000  # three hours are 346 MB of float32


@pytest.mark.parametrize("peak", [1.0, 0.01, 7.5])
def test_rounding_error_is_half_a_16_bit_step_of_the_clip_s_own_peak(tmp_path: Path, peak: float) -> None:
    waveform = noise(1.0)
    waveform *= np.float32(peak / np.abs(waveform).max())
    write(tmp_path / "clip.wav", waveform)
    decoded = decode(folder(tmp_path), RATE)
    error = np.abs(decoded.waveform(0) - waveform).max()
    assert error <= 1.01 * peak / 65_534
    assert 20 * np.log10(error / peak) < -96
    window = decoded.windows[0]
    assert window.peak == pytest.approx(peak, rel=1e-6)
    assert window.rms == pytest.approx(np.sqrt(np.mean(waveform.astype(np.float64) ** 2)), rel=1e-6)


def test_a_second_call_decodes_nothing(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = decode(folder(good), RATE)
    monkeypatch.setattr(Dataset, "load", load_nothing)
    monkeypatch.setattr(Dataset, "info", load_nothing)
    again = decode(folder(good), RATE)
    assert again.windows == first.windows
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again.waveform(2), first.waveform(2))


def test_the_same_clips_elsewhere_are_the_same_store(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = decode(folder(good), RATE)
    moved = good.rename(good.parent / "moved")
    monkeypatch.setattr(Dataset, "load", load_nothing)
    assert decode(folder(moved), RATE).fingerprint == first.fingerprint


def test_whatever_changes_the_sound_changes_the_store(good: Path) -> None:
    fingerprints = [decode(folder(good), RATE).fingerprint]
    fingerprints.append(decode(folder(good), 8000).fingerprint)
    fingerprints.append(decode(folder(good), RATE, max_clip_s=0.2).fingerprint)
    changed = noise(0.5, seed=1)
    changed[0] += 0.1
    write(good / "1.wav", changed)
    decoded = decode(folder(good), RATE)
    assert len({*fingerprints, decoded.fingerprint}) == 4
    assert decoded.waveform(1)[0] == pytest.approx(changed[0], abs=1e-4)


def test_a_repaired_clip_is_found_again(good: Path) -> None:
    write(good / "3.wav", np.zeros(RATE, np.float32))
    assert len(decode(folder(good), RATE, max_bad_share=0.5)) == 3
    write(good / "3.wav", noise(0.5, seed=3))
    assert len(decode(folder(good), RATE, max_bad_share=0.5)) == 4


def test_a_full_disk_is_an_error_and_leaves_no_store(good: Path) -> None:
    """A file size limit makes the real write fail, as a full disk does; 30 kB are less than one write buffer."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(OSError) as failure:  # noqa: PT011 (its errno is checked)
            decode(folder(good), RATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert failure.value.errno == errno.EFBIG  # with an errno, the command line can explain it
    assert list((cache_root() / "audio").iterdir()) == []
    assert len(decode(folder(good), RATE)) == 3


def test_a_failure_in_the_middle_leaves_no_store(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Dataset.load

    def fail_at_the_last(self: Dataset, index: int, *arguments: object) -> np.ndarray:
        if index == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return load(self, index, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "load", fail_at_the_last)
        with pytest.raises(OSError, match="No space left"):
            decode(folder(good), RATE)
    assert list((cache_root() / "audio").iterdir()) == []
    assert len(decode(folder(good), RATE)) == 3


@pytest.mark.slow
def test_killed_while_decoding_there_is_no_store(tmp_path: Path) -> None:
    code = "from tinyclap.data.decoded import decode\nfrom tinyclap.data.procedural.dataset import Procedural\n"
    process = subprocess.Popen([sys.executable, "-c", code + "decode(Procedural(100_000), 16000)"], env=os.environ)
    deadline = time.monotonic() + 60
    while not list((cache_root() / "audio").glob(".*/samples.i16")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert stores() == []


def test_two_rates_agree_on_what_does_not_depend_on_the_rate(bad: Path) -> None:
    high, low = (decode(folder(bad), rate, max_clip_s=0.3, max_bad_share=1.0) for rate in (48_000, 16_000))
    for attribute in ("name", "clip", "duration_s", "rms", "peak"):
        assert [getattr(window, attribute) for window in high.windows] == [
            getattr(window, attribute) for window in low.windows
        ]
    assert high.bad == low.bad
    assert high.fingerprint != low.fingerprint
    for index, window in enumerate(high.windows):
        assert abs(len(high.waveform(index)) - 48_000 * window.duration_s) <= 1
        assert abs(len(low.waveform(index)) - 16_000 * window.duration_s) <= 1


def test_a_stretch_of_a_window(good: Path) -> None:
    decoded = decode(folder(good), RATE)
    whole = decoded.waveform(1)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(decoded.waveform(1, 0.125, 0.25), whole[2000:6000])
    np.testing.assert_array_equal(decoded.waveform(1, 0.375), whole[6000:])
    np.testing.assert_array_equal(decoded.waveform(1, 0.375, 9.0), whole[6000:])
    np.testing.assert_array_equal(decoded.waveform(1, 9.0), whole[-1:])


def test_generated_clips_decode_as_they_are(tmp_path: Path) -> None:
    clips = Procedural(3, duration_s=0.5)
    decoded = decode(clips, 32_000)
    assert isinstance(decoded, Decoded)
    for index in range(3):
        np.testing.assert_allclose(decoded.waveform(index), clips.load(index, 32_000), atol=2e-5, rtol=0)
