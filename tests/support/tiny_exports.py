"""A student, its teacher and clips, small enough to be exported in tests."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import pytest
import torch

from tests.support.tiny import tiny_clap
from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.exporters import write_bundle
from tinyclap.exporters.calibration import CalibrationSet
from tinyclap.exporters.options import ExportOptions
from tinyclap.exporters.write_bundle import Exporter
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig

SPEC = FrontendSpec(sample_rate=8000, n_fft=256, win_length=256, hop_length=160, n_mels=24, f_max=4000.0)
TINY = StudentConfig(frontend=SPEC, phinet=PhiNetConfig(alpha=0.2), features=32, embed_dim=16, window_s=1.0)
LABELS = ("church_bell", "dog_bark", "rain", "siren")
PROMPTS = ("This is a sound of {}.",)


def settled(config: StudentConfig) -> Student:
    """An untrained student whose batch normalisation has seen noise of many levels."""
    torch.manual_seed(0)
    student = Student(config).train()
    levels = torch.logspace(-4, 0, 16).unsqueeze(1)
    with torch.no_grad():
        for _ in range(20):
            student(levels * torch.randn(16, config.window_samples))
    return student.eval()


def clips(seed: int) -> Decoded:
    """Generated sounds of four classes, 1 s each."""
    return decode(Procedural(126, seed=seed, duration_s=1.0).select(labels=LABELS), SPEC.sample_rate)


def tiny_exporter(cache: Path, options: ExportOptions, config: StudentConfig = TINY) -> Exporter:
    """Ready to write a bundle; its clips are decoded into `cache`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYCLAP_CACHE", str(cache))
        material = CalibrationSet(clips(0), clips(1), LABELS)
    teacher = tiny_clap(["a dog barking", "rain falls"], embed_dim=config.embed_dim)
    return Exporter(settled(config), teacher, material, options, "tiny", PROMPTS)


_TRACED: dict[tuple[str, str, str], onnx.ModelProto] = {}


@contextmanager
def tracing_once() -> Iterator[None]:
    """Within it, exports trace networks of the same weights once in a process: tracing is what takes their time."""

    def once(name: str, trace: Callable[..., onnx.ModelProto]) -> Callable[..., onnx.ModelProto]:
        def traced(network: Student | LogMel, *settings: float) -> onnx.ModelProto:
            weights = hashlib.sha256()
            for tensor in (*network.state_dict().values(), *network.buffers()):
                weights.update(tensor.numpy().tobytes())
            key = name, repr((network, settings)), weights.hexdigest()
            if key not in _TRACED:
                _TRACED[key] = trace(network, *settings)
            copy = onnx.ModelProto()
            copy.CopyFrom(_TRACED[key])
            return copy

        return traced

    with pytest.MonkeyPatch.context() as patch:
        for name in ("encoder_graph", "frontend_graph", "static_graph"):
            patch.setattr(write_bundle, name, once(name, vars(write_bundle)[name]))
        yield
