"""The student's graph: the same embeddings in fewer operators, at any batch and length, and in plain ones if asked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.support.tiny_exports import TINY, settled
from tinyclap.errors import TinyclapError
from tinyclap.exporters.onnx.graph import OPSET, join, operators, save
from tinyclap.exporters.onnx.student import (
    HEAD_NODES,
    PLAIN_OPERATORS,
    TAIL_NODES,
    GraphEncoder,
    PlainProjection,
    encoder_graph,
    frontend_graph,
    static_graph,
)
from tinyclap.models.heads import Projection
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student import Student
from tinyclap.models.student_config import REFERENCE, StudentConfig
from tinyclap.runtime.session import open_session

CONFIGS = {
    "default": TINY,
    "mel rows": replace(TINY, pooling="mels"),
    "mean and max": replace(TINY, pooling="mean_max", features=0),
    "relu6": replace(TINY, phinet=PhiNetConfig(alpha=0.2, activation="relu6", squeeze_excite=False)),
    "reference's blocks": replace(TINY, phinet=PhiNetConfig(alpha=0.2, compatibility=True), head="projection"),
}


def outputs(graph: onnx.ModelProto, path: Path, kind: str, values: torch.Tensor) -> np.ndarray:
    save(graph, path)
    session = open_session(path, inputs=[kind], output="embedding", providers=None, threads=None)
    computed: np.ndarray = session.run(None, {kind: values.numpy()})[0]
    return computed


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("plain", [False, True])
@torch.no_grad()
def test_it_encodes_as_the_student_does(config: StudentConfig, plain: bool) -> None:
    student = settled(config)
    logmel = student.frontend(0.1 * torch.randn(3, 7000))
    assert torch.allclose(GraphEncoder(student, plain=plain)(logmel), student.encode(logmel), atol=1e-6)


@torch.no_grad()
def test_the_plain_head_is_the_papers() -> None:
    torch.manual_seed(0)
    head, x = Projection(12, 7).eval(), 3 * torch.randn(5, 12)
    head.layer_norm.weight.uniform_(0.5, 2.0)
    head.layer_norm.bias.uniform_(-1.0, 1.0)
    assert torch.allclose(PlainProjection(head)(x), head(x), atol=1e-6)


@pytest.fixture(scope="module")
def student() -> Student:
    return settled(TINY)


@pytest.fixture(scope="module")
def graph(student: Student) -> onnx.ModelProto:
    return encoder_graph(student)


def test_the_graph_is_clean(graph: onnx.ModelProto, tmp_path: Path) -> None:
    save(graph, tmp_path / "audio.onnx", '{"name": "x"}')
    assert [path.name for path in tmp_path.iterdir()] == ["audio.onnx"], "one file"
    content = (tmp_path / "audio.onnx").read_bytes()
    for trace in (b"site-packages", b".py", b"tinyclap.models.phinet", b"/home", b"/root"):
        assert trace not in content
    loaded = onnx.load(tmp_path / "audio.onnx")
    assert {entry.domain: entry.version for entry in loaded.opset_import} == {"": OPSET}
    assert {entry.key: entry.value for entry in loaded.metadata_props} == {"tinyclap": '{"name": "x"}'}
    assert not any(tensor.external_data for tensor in loaded.graph.initializer)
    dims = [[dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in _ends(loaded)]
    assert dims == [["batch", 1, "frames", TINY.frontend.n_mels], ["batch", TINY.embed_dim]]


def _ends(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    return [*model.graph.input, *model.graph.output]


def test_batch_norms_are_folded_in_and_the_ends_are_known(graph: onnx.ModelProto) -> None:
    kinds = [node.op_type for node in graph.graph.node]
    assert not {"BatchNormalization", "Transpose", "Shape", "Identity"} & set(kinds)
    assert tuple(kinds[: len(HEAD_NODES)]) == HEAD_NODES
    assert tuple(kinds[-len(TAIL_NODES) :]) == TAIL_NODES


@pytest.mark.parametrize("batch", [1, 3, 16])
@pytest.mark.parametrize("frames", [5, 51, 130])
@torch.no_grad()
def test_any_batch_and_length(
    graph: onnx.ModelProto, student: Student, tmp_path: Path, batch: int, frames: int
) -> None:
    torch.manual_seed(batch)
    logmel = -40 + 15 * torch.randn(batch, 1, frames, TINY.frontend.n_mels)
    computed = outputs(graph, tmp_path / "audio.onnx", "logmel", logmel)
    assert np.abs(computed - student.encode(logmel).numpy()).max() < 1e-5


@torch.no_grad()
def test_waveform_in(graph: onnx.ModelProto, student: Student, tmp_path: Path) -> None:
    joined = join(frontend_graph(student.frontend, student.config.window_samples), graph)
    for shape in ((1, 8000), (3, 12_345), (16, 900)):
        waveforms = 0.1 * torch.randn(shape)
        computed = outputs(joined, tmp_path / "audio.onnx", "waveform", waveforms)
        assert np.abs(computed - student(waveforms).numpy()).max() < 1e-5
    assert [value.name for value in joined.graph.input] == ["waveform"]


@torch.no_grad()
def test_a_static_graph_has_fixed_axes_and_plain_operators(tmp_path: Path) -> None:
    student = settled(CONFIGS["reference's blocks"])
    graph = static_graph(student, 0.5)
    dims = [[(dim.dim_param, dim.dim_value) for dim in value.type.tensor_type.shape.dim] for value in _ends(graph)]
    assert dims == [[("", 1), ("", 1), ("", 26), ("", 24)], [("", 1), ("", 16)]]
    assert set(operators(graph)) <= PLAIN_OPERATORS
    logmel = student.frontend(0.1 * torch.randn(1, 4000))
    assert np.abs(outputs(graph, tmp_path / "s.onnx", "logmel", logmel) - student.encode(logmel).numpy()).max() < 1e-5


def test_static_needs_some_sound(student: Student) -> None:
    with pytest.raises(TinyclapError, match=r"--static 0.001: too short for the front end; allowed: 0.016125 s"):
        static_graph(student, 0.001)


@pytest.mark.slow
@torch.no_grad()
def test_the_reference_student(tmp_path: Path) -> None:
    student = settled(REFERENCE)
    joined = join(frontend_graph(student.frontend, student.config.window_samples), encoder_graph(student))
    for shape in ((1, 220_500), (3, 100_000)):
        waveforms = 0.1 * torch.randn(shape)
        computed = outputs(joined, tmp_path / "audio.onnx", "waveform", waveforms)
        assert np.abs(computed - student(waveforms).numpy()).max() < 1e-5
    graph = static_graph(student, 5.0)
    logmel = student.frontend(waveforms[:1, :220_500].repeat(1, 3)[:, :220_500])
    assert np.abs(outputs(graph, tmp_path / "s.onnx", "logmel", logmel) - student.encode(logmel).numpy()).max() < 1e-5
