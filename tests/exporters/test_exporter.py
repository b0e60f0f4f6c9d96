"""Bundles of a tiny student: complete, equal to torch, and not written at all where a gate is missed."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tests.support.tiny_exports import PROMPTS, TINY, clips, tiny_exporter, tracing_once
from tinyclap.data.decoded import Decoded
from tinyclap.embeddings.zero_shot import class_matrix
from tinyclap.errors import GateError, TinyclapError
from tinyclap.exporters import bundle as exporting
from tinyclap.exporters.bundle import Exporter, ExportOptions
from tinyclap.exporters.calibration import AT_ONCE, CalibrationSet, logmels, windows
from tinyclap.exporters.onnx import parity, quantize
from tinyclap.exporters.onnx.student import PLAIN_OPERATORS
from tinyclap.models.student import Student
from tinyclap.reports.console.export import as_object, as_table
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.manifest import Manifest, read_manifest, write_manifest
from tinyclap.runtime.selftest import selftest

EVERYTHING = ExportOptions(int8=True, labels=("dog", "rain"), text=True, static_s=0.5, int8_min_cosine=0.5)


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Exporter:
    return tiny_exporter(tmp_path_factory.mktemp("cache"), replace(EVERYTHING, int8_min_agreement=0.5))


@pytest.fixture(scope="module")
def bundle(exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYCLAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        exporter.write(folder)
    return folder


@pytest.fixture
def quick(exporter: Exporter) -> Exporter:
    """An exporter of the float and INT8 graphs alone."""
    return replace(exporter, options=replace(exporter.options, text=False, static_s=None))


@pytest.fixture(autouse=True, scope="module")
def traced_once() -> Iterator[None]:
    with tracing_once():
        yield


def test_a_bundle_holds_what_it_says(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    assert set(manifest.files) == {
        *("README.md", "audio.onnx", "audio_int8.onnx", "audio_static.onnx", "labels.json", "labels.npy"),
        *("test_vectors.npz", "text.onnx", "tokenizer.json"),
    }
    assert {path.name for path in bundle.iterdir()} == {*manifest.files, "bundle.json"}
    assert manifest.text is not None
    for name, facts in {**manifest.graphs, "text.onnx": manifest.text}.items():
        graph = onnx.load(bundle / name)
        assert facts["opset"] == graph.opset_import[0].version
        assert facts.get("size_bytes", (bundle / name).stat().st_size) == (bundle / name).stat().st_size
        inside = json.loads({entry.key: entry.value for entry in graph.metadata_props}["tinyclap"])
        told = json.loads(manifest.to_json())
        assert inside == {key: told[key] for key in told if key not in ("files", "parity")}
    assert manifest.input == "waveform"
    assert manifest.recommended in ("audio.onnx", "audio_int8.onnx")


def test_parity_is_measured(bundle: Path) -> None:
    measured = read_manifest(bundle).parity
    assert measured["clips"] >= 64
    assert measured["batch_sizes"] == [1, 3, 16]
    for name in ("max_abs_clips", "max_abs_batches", "max_abs_static"):
        assert 0 < measured[name] < 1e-4
    assert 0 < measured["max_abs_text"] < 1e-5


def test_a_bundle_computes_what_torch_does(bundle: Path, exporter: Exporter) -> None:
    loaded = Bundle.load(bundle, graph="float")
    for length in (900, 8000, 20_001):
        waveform = 0.1 * torch.randn(length)
        expected = exporter.student.embed_audio(waveform[None]).numpy()
        assert np.abs(loaded.embed(waveform.numpy(), sample_rate=8000) - expected).max() < 1e-5
    assert {test.graph: test.passed for test in selftest(bundle)} == {
        "audio.onnx": True,
        "audio_int8.onnx": True,
        "audio_static.onnx": True,
        "text.onnx": True,
    }
    with np.load(bundle / "test_vectors.npz") as vectors:
        logmel = exporter.student.frontend(torch.from_numpy(vectors["static_waveform"])[None])
        assert np.abs(logmel.numpy() - vectors["static_logmel"]).max() < 1e-3
        lengths = {len(vectors[name]) for name in vectors if name.startswith("waveform")}
    assert len(lengths) == 3


def test_labels_and_text_are_the_teachers(bundle: Path, exporter: Exporter) -> None:
    loaded = Bundle.load(bundle, graph="float")
    assert loaded.labels == ("dog", "rain")
    teacher = exporter.teacher
    expected = class_matrix(lambda texts: teacher.embed_text(texts).numpy(), ("dog", "rain"), PROMPTS)
    assert np.abs(np.load(bundle / "labels.npy") - expected).max() < 1e-6
    assert json.loads((bundle / "labels.json").read_text()) == {"labels": ["dog", "rain"], "prompts": list(PROMPTS)}
    texts = ["a dog", "rain falls on a roof and a dog barks somewhere far away", "x"]
    assert np.abs(loaded.embed_text(texts) - teacher.embed_text(texts).numpy()).max() < 1e-5
    for text in texts:
        assert np.abs(loaded.embed_text([text]) - teacher.embed_text([text]).numpy()).max() < 1e-5


def test_int8_rounds_the_encoder_and_leaves_its_ends(bundle: Path) -> None:
    graph = onnx.load(bundle / "audio_int8.onnx").graph
    kinds = [node.op_type for node in graph.node]
    assert "QuantizeLinear" in kinds
    inside = [node.op_type for node in graph.node if node.output[0].startswith("frontend/") or node.name == ""]
    assert "QuantizeLinear" not in inside
    assert kinds[-6:] == ["Pow", "ReduceSum", "Clip", "Sqrt", "Reciprocal", "Mul"]
    weights = {tensor.name: tensor for tensor in graph.initializer}
    rounded = [
        tensor for tensor in weights.values() if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 4
    ]
    assert len(rounded) > 10
    scales = [weights[tensor.name.replace("_quantized", "_scale")] for tensor in rounded]
    assert all(list(scale.dims) == [tensor.dims[0]] for scale, tensor in zip(scales, rounded, strict=True))
    facts = read_manifest(bundle).graphs["audio_int8.onnx"]
    assert 0.5 < facts["cosine_to_float"] < 1
    assert facts["latency_ratio"] > 0


def test_the_static_graph_is_plain(bundle: Path) -> None:
    facts = read_manifest(bundle).graphs["audio_static.onnx"]
    assert facts["frames"] == 26
    assert set(facts["operators"]) <= PLAIN_OPERATORS
    assert [
        dim.dim_value for dim in onnx.load(bundle / "audio_static.onnx").graph.input[0].type.tensor_type.shape.dim
    ] == [*(1, 1, 26, 24)]


def test_the_readme_and_the_summary_say_how_to_go_on(bundle: Path) -> None:
    card = (bundle / "README.md").read_text()
    for told in ("tinyclap selftest", "tinyclap classify", "tinyclap embed", "Licence", 'pip install "tinyclap[text]"'):
        assert told in card
    manifest = read_manifest(bundle)
    table = as_table(bundle, manifest)
    for told in (
        "parity",
        "cosine to float",
        "operators: ",
        "2: dog, rain",
        f"next     tinyclap classify YOUR_SOUNDS --bundle {bundle}",
    ):
        assert told in table
    assert json.loads(as_object(bundle, manifest))["graphs"] == manifest.graphs


def test_nothing_that_was_traced_is_in_the_way(quick: Exporter, tmp_path: Path) -> None:
    quick = replace(quick, options=ExportOptions(input="logmel"))
    manifest = quick.write(tmp_path / "bundle")
    assert manifest.input == "logmel"
    assert set(manifest.files) == {"README.md", "audio.onnx", "test_vectors.npz"}
    assert "next     tinyclap embed" in as_table(tmp_path / "bundle", manifest)
    waveform = 0.1 * torch.randn(12_000)
    expected = quick.student.embed_audio(waveform[None]).numpy()
    computed = Bundle.load(tmp_path / "bundle").embed(waveform.numpy(), sample_rate=8000)
    assert np.abs(computed - expected).max() < 1e-4


def damaged(model: onnx.ModelProto) -> onnx.ModelProto:
    """With one row of the head's weights shifted by a hundredth of the largest."""
    head = next(tensor for tensor in model.graph.initializer if tensor.name == "head.weight")
    values = onnx.numpy_helper.to_array(head).copy()
    values[0] += 1e-2 * np.abs(values).max()
    head.CopyFrom(onnx.numpy_helper.from_array(values, head.name))
    return model


