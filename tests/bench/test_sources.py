"""Graphs to be timed: bundles, bare graphs, and what is said of a file that is none."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.support.commands import failure
from tests.support.timed_graphs import RATE, a_run, bare
from tests.support.tiny_bundles import SPEC
from tinyclap.bench import measure
from tinyclap.bench.sources import find_models
from tinyclap.errors import TinyclapError


def test_a_bare_graph_says_what_it_is(waveform: Path, tmp_path: Path) -> None:
    told = {"name": "mine", "parameters": 12, "macs": 34, "sample_rate": 8000, "window_s": 1.5, "input": "waveform"}
    path = bare(waveform / "audio.onnx", tmp_path / "a.onnx", told)
    (model,) = find_models([path])
    with pytest.raises(TinyclapError, match=r"says itself that its window_s is 1\.5; leave out --window"):
        find_models([path], window_s=9.0)
    with pytest.raises(TinyclapError, match="says itself what it takes; leave out --window and --sample-rate"):
        find_models([waveform], window_s=9.0)
    assert (model.name, model.parameters, model.macs, model.input) == ("mine", 12, 34, "waveform")
    assert (model.clip, model.sample_rate, model.window_s) == ((12_000,), 8000, 1.5)


def test_a_bare_graph_without_a_word(waveform: Path, tmp_path: Path) -> None:
    path = bare(waveform / "audio.onnx", tmp_path / "a.onnx")
    with pytest.raises(TinyclapError, match=r"takes sound of any length .* give --window SECONDS and --sample-rate HZ"):
        find_models([path], window_s=2.0)
    (model,) = find_models([path], window_s=2.0, sample_rate=RATE)
    assert (model.name, model.clip, model.macs) == ("a", (2 * RATE,), None)
    assert model.parameters is None, "its constants may be a front end's"


def test_parameters_are_counted_behind_a_front_end(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bare(made / "audio.onnx", tmp_path / "a.onnx", shape=["batch", 1, 40, SPEC.n_mels])
    weights = {"conv.weight": 8 * 3 * 3, "conv.bias": 8, "linear.weight": 16 * 8}
    assert find_models([path])[0].parameters == sum(weights.values())
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert find_models([path])[0].parameters is None


def quantised(path: Path) -> Path:
    """A graph with the weights of its convolution in eight bits."""
    model = onnx.load(path)
    weights = next(constant for constant in model.graph.initializer if constant.name == "conv.weight")
    weights.name = "before"
    nodes = [
        onnx.helper.make_node("QuantizeLinear", ["before", "scale"], ["whole"]),
        onnx.helper.make_node("DequantizeLinear", ["whole", "scale"], ["conv.weight"]),
    ]
    later = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *later])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(0.01, np.float32), "scale"))
    onnx.save(model, path)
    return path


FLOAT = {"precision": "float32", "parameters": 7, "macs": 70}


STATIC = {"precision": "float32", "parameters": 7, "macs": 35}  # of a shorter window


INT8 = {"precision": "int8", "parameters": 7, "macs": 71}


@pytest.mark.parametrize("kind", ["logmel", "waveform"])
@pytest.mark.parametrize(
    ("name", "int8", "graphs", "expected"),
    [
        ("audio_int8.onnx", False, {"audio.onnx": FLOAT, "audio_int8.onnx": INT8}, (7, 71, "int8")),
        ("renamed.onnx", False, {"audio.onnx": FLOAT, "audio_int8.onnx": INT8}, (7, 70, "float32")),
        ("renamed.onnx", True, {"audio.onnx": FLOAT, "audio_int8.onnx": INT8}, (7, 71, "int8")),
        ("renamed.onnx", False, {"audio.onnx": FLOAT, "audio_static.onnx": STATIC}, (7, None, "float32")),
        ("renamed.onnx", True, {"audio.onnx": FLOAT}, (None, None, None)),
        ("renamed.onnx", False, {}, (None, None, None)),
    ],
)
def test_a_renamed_graph_of_a_bundle(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    kind: str,
    name: str,
    int8: bool,
    graphs: dict[str, Any],
    expected: tuple[object, ...],
) -> None:
    folder = request.getfixturevalue("made" if kind == "logmel" else "waveform")
    told = json.loads((folder / "bundle.json").read_text()) | {"graphs": graphs}
    path = bare(folder / "audio.onnx", tmp_path / name, told)
    (model,) = find_models([quantised(path) if int8 else path])
    assert (model.parameters, model.macs, model.precision) == expected


def test_a_graph_of_fixed_shape(made: Path, waveform: Path, tmp_path: Path) -> None:
    (model,) = find_models([bare(waveform / "audio.onnx", tmp_path / "w.onnx", shape=[2, 6000])])
    assert (model.clip, model.batch, model.window_s) == ((6000,), 2, None)
    assert find_models([model.path], sample_rate=4000)[0].window_s == 1.5
    (model,) = find_models([bare(made / "audio.onnx", tmp_path / "l.onnx", shape=[1, 1, 40, SPEC.n_mels])])
    assert (model.clip, model.takes_waveforms, model.batch) == ((1, 40, SPEC.n_mels), False, 1)
    told = json.loads((made / "bundle.json").read_text())
    (model,) = find_models([bare(made / "audio.onnx", tmp_path / "f.onnx", told, [1, 1, 40, SPEC.n_mels])])
    assert (model.takes_waveforms, model.clip) == (True, (39 * SPEC.hop_length,))
    assert model.open(None, 1)[0](model.clips(1)).shape == (1, 16)


def test_weights_beside_a_graph_belong_to_it(waveform: Path, tmp_path: Path) -> None:
    path = bare(waveform / "audio.onnx", tmp_path / "a.onnx", {"window_s": 1.0, "sample_rate": RATE})
    (tmp_path / "a.onnx.data").write_bytes(b"12345")
    (model,) = find_models([path])
    assert measure.named(model)["file_bytes"] == path.stat().st_size + 5


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"no graph at all"])
def test_a_damaged_graph(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    message, code = failure("bench", str(path))
    assert (message.startswith(f"{path}: onnxruntime "), "cannot run it" in message, code) == (True, True, 2)


def test_a_text_side(made: Path) -> None:
    message, code = failure("bench", str(made / "text.onnx"))
    assert (f"{made / 'text.onnx'} takes input_ids" in message, "it is a text side" in message, code) == (True, True, 2)


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ("{", "is no JSON"),
        ([1], "is [1], expected an object"),
        ({"sample_rate": 0.5}, "sample_rate is 0.5; it must be a whole number of Hz"),
        ({"window_s": -1}, "window_s is -1; it must be a number of seconds above 0, up to 3600"),
        ({"window_s": 1e15}, "window_s is 1000000000000000.0; it must be a number of seconds above 0, up to 3600"),
        ({"window_s": 1e-9, "sample_rate": 8000}, "1e-09 s at 8000 Hz are less than one sample"),
        ({"graphs": {"a.onnx": 5}}, "graphs is {'a.onnx': 5}; it must be an object with an object for each file"),
        ({"graphs": ["parameters"]}, "graphs is ['parameters']; it must be an object"),
        ({"graphs": {"a.onnx": ["parameters"]}}, "it must be an object with an object for each file"),
        ({"graphs": {"a.onnx": {"macs": [1]}}}, "graphs: macs is [1]; it must be a whole number"),
        ({"input": "mp3"}, "input is 'mp3'; it must be one of waveform, logmel"),
        ({"frontend": {"n_mels": 3}}, "missing amin"),
    ],
)
def test_bad_metadata(waveform: Path, tmp_path: Path, metadata: object, fault: str) -> None:
    path = bare(waveform / "audio.onnx", tmp_path / "a.onnx", metadata)
    assert fault in failure("bench", str(path))[0]


def test_a_window_without_a_sample(waveform: Path, tmp_path: Path) -> None:
    path = bare(waveform / "audio.onnx", tmp_path / "a.onnx")
    message, code = failure("bench", str(path), "--window", "0.00001", "--sample-rate", "16000")
    assert (f"{path}: 1e-05 s at 16000 Hz are less than one sample; give a longer --window" in message, code) == (
        True,
        2,
    )


def test_a_front_end_of_other_bands(made: Path, tmp_path: Path) -> None:
    told = json.loads((made / "bundle.json").read_text())
    path = bare(made / "audio.onnx", tmp_path / "a.onnx", told, ["batch", 1, "frames", 32])
    assert "takes 32 bands, and its metadata tells of a front end of 64" in failure("bench", str(path))[0]


def test_what_is_no_model(made: Path, waveform: Path, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", None)
    static = bare(made / "audio.onnx", tmp_path / "static.onnx", shape=[1, 1, 40, SPEC.n_mels])
    for arguments, message in (
        ([tmp_path / "none"], f"there is no folder {tmp_path / 'none'}; runs with a bundle: none"),
        ([tmp_path], f"{tmp_path} is neither a bundle (it holds no bundle.json) nor a run (it holds no recipe.yaml"),
        ([run], f"run {run} has no bundle"),
        ([waveform, "--int8"], f"bundle {waveform} has no int8 graph; export it with --int8, or leave --int8 out"),
        ([waveform, "--compare"], f"--compare needs two graphs or more, and there is {waveform / 'audio.onnx'} alone"),
        ([static, "--batch", "4"], f"{static} takes exactly 1 clip at a time; give --batch 1"),
        ([made, "--provider", "abacus"], "provider abacus is not in this onnxruntime"),
    ):
        told, code = failure("bench", *map(str, arguments))
        assert (message in told, code) == (True, 2), told
