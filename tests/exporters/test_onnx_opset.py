"""Graphs in every opset: what they compute is what torch computes, and other tools take them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper, version_converter
from onnxruntime.quantization import quantize_dynamic

from tests.exporters.conftest import EVERYTHING
from tests.support.tiny_exports import TINY, tiny_exporter
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.errors import TinyclapError
from tinyclap.exporters.onnx import parity, text
from tinyclap.exporters.onnx.graph import OPSET, to_onnx
from tinyclap.exporters.onnx.opset import OLDEST, at_opset, newest, opset_of
from tinyclap.exporters.options import ExportOptions
from tinyclap.exporters.write_bundle import Exporter
from tinyclap.reports.console.bundle import bundle_table
from tinyclap.reports.console.export import as_table
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import read_manifest
from tinyclap.runtime.selftest import selftest

VERSIONS = range(OLDEST, newest() + 1)
ROUNDING = (
    1e-4  # of unit vectors: the same INT8 graph, of which a step may tip over where its float parts round otherwise
)


@dataclass(frozen=True)
class Case:
    """A graph as it is exported, what it is given, what it must compute, and how far it may be away."""

    graph: onnx.ModelProto
    inputs: Mapping[str, np.ndarray]
    expected: np.ndarray
    allowed: float


def run(graph: onnx.ModelProto, inputs: Mapping[str, np.ndarray], *, fused: bool = True) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    if not fused:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    computed: np.ndarray = session.run(None, dict(inputs))[0]
    return computed


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Exporter:
    """An exporter of a student with the head of the paper, which has Gelu and LayerNormalization."""
    options = replace(EVERYTHING, int8_min_agreement=0.0)
    return tiny_exporter(tmp_path_factory.mktemp("cache"), options, replace(TINY, head="projection"))


@pytest.fixture(scope="module")
def cases(rich: Exporter) -> dict[str, Case]:
    graphs, student = rich._graphs(), rich.student
    sounds = np.stack([Procedural(3, seed=5, duration_s=1.0).load(row, 8000) for row in range(3)])
    waveforms = torch.from_numpy(sounds)
    with torch.no_grad():
        logmel = student.frontend(waveforms[:1, :4000])
        embedded = student(waveforms).numpy(), student.encode(logmel).numpy()
        tokens = {"input_ids": torch.randint(3, 200, (2, 9)), "attention_mask": torch.ones(2, 9).long()}
        tokens["attention_mask"][1, 6:] = 0
        tower = rich.teacher.text_graph().encoder
        assert isinstance(tower, torch.nn.Module)
        words = tower(*tokens.values()).numpy()
    takes = {"waveform": sounds}, {"logmel": logmel.numpy()}
    rounded = [
        run(graphs[f"{name}_int8.onnx"], inputs) for name, inputs in zip(("audio", "audio_static"), takes, strict=True)
    ]
    text_graph = to_onnx(tower, tokens, text.OUTPUT, dict.fromkeys(tokens, text.AXES))
    exact = parity.TOLERANCE
    return {
        "audio": Case(graphs["audio.onnx"], takes[0], embedded[0], exact),
        "audio_static": Case(graphs["audio_static.onnx"], takes[1], embedded[1], exact),
        "audio_int8": Case(graphs["audio_int8.onnx"], takes[0], rounded[0], ROUNDING),
        "audio_static_int8": Case(graphs["audio_static_int8.onnx"], takes[1], rounded[1], ROUNDING),
        "text": Case(text_graph, {key: value.numpy() for key, value in tokens.items()}, words, text.TOLERANCE),
    }


NAMES = ("audio", "audio_static", "audio_int8", "audio_static_int8", "text")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", NAMES)
def test_every_graph_computes_the_same_in_every_opset(cases: dict[str, Case], name: str, version: int) -> None:
    case = cases[name]
    made = at_opset(case.graph, version)
    assert [(entry.domain, entry.version) for entry in made.opset_import] == [("", version)]
    assert made.ir_version == helper.find_min_ir_version_for(made.opset_import)
    assert [value.name for value in made.graph.input] == list(case.inputs)
    assert not made.graph.value_info
    used = {name for node in made.graph.node for name in node.input}
    assert {tensor.name for tensor in made.graph.initializer} <= used
    assert opset_of(case.graph) == OPSET, "what it is made of stays as it is"
    assert np.abs(run(made, case.inputs) - case.expected).max() <= case.allowed


@pytest.mark.parametrize("name", NAMES)
def test_what_is_rewritten_is_the_same_also_where_nothing_is_fused(cases: dict[str, Case], name: str) -> None:
    case = cases[name]
    made = at_opset(case.graph, OLDEST)
    assert {"Gelu", "LayerNormalization"}.isdisjoint(node.op_type for node in made.graph.node)
    assert np.abs(run(made, case.inputs, fused=False) - case.expected).max() <= case.allowed


@pytest.mark.parametrize("version", [OLDEST, 17, newest()])
def test_other_tools_take_graphs_of_every_opset(cases: dict[str, Case], version: int, tmp_path: Path) -> None:
    for name in ("audio", "audio_static", "text"):
        made = at_opset(cases[name].graph, version)
        onnx.save(made, tmp_path / "graph.onnx")
        quantize_dynamic(tmp_path / "graph.onnx", tmp_path / "dynamic.onnx")
        computed = run(onnx.load(tmp_path / "dynamic.onnx"), cases[name].inputs)
        assert np.sum(computed * cases[name].expected, axis=1).min() > 0.9
    for name in NAMES:
        made = at_opset(cases[name].graph, version)
        for target in sorted({max(version, 18), max(version, 22), newest()}):
            converted = version_converter.convert_version(made, target)
            assert np.abs(run(converted, cases[name].inputs) - cases[name].expected).max() <= cases[name].allowed


@pytest.mark.parametrize("version", [OLDEST, newest()])
def test_a_bundle_is_written_in_the_opset_asked_for(rich: Exporter, tmp_path: Path, version: int) -> None:
    folder = tmp_path / "bundle"
    manifest = replace(rich, options=replace(rich.options, opset=version)).write(folder)
    assert manifest == read_manifest(folder)
    assert manifest.text is not None
    assert {facts["opset"] for facts in (*manifest.graphs.values(), manifest.text)} == {version}
    graphs = [onnx.load(path) for path in folder.glob("*.onnx")]
    assert [opset_of(graph) for graph in graphs] == [version] * 5
    assert all(len({entry.domain for entry in graph.opset_import}) == len(graph.opset_import) for graph in graphs)
    assert {test.graph: test.passed for test in selftest(folder)} == {
        **dict.fromkeys(manifest.graphs, True),
        "text.onnx": True,
    }
    told = bundle_table(manifest, ()), as_table(folder, manifest), (folder / "README.md").read_text()
    assert [page.count(f"opset {version}") for page in (told[0], told[2])] == [5, 4]
    assert told[1].count(f"  {version}") == 5
    waveform = Procedural(1, seed=2, duration_s=1.3).load(0, 8000)
    expected = rich.student.embed_audio(torch.from_numpy(waveform)[None]).numpy()
    assert np.abs(Bundle.load(folder, graph="float").embed(waveform, sample_rate=8000) - expected).max() < 1e-4


@pytest.mark.parametrize("opset", [14, 0, -1, newest() + 1, 99, True, 18.0])
def test_an_opset_out_of_range_is_said_before_the_work(opset: int) -> None:
    message = rf"export: opset = {opset} is not allowed; it must be a whole number from 15 to {newest()}, what onnx "
    with pytest.raises(TinyclapError, match=message):
        ExportOptions(opset=opset)


def test_the_newest_opset_is_the_newest_that_quantised_graphs_run_in(cases: dict[str, Case]) -> None:
    assert 20 <= newest() <= onnx.defs.onnx_opset_version()
    case = cases["audio_int8"]
    if newest() < onnx.defs.onnx_opset_version():
        newer = version_converter.convert_version(case.graph, newest() + 1)
        with pytest.raises(Exception, match=r"Could not find an implementation|opset"):
            run(newer, case.inputs)


X = np.random.default_rng(0).normal(size=(2, 3, 6)).astype(np.float32)


def graph_of(
    nodes: list[onnx.NodeProto], constants: Mapping[str, np.ndarray] | None = None, *, opset: int = OPSET
) -> onnx.ModelProto:
    """Of `x` (2, 3, 6) to `y`."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    shape = run(model, {"x": X}).shape  # which the checker asks for
    graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, shape))
    model.graph.CopyFrom(graph)
    return model


