"""The log-mel front end in several forms on one thread of ONNX Runtime; writes benchmarks/results/onnx_frontend.json.

    python -m benchmarks.device.onnx_frontend [--rounds 40]

The forms compute the same spectrogram of a 5 s window: a convolution with the Fourier matrix, cropped to the bins that
the mel filters use; the STFT operator; a matrix product on frames, split 0 to 3 times (`OnnxLogMel`); numpy's FFT
outside the graph (`NumpyLogMel`); torch.stft. Each is timed alone and, but for torch's, with the
student behind it. Times are medians of interleaved calls; `largest_difference_db` is that from torch.stft on noise.
"""

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.audio.log_mel import in_numpy
from tinyclap.audio.log_mel.in_onnx import FOLD, SPLITS, OnnxLogMel
from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.bench.timing import interleaved_ms
from tinyclap.common.files import write_json
from tinyclap.exporters.onnx.graph import join, save, to_onnx
from tinyclap.exporters.onnx.student import encoder_graph
from tinyclap.models.student import Student
from tinyclap.models.student_config import REFERENCE, StudentConfig
from tinyclap.runs.provenance import environment
from tinyclap.runtime.session import open_session

RESULT = Path(__file__).parents[1] / "results" / "onnx_frontend.json"
HEARS_32K = FrontendSpec(sample_rate=32_000, n_fft=1024, win_length=1024, hop_length=640, f_max=14_000.0)
STUDENTS = {"small": StudentConfig(), "small_32k": StudentConfig(frontend=HEARS_32K), "reference": REFERENCE}
AXES = {"waveform": {0: "batch", 1: "samples"}}


class ConvolutionLogMel(nn.Module):
    """The Fourier transform as a strided convolution, cropped to the bins that the mel filters use."""

    kernels: Tensor
    filters: Tensor

    def __init__(self, spec: FrontendSpec) -> None:
        super().__init__()
        self.spec = spec
        filterbank = spec.mel_filterbank()
        used = np.flatnonzero(filterbank.any(axis=1))
        bins = np.arange(used[0], used[-1] + 1)
        angles = 2 * np.pi * ((bins[:, None] * np.arange(spec.n_fft)) % spec.n_fft) / spec.n_fft
        window = np.hanning(spec.n_fft + 1)[:-1]
        kernels = np.concatenate([np.cos(angles), np.sin(angles)]) * window
        self.register_buffer("kernels", torch.from_numpy(kernels.astype(np.float32))[:, None])
        self.register_buffer("filters", torch.from_numpy(filterbank[bins]))

    def forward(self, waveforms: Tensor) -> Tensor:
        half = self.spec.n_fft // 2
        padded = F.pad(waveforms.unsqueeze(1), (half, half), mode="reflect")
        real, imaginary = F.conv1d(padded, self.kernels, stride=self.spec.hop_length).chunk(2, dim=1)
        return decibels((real * real + imaginary * imaginary).transpose(1, 2) @ self.filters, self.spec)


class StftLogMel(nn.Module):
    """The STFT operator."""

    def __init__(self, spec: FrontendSpec) -> None:
        super().__init__()
        self.own = LogMel(spec)

    def forward(self, waveforms: Tensor) -> Tensor:
        spec, half = self.own.spec, self.own.spec.n_fft // 2
        padded = F.pad(waveforms.unsqueeze(1), (half, half), mode="reflect").squeeze(1)
        spectrum = torch.stft(
            padded, spec.n_fft, spec.hop_length, window=self.own.window, center=False, return_complex=True
        )
        parts = torch.view_as_real(spectrum)
        return decibels((parts * parts).sum(-1).transpose(1, 2) @ self.own.filterbank, spec)


def decibels(mels: Tensor, spec: FrontendSpec) -> Tensor:
    return (10.0 / math.log(10.0)) * mels.clamp_min(spec.amin).log().unsqueeze(1)


FORMS: dict[str, Callable[[FrontendSpec], nn.Module]] = {
    "convolution": ConvolutionLogMel,
    "stft_operator": StftLogMel,
    **{f"frames_split_{splits}": partial(OnnxLogMel, splits=splits, fold=False) for splits in range(4)},
    **{f"frames_split_{splits}_folded": partial(OnnxLogMel, splits=splits, fold=True) for splits in range(4)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    results = {name: compare(config, rounds) for name, config in STUDENTS.items()}
    command = f"python -m benchmarks.device.onnx_frontend --rounds {rounds}"
    header = {"command": command, "environment": environment(seed=0), "splits": SPLITS, "fold": FOLD}
    write_json(RESULT, {**header, "students": results})
    sys.stdout.write(RESULT.read_text(encoding="utf-8"))


@torch.no_grad()
def compare(config: StudentConfig, rounds: int) -> dict[str, Any]:
    """Every form before one untrained student (its weights do not change the time)."""
    torch.manual_seed(0)
    student, spec = Student(config).eval(), config.frontend
    waveform = 0.1 * torch.randn(1, config.window_samples)
    given, exact = waveform.numpy(), LogMel(spec)(waveform).numpy()
    alone: dict[str, Callable[[], Any]] = {}
    whole: dict[str, Callable[[], Any]] = {}
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        encoder = encoder_graph(student)
        encode = session(encoder, Path(folder) / "encoder.onnx", "logmel", "embedding")
        for name, form in FORMS.items():
            example = {"waveform": torch.zeros(2, config.window_samples)}
            graph = to_onnx(form(spec), example, "logmel", AXES)
            path = Path(folder) / f"{name}.onnx"
            alone[name] = partial(session(graph, path, "waveform", "logmel"), given)
            sizes[name] = path.stat().st_size
            joined = join(graph, encoder)
            whole[name] = partial(session(joined, path, "waveform", "embedding"), given)
    outside = in_numpy.NumpyLogMel(spec)
    alone["numpy_rfft"] = partial(outside, given)
    whole["numpy_rfft"] = lambda: encode(outside(given))
    alone["torch_stft"] = partial(student.frontend, waveform)
    taken = interleaved_ms(
        {**alone, **{f"{name}+": call for name, call in whole.items()}, "encoder": partial(encode, exact)}, rounds
    )
    median = {name: statistics.median(times) for name, times in taken.items()}
    return {
        "frontend": asdict(spec),
        "encoder_alone_ms": median["encoder"],
        "forms": {
            name: {
                "frontend_ms": median[name],
                "waveform_to_embedding_ms": median.get(f"{name}+"),
                "over_encoder_alone": median[f"{name}+"] / median["encoder"] if name in whole else None,
                "size_bytes": sizes.get(name),
                "largest_difference_db": float(np.abs(np.asarray(call()) - exact).max()),
            }
            for name, call in alone.items()
        },
    }


def session(graph: Any, path: Path, given: str, output: str) -> Callable[[np.ndarray], Any]:
    save(graph, path)
    opened = open_session(path, inputs=[given], output=output, providers=None, threads=1)
    return lambda values: opened.run(None, {given: values})[0]


if __name__ == "__main__":
    main()
