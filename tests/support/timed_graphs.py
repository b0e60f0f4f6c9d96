"""Graphs and runs to be timed, and timings that are known beforehand."""

import json
import shutil
from pathlib import Path

import onnx
import pytest

from tests.support.tiny_bundles import SPEC
from tinyclap.bench import measure

RATE = SPEC.sample_rate


def bare(source: Path, path: Path, metadata: object = None, shape: list[int | str] | None = None) -> Path:
    """A bundle's graph on its own: with other metadata, and another shape of its input."""
    model = onnx.load(source)
    if metadata is not None:
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        onnx.helper.set_model_props(model, {"tinyclap": text})
    if shape is not None:
        name = model.graph.input[0].name
        model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def a_run(folder: Path, bundle: Path | None) -> Path:
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text("task: distill\n")
    (folder / "env.json").write_text('{"started": "2025-01-01T00:00:00+00:00"}')
    if bundle is not None:
        shutil.copytree(bundle, folder / "bundle")
    return folder


def with_samples(monkeypatch: pytest.MonkeyPatch, *samples: list[float]) -> None:
    """Timings that give these milliseconds, one list after another."""
    left = list(samples)
    monkeypatch.setattr(
        measure, "lasting_ms", lambda functions, seconds, tick: {name: left.pop(0) for name in functions}
    )
