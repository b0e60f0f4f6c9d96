"""Audio towers as graphs: what torch computes, at every batch size and length."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from tests.support.tiny import style_teacher
from tests.teachers.test_laion import TestContract as OfLaion
from tests.teachers.test_msclap import TestContract2022 as Of2022
from tests.teachers.test_msclap import TestContract2023 as Of2023
from tinyclap.errors import GateError, MachineError, TinyclapError
from tinyclap.exporters.onnx.tower import export_tower, tower_graph
from tinyclap.models.resize_frames import ResizeFrames
from tinyclap.runtime.session import open_session, run
from tinyclap.teachers.base import TrainableTeacher


@pytest.mark.parametrize("n", [2, 201, 965, 1001])
def test_frames_are_stretched_as_torch_does(n: int) -> None:
    logmel = torch.randn(2, 1, n, 8, generator=torch.Generator().manual_seed(n))
    wanted = F.interpolate(logmel, (1024, 8), mode="bicubic", align_corners=True)
    torch.testing.assert_close(ResizeFrames(1024)(logmel), wanted, atol=1e-5, rtol=0)


def test_as_many_frames_as_wanted_are_left_alone() -> None:
    logmel = torch.randn(1, 1, 64, 8)
    assert torch.equal(ResizeFrames(64)(logmel), logmel)
    with pytest.raises((IndexError, RuntimeError), match=r"out of range|out of bounds"):
        ResizeFrames(63)(logmel)


def compare(teacher: TrainableTeacher, path: Path) -> None:
    """Batches of 1 and 4, whole windows and shorter ones."""
    session = open_session(path, inputs=["waveform"], output="embedding", providers=None, threads=1)
    for size, share in ((1, 1.0), (4, 1.0), (4, 0.37)):
        samples = round(share * teacher.window)
        waveforms = 0.3 * torch.randn(size, samples, generator=torch.Generator().manual_seed(size))
        with torch.no_grad():
            wanted = teacher.encode_audio(waveforms).numpy()
        np.testing.assert_allclose(run(session, {"waveform": waveforms.numpy()}), wanted, atol=1e-5)


@pytest.mark.slow
def test_laions_tower_is_what_torch_computes(tmp_path: Path) -> None:
    teacher, path = OfLaion.make(), tmp_path / "tower.onnx"
    facts = export_tower(teacher, path)
    assert facts["max_abs"] < 1e-5
    compare(teacher, path)
    session = onnxruntime.InferenceSession(path)
    assert json.loads(session.get_modelmeta().custom_metadata_map["tinyclap"]) == facts
    assert (facts["sample_rate"], facts["window_s"], facts["input"]) == (48_000, 10.0, "waveform")
    assert facts["parameters"] == sum(parameter.numel() for parameter in teacher.audio_parameters())
    too_long = np.zeros((1, round(1.1 * teacher.window)), np.float32)
    with pytest.raises(MachineError, match="out of data bounds"):
        run(session, {"waveform": too_long})
    with pytest.raises(TinyclapError, match="exists already and is left as it is"):
        export_tower(teacher, path)


@pytest.mark.slow
def test_a_graph_that_computes_something_else_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher, other = OfLaion.make(), OfLaion.make()
    with torch.no_grad():
        other.audio_parameters()[0].mul_(0.5)
    graph = tower_graph(other.audio_graph())
    monkeypatch.setattr("tinyclap.exporters.onnx.tower.tower_graph", lambda _: graph)
    with pytest.raises(GateError, match=r"differs from torch by .* so nothing was written"):
        export_tower(teacher, tmp_path / "tower.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_tower_that_is_too_large_for_one_file_gets_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As CLSP's published one, of 597 M parameters, is."""
    monkeypatch.setattr("tinyclap.exporters.onnx.tower.LARGEST_FILE", 2**10)
    teacher = style_teacher()
    facts = export_tower(teacher, tmp_path / "tower.onnx")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["tower.onnx", "tower.onnx.data"]
    assert (tmp_path / "tower.onnx.data").stat().st_size >= 4 * facts["parameters"]
    (tmp_path / "elsewhere").mkdir()
    for file in ("tower.onnx", "tower.onnx.data"):
        (tmp_path / file).rename(tmp_path / "elsewhere" / file)
    moved = tmp_path / "elsewhere" / "tower.onnx"
    compare(teacher, moved)
    moved.rename(tmp_path / "other.onnx")
    with pytest.raises(TinyclapError, match=r"tower\.onnx\.data exists already"):
        export_tower(teacher, moved)


@pytest.mark.slow
@pytest.mark.parametrize("made", [Of2022, Of2023])
def test_microsofts_towers_are_what_torch_computes(made: type[Of2022], tmp_path: Path) -> None:
    teacher = made.make()
    export_tower(teacher, tmp_path / "tower.onnx")
    compare(teacher, tmp_path / "tower.onnx")
