"""Bundles of a tiny student: complete, equal to torch, and replaced only if asked."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.version_converter
import pytest
import torch
import torchaudio
from onnxruntime import InferenceSession
from onnxruntime.quantization import quantize_dynamic

from tests.support.tiny_exports import PROMPTS
from tinyclap.audio.log_mel.emphasised import EmphasisedSpec
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.data.procedural.dataset import PROCEDURAL_LABELS, Procedural
from tinyclap.embeddings.zero_shot import class_matrix, clean_label
from tinyclap.errors import TinyclapError
from tinyclap.exporters.background import SEED
from tinyclap.exporters.bundle_readme import front_end_steps
from tinyclap.exporters.manifest import manifest_of, stamp
from tinyclap.exporters.onnx import quantize_int8
from tinyclap.exporters.onnx.student import PLAIN_OPERATORS
from tinyclap.exporters.options import ExportOptions
from tinyclap.exporters.write_bundle import Exporter
from tinyclap.reports.console.export import as_object, as_table
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import read_manifest
from tinyclap.runtime.selftest import selftest


def test_a_bundle_holds_what_it_says(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    assert set(manifest.files) == {
        *("README.md", "audio.onnx", "audio_int8.onnx", "audio_static.onnx", "audio_static_int8.onnx"),
        *("background.npz", "labels.json", "labels.npy", "test_vectors.npz", "text.onnx", "tokenizer.json"),
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


def test_other_tools_take_the_graphs(bundle: Path, tmp_path: Path) -> None:
    quantize_dynamic(bundle / "audio.onnx", tmp_path / "dynamic.onnx")
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 8000)).astype(np.float32)
    expected = InferenceSession(bundle / "audio.onnx").run(None, {"waveform": waveform})[0]
    for version in (18, 22):
        converted = onnx.version_converter.convert_version(onnx.load(bundle / "audio.onnx"), version)
        computed = InferenceSession(converted.SerializeToString()).run(None, {"waveform": waveform})[0]
        np.testing.assert_allclose(computed, expected, atol=1e-6)


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
        "audio_static_int8.onnx": True,
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


def test_labels_of_the_test_set_are_words_and_others_are_as_typed(quick: Exporter) -> None:
    assert quick.calibration_set.labels == ("church_bell", "dog_bark", "rain", "siren")
    assert [quick._words_of(label) for label in ("dog_bark", "Dog_bark", "iPhone ringing")] == [
        *("dog bark", "Dog_bark", "iPhone ringing"),
    ]


def test_the_background_is_of_generated_sounds_and_their_names(bundle: Path, exporter: Exporter) -> None:
    loaded = Bundle.load(bundle, graph="float")
    background = loaded.background
    assert background is not None
    sounds = Procedural(len(background.sounds), seed=SEED, duration_s=1.0)
    rows = (0, 50, len(sounds) - 1)
    expected = loaded.embed([sounds.load(row, 8000) for row in rows], sample_rate=8000)
    np.testing.assert_allclose(background.sounds[list(rows)], expected, atol=0.01)
    named = [PROCEDURAL_LABELS[kind] for kind in background.class_of]
    assert named == [clip.label for clip in sounds.clips]
    prompts = [PROMPTS[0].replace("{}", clean_label(name)) for name in PROCEDURAL_LABELS]
    np.testing.assert_allclose(background.classes, exporter.teacher.embed_text(prompts).numpy(), atol=0.01)
    assert loaded.classify(np.zeros(8000, np.float32) + 1e-2, ["rain"], sample_rate=8000)[0].outcome == "silence"


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
    dequantised = {output for node in graph.node if node.op_type == "DequantizeLinear" for output in node.output}
    first, *others = (node for node in graph.node if node.op_type == "Conv" and not node.name.startswith("frontend/"))
    assert not dequantised & {*first.input[:2]}
    assert all(dequantised >= {*node.input[:2]} for node in others)
    facts = read_manifest(bundle).graphs["audio_int8.onnx"]
    assert 0.5 < facts["cosine_to_float"] < 1
    assert facts["latency_ratio"] > 0


def test_the_static_graph_is_rounded_as_well(bundle: Path, exporter: Exporter) -> None:
    """Its activations have ranges of its own, from sounds of its length, and its ends stay float."""
    facts = read_manifest(bundle).graphs["audio_static_int8.onnx"]
    assert (facts["precision"], facts["frames"], facts["duration_s"]) == ("int8", 26, 0.5)
    assert {"QuantizeLinear", "DequantizeLinear"} <= set(facts["operators"]) - PLAIN_OPERATORS
    assert 0.5 < facts["cosine_to_float"] < 1
    assert 0.5 <= facts["agreement"] <= 1
    assert facts["measured_clips"] == read_manifest(bundle).graphs["audio_int8.onnx"]["measured_clips"]
    graph = onnx.load(bundle / "audio_static_int8.onnx").graph
    kinds = [node.op_type for node in graph.node if node.op_type not in ("QuantizeLinear", "DequantizeLinear")]
    assert kinds == [node.op_type for node in onnx.load(bundle / "audio_static.onnx").graph.node]
    assert [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim] == [1, 1, 26, 24]
    with np.load(bundle / "test_vectors.npz") as vectors:
        cosine = float((vectors["static_embedding"] * vectors["static_embedding_int8"]).sum())
        assert 0.9 < cosine < 1
    other = replace(exporter.options, text=False, static_s=0.75)
    again = replace(exporter, options=other)._graphs()["audio_static_int8.onnx"].graph
    ranges = [
        {t.name: t.float_data[:] or t.raw_data for t in g.initializer if "_scale" in t.name} for g in (graph, again)
    ]
    assert ranges[0] != ranges[1]


def test_the_readme_says_how_to_compute_what_the_static_graphs_take(bundle: Path, exporter: Exporter) -> None:
    """Step by step in plain numpy, with the numbers that the page names."""
    page = (bundle / "README.md").read_text()
    flat = " ".join(page.split())
    assert "The input of `audio.onnx` and `audio_int8.onnx` is `waveform` (batch, samples), float32 in [-1, 1];" in flat
    assert "`audio_static.onnx` and `audio_static_int8.onnx` is `logmel` (1, 1, 26, 24), float32" in flat
    assert "of exactly 0.5 s, 4000 samples" in flat
    steps = re.findall(r"^\d\. (.*)$", page, re.MULTILINE)
    pad, (length, hop), width, (last_bin, power), (bands, low, high), floor = (
        int(re.findall(r"\d+", steps[0])[0]),
        map(int, re.findall(r"\d+", steps[1])),
        int(re.findall(r"\d+", steps[2])[0]),
        map(int, re.findall(r"\d+", steps[3])[1:]),
        map(int, re.findall(r"\d+", steps[4])),
        float(re.findall(r"max\(x, (.+)\)\)", steps[5])[0]),
    )
    assert "slaney scale" in steps[4]
    with np.load(bundle / "test_vectors.npz") as vectors:
        samples, expected = vectors["static_waveform"].astype(np.float64), vectors["static_logmel"]
    padded = np.pad(samples, pad, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
    frames = np.stack([padded[at : at + length] * hann for at in range(0, len(padded) - length + 1, hop)])
    spectrum = np.abs(np.fft.rfft(frames))[:, : last_bin + 1] ** power
    filters = torchaudio.functional.melscale_fbanks(
        last_bin + 1, float(low), float(high), bands, 8000, norm="slaney", mel_scale="slaney"
    )
    decibels = 10 * np.log10(np.maximum(spectrum @ filters.numpy(), floor))
    assert decibels.shape == expected.shape[2:]
    assert np.abs(decibels - expected[0, 0]).max() < 1e-2


@pytest.mark.parametrize("kind", [FrontendSpec, EmphasisedSpec])
def test_the_steps_of_a_front_end_that_raises_quiet_windows(kind: type[FrontendSpec]) -> None:
    plain, raising = front_end_steps(kind()), front_end_steps(kind(raise_to_dbfs=-40.0))
    assert raising[1:] == plain
    assert "mean square is below 0.01 (-40 dB of full scale), multiply it so that it is that, by 1000" in raising[0]


def test_a_static_graph_is_not_what_a_bundle_runs(bundle: Path) -> None:
    for graph in ("static", "audio_static.onnx", "audio_static_int8.onnx"):
        with pytest.raises(TinyclapError, match=r"takes log-mel spectrograms of one length.*README\.md says how"):
            Bundle.load(bundle, graph=graph)  # type: ignore[arg-type]


def test_the_static_graph_is_plain(bundle: Path) -> None:
    facts = read_manifest(bundle).graphs["audio_static.onnx"]
    assert facts["frames"] == 26
    assert set(facts["operators"]) <= PLAIN_OPERATORS
    assert [
        dim.dim_value for dim in onnx.load(bundle / "audio_static.onnx").graph.input[0].type.tensor_type.shape.dim
    ] == [*(1, 1, 26, 24)]


def test_the_readme_and_the_summary_say_how_to_go_on(bundle: Path) -> None:
    card = (bundle / "README.md").read_text()
    for told in ("tinyclap selftest", "tinyclap classify", "tinyclap embed", "Licence", "[text]", "opset 20"):
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
    assert set(manifest.files) == {"README.md", "audio.onnx", "background.npz", "test_vectors.npz"}
    assert "next     tinyclap embed" in as_table(tmp_path / "bundle", manifest)
    waveform = 0.1 * torch.randn(12_000)
    expected = quick.student.embed_audio(waveform[None]).numpy()
    computed = Bundle.load(tmp_path / "bundle").embed(waveform.numpy(), sample_rate=8000)
    assert np.abs(computed - expected).max() < 1e-4


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


def teststamped_sizes_are_true_also_where_they_gain_a_digit(quick: Exporter, tmp_path: Path) -> None:
    graph = replace(quick, options=ExportOptions())._graphs()["audio.onnx"]
    facts = quick._facts({"audio.onnx": graph})
    bare = manifest_of(quick, facts, None)
    size = stamp(tmp_path, {"audio.onnx": graph}, bare).graphs["audio.onnx"]["size_bytes"]
    assert size == (tmp_path / "audio.onnx").stat().st_size
    graph.graph.doc_string = "x" * (10 ** len(str(size)) - size - 4)
    grown = stamp(tmp_path, {"audio.onnx": graph}, bare).graphs["audio.onnx"]["size_bytes"]
    assert grown == (tmp_path / "audio.onnx").stat().st_size


def test_graphs_that_begin_otherwise_are_not_quantized(bundle: Path) -> None:
    whole = onnx.load(bundle / "audio.onnx")  # with the front end before the norm of the mel bands
    with pytest.raises(TinyclapError, match="not with the nodes that must stay float"):
        quantize_int8.quantize(whole, [])


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
