"""The front end of the graphs: the spectrogram of torch.stft, in torch and in ONNX Runtime."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tinyclap.audio.log_mel.in_onnx import OnnxLogMel
from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.exporters.onnx.graph import save, to_onnx
from tinyclap.runtime.session import open_session

SPECS = {
    "default": FrontendSpec(),
    "reference": FrontendSpec(sample_rate=44_100, n_fft=1024, win_length=1024, f_max=14_000.0),
    "all bins": FrontendSpec(f_min=0.0, mel_norm=None, mel_scale="htk"),
    "short window": FrontendSpec(n_fft=1024, win_length=401),
    "odd halves": FrontendSpec(n_fft=502, win_length=502, hop_length=160, n_mels=32),
    "no common block": FrontendSpec(hop_length=161),
    "magnitudes": FrontendSpec(power=1.0, amin=1e-5),
}


def sounds(spec: FrontendSpec) -> dict[str, torch.Tensor]:
    """Waveforms (1, T) of different lengths."""
    generator = torch.Generator().manual_seed(0)
    seconds = torch.arange(spec.sample_rate) / spec.sample_rate
    noise = torch.randn(spec.sample_rate + 17, generator=generator)
    return {
        "noise": 0.1 * noise,
        "faint noise": 1e-4 * noise[:5000],
        "tone": 0.7 * torch.sin(2 * torch.pi * 1000.0 * seconds),
        "off-grid tone": 0.7 * torch.sin(2 * torch.pi * 1234.5 * seconds[:7001]),
        "silence": torch.zeros(3000),
        "clipping": (50 * noise).clamp(-1, 1),
        "shortest": 0.1 * noise[: spec.n_fft // 2 + 1],
    }


def assert_same(computed: torch.Tensor, expected: torch.Tensor, power: float, name: str) -> None:
    """Equal to what float32 can tell: amplitudes to 2e-7 of the loudest band's, and decibels to 5e-5."""
    assert computed.shape == expected.shape
    below_db = (expected.max() - expected) * 2.0 / power
    allowed = 5e-5 + 20 / np.log(10) * 2e-7 * 10 ** (below_db / 20)
    assert ((computed - expected).abs() <= allowed).all(), name


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("splits", [0, 1, 2, 3])
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_it_is_the_spectrogram_of_torch_stft(spec: FrontendSpec, splits: int, fold: bool) -> None:
    exact, ours = LogMel(spec), OnnxLogMel(spec, splits, fold=fold)
    for name, waveform in sounds(spec).items():
        assert_same(ours(waveform[None]), exact(waveform[None]), spec.power, name)


def test_every_used_bin_is_computed_once_and_most_of_them_cheaply() -> None:
    spec = FrontendSpec()
    groups = [np.asarray(group.bins) for group in OnnxLogMel(spec, 2).groups]
    used = np.flatnonzero(spec.mel_filterbank().any(axis=1))
    assert np.array_equal(np.sort(np.concatenate(groups)), np.arange(used[0], used[-1] + 1))
    assert [set(group % 4) for group in groups] == [{1, 3}, {2}, {0}]


def test_the_graph_takes_any_batch_and_length_and_stays_small(tmp_path: Path) -> None:
    spec = FrontendSpec()
    example = {"waveform": torch.zeros(2, spec.sample_rate)}
    graph = to_onnx(OnnxLogMel(spec), example, "logmel", {"waveform": {0: "batch", 1: "samples"}})
    save(graph, tmp_path / "frontend.onnx")
    assert (tmp_path / "frontend.onnx").stat().st_size < 100_000, "matrices are looked up, not stored"
    session = open_session(
        tmp_path / "frontend.onnx", inputs=["waveform"], output="logmel", providers=None, threads=None
    )
    exact = LogMel(spec)
    for name, waveform in sounds(spec).items():
        for batch in (1, 3):
            waveforms = waveform.repeat(batch, 1) * torch.linspace(1.0, 0.5, batch)[:, None]
            computed = torch.from_numpy(session.run(None, {"waveform": waveforms.numpy()})[0])
            assert_same(computed, exact(waveforms), spec.power, name)