def small_graphs() -> Iterator[tuple[str, onnx.ModelProto]]:
    node = helper.make_node
    scale, bias = np.linspace(0.5, 2, 6, dtype=np.float32), np.linspace(-1, 1, 6, dtype=np.float32)
    for approximate in ("none", "tanh"):
        yield f"Gelu, {approximate}", graph_of([node("Gelu", ["x"], ["y"], approximate=approximate)])
    norm = "LayerNormalization"
    yield "norm", graph_of([node(norm, ["x", "s", "b"], ["y"], axis=-1, epsilon=0.1)], {"s": scale, "b": bias})
    yield "norm without bias", graph_of([node(norm, ["x", "s"], ["y"])], {"s": scale})
    yield (
        "norm of two axes",
        graph_of([node(norm, ["x", "s"], ["y"], axis=-2)], {"s": np.outer([1, 2, 3], scale).astype("f")}),
    )
    for kind in ("Mean", "Max", "Min", "L1", "L2", "Prod", "SumSquare", "LogSumExp"):
        axes = {"axes": np.array([0, 2])}
        yield (
            f"Reduce{kind}",
            graph_of([node(f"Reduce{kind}", ["x", "axes"], ["y"], keepdims=0, noop_with_empty_axes=0)], axes),
        )
    yield "reduced over all axes", graph_of([node("ReduceMean", ["x"], ["y"], noop_with_empty_axes=0)])
    of_node = [
        node("Constant", [], ["axes"], value=numpy_helper.from_array(np.array([1]))),
        node("ReduceMax", ["x", "axes"], ["y"]),
    ]
    yield "axes of a node", graph_of(of_node)
    halves = [node("Split", ["x"], ["a", "b"], axis=2, num_outputs=2), node("Sub", ["a", "b"], ["y"])]
    yield "halves", graph_of(halves)
    yield "padded", graph_of([node("Pad", ["x", "p"], ["y"], mode="reflect")], {"p": np.array([0, 0, 2, 0, 0, 2])})
    yield "cast", graph_of([node("Cast", ["x"], ["y"], to=TensorProto.FLOAT, saturate=1)])


