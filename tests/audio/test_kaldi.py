"""Kaldi's filterbank: torchaudio's, the original's of CLSP, and what the definition gives in float64."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchaudio.compliance import kaldi

from tests.golden.make_clsp import GOLDEN, waveforms
from tinyclap.audio.log_mel.kaldi import KaldiFbank, KaldiSpec
from tinyclap.errors import TinyclapError
from tinyclap.exporters.onnx.graph import save
from tinyclap.exporters.onnx.student import frontend_graph
from tinyclap.runtime.session import open_session, run

SPEC = KaldiSpec()
FLOOR = float(np.log(np.finfo(np.float32).eps))


def noise(samples: int) -> torch.Tensor:
    """With an offset, which has to go."""
    return 0.3 * torch.randn(1, samples, generator=torch.Generator().manual_seed(samples)) + 0.05


def by_definition(waveform: np.ndarray) -> np.ndarray:
    """Frames in a loop, everything in float64; (frames, 128)."""
    mels = np.linspace(1127 * np.log(1 + 20 / 700), 1127 * np.log(1 + 7600 / 700), 130)
    bins = 1127 * np.log(1 + 31.25 * np.arange(257) / 700)
    filters = np.array([np.interp(bins, mels[band : band + 3], [0, 1, 0]) for band in range(128)]).T
    filters[256] = 0.0
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    extended = np.concatenate([waveform[119::-1], waveform, waveform[:-201:-1]])
    rows = []
    for first in range(0, 160 * ((len(waveform) + 80) // 160), 160):
        frame = extended[first : first + 400]
        frame = frame - frame.mean()
        frame = (frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])) * window
        rows.append(np.log(np.maximum(np.abs(np.fft.rfft(frame, 512)) ** 2 @ filters, np.finfo(np.float32).eps)))
    return np.array(rows)


@pytest.mark.parametrize("samples", [400, 401, 479, 480, 1_360, 9_473, 16_000])
def test_it_is_torchaudios(samples: int) -> None:
    """Whose own filters are rounded to 2e-5, which narrow quiet bands feel most."""
    theirs = kaldi.fbank(noise(samples), num_mel_bins=128, dither=0.0, snip_edges=False, high_freq=-400.0)
    ours = KaldiFbank(SPEC)(noise(samples))
    assert ours.shape == (1, 1, SPEC.n_frames(samples), 128)
    np.testing.assert_allclose(ours[0, 0], theirs, atol=2e-3)
    assert (ours[0, 0] - theirs).abs().mean() < 2e-5


@pytest.mark.parametrize("samples", [400, 9_473, 16_000])
def test_it_is_what_the_definition_gives(samples: int) -> None:
    wanted = by_definition(noise(samples)[0].double().numpy())
    np.testing.assert_allclose(KaldiFbank(SPEC)(noise(samples))[0, 0], wanted, atol=5e-4)


def test_it_is_the_front_end_of_the_original() -> None:
    """Lhotse's, by which CLSP was trained."""
    ours = [KaldiFbank(SPEC)(clip[None])[0, 0] for clip in waveforms()]
    stored = np.load(GOLDEN)
    np.testing.assert_allclose(np.concatenate([one[::9] for one in ours]), stored["fbank"], atol=1e-3)
    np.testing.assert_allclose(ours[1], stored["features"], atol=1e-3)


def test_silence_is_the_floor_and_bands_between_bins_too() -> None:
    assert torch.allclose(KaldiFbank(SPEC)(torch.full((1, 800), 0.5)), torch.tensor(FLOOR))  # an offset is silent
    empty = ~SPEC.mel_filterbank().any(axis=0)
    assert empty.any()
    heard = KaldiFbank(SPEC)(noise(16_000))[0, 0].numpy()
    np.testing.assert_allclose(heard[:, empty], FLOOR, rtol=1e-6)


def test_shorter_than_a_frame_is_told() -> None:
    with pytest.raises(TinyclapError, match=r"at least 400 samples \(25 ms\)"):
        KaldiFbank(SPEC)(torch.zeros(1, 399))


def test_it_is_the_same_in_a_graph(tmp_path: Path) -> None:
    frontend = KaldiFbank(SPEC)
    save(frontend_graph(frontend, 16_000), tmp_path / "fbank.onnx")
    session = open_session(tmp_path / "fbank.onnx", inputs=["waveform"], output="logmel", providers=None, threads=1)
    for samples in (400, 9_473):
        sound = noise(samples).repeat(3, 1)
        np.testing.assert_allclose(run(session, {"waveform": sound.numpy()}), frontend(sound), atol=1e-3)
