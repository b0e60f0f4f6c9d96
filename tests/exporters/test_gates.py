"""What stops an export: damaged graphs, INT8 that is too far away, agreement that cannot be measured."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tests.support.tiny_exports import TINY
from tinyclap.data.decoded import Decoded
from tinyclap.errors import GateError, TinyclapError
from tinyclap.exporters import write_bundle as exporting
from tinyclap.exporters.manifest import manifest_of
from tinyclap.exporters.onnx import parity
from tinyclap.exporters.options import ExportOptions
from tinyclap.exporters.write_bundle import Exporter
from tinyclap.models.student import Student
from tinyclap.reports.console.export import as_table
from tinyclap.runtime.bundle_contents import Manifest, read_manifest, write_manifest


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
        (
            {"int8_min_cosine": 1.0},
            r"audio_int8\.onnx: mean cosine to float 0\.99\d+ \(needed: 1\), so nothing was written",
        ),
        (
            {"int8_min_agreement": 1.01},
            r"audio_int8\.onnx: the same class as float on [\d.]+ % of the clips \(needed: 101 %\)",
        ),
    ],
)
def test_int8_that_is_too_far_away_is_not_written(
    quick: Exporter, tmp_path: Path, threshold: dict[str, float], message: str
) -> None:
    options = replace(quick.options, **threshold)  # type: ignore[arg-type]
    with pytest.raises(GateError, match=message):
        replace(quick, options=options).write(tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize(
    ("ratio", "recommended"), [(0.5, "audio_int8.onnx"), (0.89, "audio_int8.onnx"), (1.2, "audio.onnx")]
)
def test_int8_is_recommended_where_it_is_faster(quick: Exporter, ratio: float, recommended: str) -> None:
    facts: dict[str, Any] = dict.fromkeys(("precision", "opset", "parameters", "macs", "size_bytes"), 1)
    graphs = {"audio.onnx": facts, "audio_int8.onnx": {**facts, "latency_ratio": ratio}}
    assert manifest_of(quick, graphs, None).recommended == recommended


def test_an_agreement_that_cannot_be_measured_is_no_gate_passed(quick: Exporter, tmp_path: Path) -> None:
    without = replace(quick, calibration_set=replace(quick.calibration_set, labels=()))
    asked = replace(quick.options, labels=(), int8_min_agreement=1.0)
    with pytest.raises(TinyclapError, match="--int8-min-agreement needs classes; give --labels"):
        replace(without, options=asked).write(tmp_path / "bundle")
    manifest = replace(without, options=replace(asked, int8_min_agreement=None)).write(tmp_path / "bundle")
    assert manifest.graphs["audio_int8.onnx"]["agreement"] is None
    assert "same class not measured (no classes)" in as_table(tmp_path / "bundle", manifest)


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