SMALL = dict(small_graphs())


@pytest.mark.parametrize("version", [OLDEST, 17, 18, 19, newest()])
@pytest.mark.parametrize("name", SMALL)
def test_an_operator_computes_the_same_in_its_other_form(name: str, version: int) -> None:
    expected = run(SMALL[name], {"x": X}, fused=False)
    computed = run(at_opset(SMALL[name], version), {"x": X}, fused=False)
    assert computed.shape == expected.shape
    np.testing.assert_allclose(computed, expected, rtol=1e-5, atol=1e-6)


def test_an_old_graph_is_taken_upwards() -> None:
    """As a text tower that came as a graph may be: its axes are attributes."""
    old = graph_of([helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=0)], opset=11)
    np.testing.assert_allclose(run(at_opset(old, 21), {"x": X}), X.mean(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "constants", "reason"),
    [
        ([helper.make_node("Swish", ["x"], ["y"])], {}, "Swish"),
        ([helper.make_node("Pad", ["x", "p", "", "a"], ["y"])], {"p": np.array([1, 1]), "a": np.array([2])}, "Pad"),
        (
            [helper.make_node("ReduceMax", ["x", "a"], ["y"], noop_with_empty_axes=1)],
            {"a": np.array([], np.int64)},
            "Reduce",
        ),
        (
            [helper.make_node("LayerNormalization", ["x", "s"], ["y"], axis=2)],
            {"s": np.ones(6, np.float32)},
            "LayerNorm",
        ),
    ],
)
def test_what_has_no_older_form_is_refused(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], reason: str
) -> None:
    graph = graph_of(nodes, constants, opset=24)
    message = rf"^opset 15: the graph of opset 24 cannot be written in it \(.*{reason}.*\); choose a newer one$"
    with pytest.raises(TinyclapError, match=message):
        at_opset(graph, 15)
