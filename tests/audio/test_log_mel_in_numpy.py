"""The front end in numpy: the same decibels as the one in torch, for every kind of spec and sound."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from tinyclap.audio.log_mel import in_torch as frontend
from tinyclap.audio.log_mel.in_numpy import BLOCK_FRAMES, NumpyLogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError

SPECS = {
    "16 kHz": FrontendSpec(),
    "44.1 kHz": FrontendSpec(sample_rate=44_100, n_fft=1024, win_length=1024, f_max=14_000.0),
    "48 kHz": FrontendSpec(sample_rate=48_000, n_fft=1024, win_length=1024, hop_length=480, f_max=14_000.0),
    "short window": FrontendSpec(n_fft=1024, win_length=400, hop_length=160),
    "odd window": FrontendSpec(win_length=401),
    "magnitude": FrontendSpec(mel_scale="htk", mel_norm=None, power=1.0, n_mels=40, f_min=0.0),
    "cube": FrontendSpec(power=3.0, amin=1e-6),
}
AUDIBLE_DB = 60.0  # below the loudest band of a frame; further down a tone leaves float32's rounding only


def sounds(spec: FrontendSpec) -> dict[str, np.ndarray]:
    """One second each, (1, T)."""
    rng = np.random.default_rng(0)
    time = np.arange(spec.sample_rate) / spec.sample_rate
    made = {
        "noise": rng.normal(0, 0.1, time.size),
        "quiet noise": rng.normal(0, 1e-4, time.size),
        "tone": np.sin(2 * np.pi * 440.3 * time),
        "tone on a bin": 0.5 * np.sin(2 * np.pi * 1_000.0 * time),
        "clipped tone": np.sign(np.sin(2 * np.pi * 300.0 * time)),
        "clipped noise": np.clip(rng.normal(0, 3, time.size), -1, 1),
        "click": np.where(np.arange(time.size) == time.size // 2, 1.0, 0.0),
        "silence": np.zeros(time.size),
    }
    return {name: samples.astype(np.float32)[None] for name, samples in made.items()}


def in_torch(spec: FrontendSpec, waveforms: np.ndarray) -> np.ndarray:
    return frontend.LogMel(spec)(torch.from_numpy(waveforms)).numpy()


@pytest.mark.parametrize("name", SPECS)
def test_the_decibels_are_those_of_torch(name: str) -> None:
    spec = SPECS[name]
    for sound, waveform in sounds(spec).items():
        ours, expected = NumpyLogMel(spec)(waveform), in_torch(spec, waveform)
        assert ours.dtype == np.float32
        assert ours.shape == expected.shape == (1, 1, spec.n_frames(waveform.shape[1]), spec.n_mels)
        heard = expected > expected.max(axis=-1, keepdims=True) - AUDIBLE_DB * spec.power / 2
        assert np.abs(ours - expected)[heard].max() < (1e-3 if "tone" in sound else 1e-4), sound
        if "tone" not in sound:
            assert np.abs(ours - expected).max() < 1e-4, sound


def test_a_batch_is_its_clips() -> None:
    log_mel = NumpyLogMel(FrontendSpec())
    waveforms = np.random.default_rng(0).normal(0, 0.1, (3, 30_000)).astype(np.float32)
    together = log_mel(waveforms)
    assert together.shape[2] > BLOCK_FRAMES
    for row in range(3):
        np.testing.assert_allclose(together[row], log_mel(waveforms[row : row + 1])[0], rtol=0, atol=1e-5)


def test_the_input_is_left_as_it_is() -> None:
    waveforms = np.random.default_rng(0).normal(0, 0.1, (1, 5_000)).astype(np.float32)
    before = waveforms.copy()
    NumpyLogMel(FrontendSpec())(waveforms)
    np.testing.assert_array_equal(waveforms, before)


def test_takes_the_shortest_clip_it_can_reflect() -> None:
    assert NumpyLogMel(FrontendSpec())(np.zeros((1, 257), np.float32)).shape == (1, 1, 1, 64)


@pytest.mark.parametrize("shape", [(1, 256), (1, 0), (4_000,), (1, 1, 4_000)])
def test_refuses_what_it_cannot_reflect(shape: tuple[int, ...]) -> None:
    with pytest.raises(TinyclapError, match=r"at least 257 samples \(16 ms\); repeat-pad shorter clips"):
        NumpyLogMel(FrontendSpec())(np.zeros(shape, np.float32))


def test_needs_no_torch() -> None:
    code = "import sys, tinyclap.audio.log_mel.in_numpy; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