def test_a_damaged_graph_is_not_written(quick: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = replace(quick, options=ExportOptions())
    before = quick.write(tmp_path / "bundle")
    broken = damaged(vars(exporting)["encoder_graph"](quick.student))
    monkeypatch.setattr(exporting, "encoder_graph", lambda _: broken)
    with pytest.raises(
        GateError, match=r"parity: audio.onnx differs from torch by [\d.e-]+ \(allowed: 0.0001\) on .+ s"
    ):
        quick.write(tmp_path / "bundle", overwrite=True)
    assert read_manifest(tmp_path / "bundle") == before, "the former bundle stays"
    with pytest.raises(GateError):
        quick.write(tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_damaged_graph_is_found_by_its_batches(quick: Exporter, tmp_path: Path) -> None:
    """A graph that is right for single clips and wrong for batches, which real exports of others were."""
    quick = replace(quick, options=ExportOptions(input="logmel"))
    quick.write(tmp_path / "bundle")
    model = onnx.load(tmp_path / "bundle" / "audio.onnx")
    node, constant = onnx.helper.make_node, onnx.numpy_helper.from_array
    model.graph.node[-1].output[0] = "first"
    model.graph.node.append(node("Slice", ["first", "zero", "one", "zero"], ["row"]))
    model.graph.node.append(node("Shape", ["first"], ["shape"]))
    model.graph.node.append(node("Expand", ["row", "shape"], ["embedding"]))
    model.graph.initializer.extend([constant(np.array([value]), name) for name, value in (("zero", 0), ("one", 1))])
    onnx.save(model, tmp_path / "bundle" / "audio.onnx")
    write_manifest(tmp_path / "bundle", read_unchecked(tmp_path / "bundle"))
    sounds = parity.test_sounds(quick.calibration_set.train, TINY.window_samples)
    with pytest.raises(
        GateError, match=r"audio.onnx differs .+ \(cut to 2400 samples, in a batch of 3\)|in a batch of 16"
    ):
        parity.check(tmp_path / "bundle", quick.student, sounds)


def read_unchecked(folder: Path) -> Manifest:
    return Manifest.from_json((folder / "bundle.json").read_text())


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ({"int8_min_cosine": 1.0}, r"INT8: mean cosine to float 0\.99\d+ \(needed: 1\), so nothing was written"),
        ({"int8_min_agreement": 1.01}, r"INT8: the same class as float on [\d.]+ % of the clips \(needed: 101 %\)"),
    ],
)
def test_int8_that_is_too_far_away_is_not_written(
    quick: Exporter, tmp_path: Path, threshold: dict[str, float], message: str
) -> None:
    options = replace(quick.options, **threshold)  # type: ignore[arg-type]
    with pytest.raises(GateError, match=message):
        replace(quick, options=options).write(tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_calibration_hears_training_clips_only(quick: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = quick.calibration_set.train, quick.calibration_set.test
    assert test is not None
    heard: list[np.ndarray] = []
    own = quantize.quantize

    def listening(graph: onnx.ModelProto, batches: Iterator[np.ndarray]) -> onnx.ModelProto:
        heard.extend(batches)
        return own(graph, iter(heard))

    def refuse(*_: object) -> None:
        raise AssertionError("a test clip was heard")

    monkeypatch.setattr(quantize, "quantize", listening)
    monkeypatch.setattr(test, "waveform", refuse, raising=False)
    quick._graphs()
    expected = np.concatenate(list(logmels(quick.student, train, quick.calibration_set.calibration)))
    assert np.array_equal(np.concatenate(heard), expected)


def test_int8_does_not_depend_on_the_test_clips(quick: Exporter) -> None:
    alone = replace(quick, calibration_set=CalibrationSet(quick.calibration_set.train))
    first, second = (each._graphs()["audio_int8.onnx"] for each in (quick, alone))
    assert first == second


def test_without_test_clips_int8_is_measured_on_what_calibration_left_out() -> None:
    decoded = clips(0)
    calibration_set = CalibrationSet(decoded)
    measured, indices = calibration_set.measured
    assert measured is decoded
    assert len(calibration_set.calibration) == len(decoded) // 2
    assert not set(indices) & set(calibration_set.calibration)
    assert CalibrationSet(decoded, clips(1)).measured[1] == list(range(len(clips(1))))


def test_windows_are_whole(exporter: Exporter) -> None:
    decoded = exporter.calibration_set.train
    batches = list(windows(exporter.student, decoded, range(len(decoded))))
    assert sum(map(len, batches)) == len(decoded)
    assert max(map(len, batches)) <= AT_ONCE
    assert all(batch.shape[1] == TINY.window_samples and batch.dtype == np.float32 for batch in batches)


def test_sounds_of_the_gate(exporter: Exporter) -> None:
    sounds = parity.test_sounds(exporter.calibration_set.train, TINY.window_samples)
    assert len(sounds) >= 64
    assert len({len(waveform) for waveform in sounds.values()}) >= 8
    for kind in ("training clip", "tone", "noise", "silence", "clipping", "click"):
        assert any(name.startswith(kind) for name in sounds)
    assert all(np.abs(waveform).max() <= 1.0 + 1e-6 or name.startswith("training") for name, waveform in sounds.items())


def test_sounds_of_the_gate_when_there_are_few_clips(exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Decoded, "__len__", lambda self: 3)
    assert len(parity.test_sounds(exporter.calibration_set.train, TINY.window_samples)) >= 64


def test_what_is_no_number_is_infinitely_wrong() -> None:
    worst = parity.Worst()
    worst.note("fine", np.zeros(3), np.zeros(3))
    worst.refuse("audio.onnx")
    worst.note("broken", np.array([0.0, np.nan]), np.zeros(2))
    with pytest.raises(GateError, match=r"by inf .+ on broken"):
        worst.refuse("audio.onnx")


def test_only_bundles_are_replaced_and_only_if_asked(quick: Exporter, tmp_path: Path) -> None:
    quick = replace(quick, options=ExportOptions())
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    with pytest.raises(TinyclapError, match="not empty and no bundle"):
        quick.write(tmp_path / "notes", overwrite=True)
    assert (tmp_path / "notes" / "mine.txt").read_text() == "keep"
    with pytest.raises(TinyclapError, match="is a file"):
        quick.write(tmp_path / "notes" / "mine.txt")
    quick.write(tmp_path / "bundle")
    with pytest.raises(TinyclapError, match="--overwrite"):
        quick.write(tmp_path / "bundle")
    (tmp_path / "bundle" / "stale").write_text("")
    quick.write(tmp_path / "bundle", overwrite=True)
    assert not (tmp_path / "bundle" / "stale").exists()


def test_stamped_sizes_are_true_also_where_they_gain_a_digit(quick: Exporter, tmp_path: Path) -> None:
    graph = replace(quick, options=ExportOptions())._graphs()["audio.onnx"]
    facts = quick._facts({"audio.onnx": graph})
    bare = quick._manifest(facts, None)
    size = exporting._stamp(tmp_path, {"audio.onnx": graph}, bare).graphs["audio.onnx"]["size_bytes"]
    assert size == (tmp_path / "audio.onnx").stat().st_size
    graph.graph.doc_string = "x" * (10 ** len(str(size)) - size - 4)
    grown = exporting._stamp(tmp_path, {"audio.onnx": graph}, bare).graphs["audio.onnx"]["size_bytes"]
    assert grown == (tmp_path / "audio.onnx").stat().st_size


@pytest.mark.parametrize(
    ("ratio", "recommended"), [(0.5, "audio_int8.onnx"), (0.89, "audio_int8.onnx"), (1.2, "audio.onnx")]
)
def test_int8_is_recommended_where_it_is_faster(quick: Exporter, ratio: float, recommended: str) -> None:
    facts: dict[str, Any] = dict.fromkeys(("precision", "opset", "parameters", "macs", "size_bytes"), 1)
    graphs = {"audio.onnx": facts, "audio_int8.onnx": {**facts, "latency_ratio": ratio}}
    assert quick._manifest(graphs, None).recommended == recommended


def test_an_agreement_that_cannot_be_measured_is_no_gate_passed(quick: Exporter, tmp_path: Path) -> None:
    without = replace(quick, calibration_set=replace(quick.calibration_set, labels=()))
    asked = replace(quick.options, labels=(), int8_min_agreement=1.0)
    with pytest.raises(TinyclapError, match="--int8-min-agreement needs classes; give --labels"):
        replace(without, options=asked).write(tmp_path / "bundle")
    manifest = replace(without, options=replace(asked, int8_min_agreement=None)).write(tmp_path / "bundle")
    assert manifest.graphs["audio_int8.onnx"]["agreement"] is None
    assert "same class not measured (no classes)" in as_table(tmp_path / "bundle", manifest)


def test_graphs_that_begin_otherwise_are_not_quantized(bundle: Path) -> None:
    whole = onnx.load(bundle / "audio.onnx")  # with the front end before the norm of the mel bands
    with pytest.raises(TinyclapError, match="not with the nodes that must stay float"):
        quantize.quantize(whole, [])


def test_a_static_graph_that_differs_is_not_written(
    exporter: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = vars(exporting)["static_graph"]

    def wrong(student: Student, duration_s: float) -> onnx.ModelProto:
        other = copy.deepcopy(student)
        with torch.no_grad():
            next(other.head.parameters()).mul_(torch.linspace(0.9, 1.1, 16)[:, None])
        graph: onnx.ModelProto = real(other, duration_s)
        return graph

    monkeypatch.setattr(exporting, "static_graph", wrong)
    alone = replace(exporter, options=ExportOptions(static_s=0.5))
    with pytest.raises(GateError, match=r"parity: audio_static\.onnx differs from torch by"):
        alone.write(tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("static_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_length_that_is_none_is_said_before_the_work(static_s: float) -> None:
    with pytest.raises(TinyclapError, match=r"static_s = .* is not allowed; it must be a number of seconds above 0"):
        ExportOptions(static_s=static_s)


def test_a_folder_that_cannot_be_replaced_is_said_before_the_work(
    exporter: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (Path(), tmp_path, tmp_path.parent):
        with pytest.raises(TinyclapError, match="cannot be replaced as a whole; name a folder in it"):
            exporter.write(folder)
    assert list(tmp_path.iterdir()) == []
