"""The front end: its filterbank against torchaudio's, its decibels against a plain numpy computation."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torchaudio

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError

MS_CLAP_2022 = FrontendSpec(sample_rate=44_100, n_fft=1024, win_length=1024, f_max=14_000.0)
SPECS = {
    "default": FrontendSpec(),
    "ms_clap_2022": MS_CLAP_2022,
    "short_window": FrontendSpec(n_fft=1024, win_length=400, hop_length=160),
    "odd_window": FrontendSpec(win_length=401),
    "htk_magnitude": FrontendSpec(mel_scale="htk", mel_norm=None, power=1.0, n_mels=40, f_min=0.0),
    "cube": FrontendSpec(power=3.0, amin=1e-6),
}


@pytest.fixture
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * 0.1


def decibels(waveform: np.ndarray, spec: FrontendSpec) -> np.ndarray:
    """Frame by frame in numpy, (frames, n_mels)."""
    half, side = spec.n_fft // 2, (spec.n_fft - spec.win_length) // 2
    phase = 2 * np.pi * np.arange(spec.win_length) / spec.win_length
    window = np.pad(0.5 - 0.5 * np.cos(phase), (side, spec.n_fft - spec.win_length - side))
    padded = np.pad(waveform.astype(np.float64), half, mode="reflect")
    rows = []
    for frame in range(1 + len(waveform) // spec.hop_length):
        piece = padded[frame * spec.hop_length : frame * spec.hop_length + spec.n_fft]
        magnitude = np.abs(np.fft.rfft(piece * window))
        rows.append((magnitude**spec.power) @ spec.mel_filterbank().astype(np.float64))
    return 10 * np.log10(np.maximum(np.stack(rows), spec.amin))


class TestFilterbank:
    @pytest.mark.parametrize("mel_norm", ["slaney", None])
    @pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
    @pytest.mark.parametrize(
        ("sample_rate", "n_fft", "n_mels", "f_min", "f_max"),
        [(16_000, 512, 64, 50.0, 8_000.0), (44_100, 1024, 64, 50.0, 14_000.0), (48_000, 1024, 64, 0.0, 14_000.0)],
    )
    def test_is_torchaudios(
        self,
        sample_rate: int,
        n_fft: int,
        n_mels: int,
        f_min: float,
        f_max: float,
        mel_scale: str,
        mel_norm: str | None,
        double_precision: None,
    ) -> None:
        spec = FrontendSpec(
            sample_rate=sample_rate,
            n_fft=n_fft,
            win_length=n_fft,
            n_mels=n_mels if mel_scale == "slaney" else 40,
            f_min=f_min,
            f_max=f_max,
            mel_scale=mel_scale,
            mel_norm=mel_norm,
        )
        expected = torchaudio.functional.melscale_fbanks(
            n_fft // 2 + 1, f_min, f_max, spec.n_mels, sample_rate, norm=mel_norm, mel_scale=mel_scale
        )
        ours = spec.mel_filterbank()
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, expected.numpy(), rtol=0, atol=1e-6)

    def test_a_band_without_an_fft_bin_is_refused(self) -> None:
        with pytest.raises(TinyclapError, match=r"n_mels = 128 is not allowed.*lower, or n_fft higher: \d+ bands"):
            FrontendSpec(n_fft=256, win_length=256, hop_length=160, n_mels=128)


class TestSpec:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"sample_rate": 0}, "sample_rate"),
            ({"sample_rate": True}, "sample_rate"),
            ({"n_fft": 511, "win_length": 511}, "n_fft"),
            ({"hop_length": 1.5}, "hop_length"),
            ({"hop_length": 513}, "hop_length"),
            ({"win_length": 1024}, "win_length"),
            ({"f_max": 8_001.0}, "f_max"),
            ({"f_max": float("nan")}, "f_max"),
            ({"f_min": 8_000.0}, "f_min"),
            ({"f_min": -1.0}, "f_min"),
            ({"mel_scale": "bark"}, "mel_scale"),
            ({"mel_norm": "area"}, "mel_norm"),
            ({"power": 0.0}, "power"),
            ({"amin": 0.0}, "amin"),
        ],
    )
    def test_refuses_by_name_and_value(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(TinyclapError, match=f"front end: {field} = .* is not allowed; it must be ") as caught:
            FrontendSpec(**changes)
        assert repr(changes[field]) in str(caught.value)

    def test_needs_no_torch(self) -> None:
        code = "import sys, tinyclap.audio.log_mel.spec; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestLogMel:
    @pytest.mark.parametrize("name", SPECS)
    def test_is_the_plain_computation(self, name: str) -> None:
        spec = SPECS[name]
        waveform = noise(1, 5_000)
        ours = LogMel(spec)(waveform)
        expected = decibels(waveform[0].numpy(), spec)
        assert ours.shape == (1, 1, spec.n_frames(5_000), spec.n_mels)
        np.testing.assert_allclose(ours[0, 0].numpy(), expected, rtol=0, atol=5e-4)

    def test_a_tone_is_loudest_in_its_band(self) -> None:
        spec = FrontendSpec()
        time = torch.arange(16_000) / spec.sample_rate
        spectrogram = LogMel(spec)(torch.sin(2 * torch.pi * 1_000.0 * time)[None])[0, 0]
        band = int(spectrogram[25].argmax())
        centre_hz = float(spec.mel_filterbank()[:, band].argmax()) * spec.sample_rate / spec.n_fft
        assert abs(centre_hz - 1_000.0) < 50.0

    def test_silence_is_the_floor(self) -> None:
        assert torch.equal(LogMel(FrontendSpec())(torch.zeros(2, 1_000)), torch.full((2, 1, 4, 64), -100.0))

    def test_twice_the_amplitude_is_six_decibels_more(self) -> None:
        front_end, waveform = LogMel(FrontendSpec()), noise(1, 4_000)
        louder = front_end(2 * waveform) - front_end(waveform)
        torch.testing.assert_close(louder, torch.full_like(louder, 20 * np.log10(2)), rtol=0, atol=1e-4)

    def test_a_clip_does_not_depend_on_its_neighbours(self) -> None:
        front_end, waveforms = LogMel(FrontendSpec()), noise(3, 4_000)
        torch.testing.assert_close(front_end(waveforms)[1:2], front_end(waveforms[1:2]), rtol=0, atol=1e-5)

    def test_autocast_does_not_touch_it(self) -> None:
        front_end, waveforms = LogMel(FrontendSpec()), noise(1, 4_000)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            under_autocast = front_end(waveforms)
        assert under_autocast.dtype == torch.float32
        assert torch.equal(under_autocast, front_end(waveforms))

    def test_gradients_reach_the_waveform(self) -> None:
        waveforms = noise(1, 4_000).requires_grad_()
        LogMel(FrontendSpec())(waveforms).sum().backward()
        assert waveforms.grad is not None
        assert bool(waveforms.grad.isfinite().all())
        assert bool((waveforms.grad != 0).any())

    def test_has_nothing_to_save(self) -> None:
        assert not LogMel(FrontendSpec()).state_dict()

    def test_takes_the_shortest_clip_it_can_reflect(self) -> None:
        assert LogMel(FrontendSpec())(noise(1, 257)).shape == (1, 1, 1, 64)

    @pytest.mark.parametrize("shape", [(1, 256), (1, 0), (4_000,), (1, 1, 4_000)])
    def test_refuses_what_it_cannot_reflect(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(TinyclapError, match=r"at least 257 samples \(16 ms\); repeat-pad shorter clips"):
            LogMel(FrontendSpec())(torch.zeros(shape))
