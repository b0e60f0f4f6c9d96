"""Pairs of ONNX graphs as teachers, and graphs as taggers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.support.teacher_contract import CAPTIONS, FrozenTeacherContract
from tests.support.tiny import tiny_clap
from tests.support.tiny_texts import captions
from tests.teachers.test_tagger import sentences
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.errors import TinyclapError
from tinyclap.exporters.onnx.text import write_text_side
from tinyclap.exporters.onnx.tower import export_tower
from tinyclap.models.text_student_config import TextEncoderConfig
from tinyclap.teachers import load_onnx_teacher
from tinyclap.teachers.class_names import read_classes
from tinyclap.teachers.hf import HFTeacher
from tinyclap.teachers.onnx_graphs import OnnxAudio, OnnxTeacher
from tinyclap.teachers.onnx_tagger import OnnxTagger
from tinyclap.teachers.options import OnnxOptions
from tinyclap.teachers.tagger import TaggerTeacher
from tinyclap.training.text_start import new_text_student

RATE, CLASSES = 8000, ("Dog", "Rain", "Siren")


def graph(path: Path, shape: tuple[int | str, ...], width: int = 3, output: str = "embedding") -> Path:
    """A graph from `sound` of this shape to as many means and spreads as wanted."""
    axes = list(range(1, len(shape)))
    constants = {"weights": np.arange(1.0, width + 1, dtype=np.float32)[None], "axes": np.array(axes)}
    nodes = [
        helper.make_node("Abs", ["sound"], ["level"]),
        helper.make_node("ReduceMean", ["level", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("Sub", ["column", "weights"], [output]),
    ]
    constants["last"] = np.array([1])
    made = helper.make_graph(
        nodes,
        "levels",
        [helper.make_tensor_value_info("sound", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [shape[0], width])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def torch_teacher() -> HFTeacher:
    return tiny_clap(CAPTIONS, embed_dim=16)


@pytest.fixture(scope="module")
def files(torch_teacher: HFTeacher, tmp_path_factory: pytest.TempPathFactory) -> OnnxOptions:
    """Both sides of a teacher as graphs, as `tinyclap convert` and `tinyclap export --text` write them."""
    folder = tmp_path_factory.mktemp("graphs")
    export_tower(torch_teacher, folder / "audio.onnx")
    write_text_side(torch_teacher, folder, CAPTIONS)
    return OnnxOptions(str(folder / "audio.onnx"), str(folder / "text.onnx"), str(folder / "tokenizer.json"))


class TestContract(FrozenTeacherContract):
    @pytest.fixture(scope="class")
    @classmethod
    def teacher(cls, files: OnnxOptions) -> OnnxTeacher:
        return OnnxTeacher(files)

    @pytest.mark.skip(reason="ONNX Runtime computes on the CPU here")
    def test_a_gpu_agrees(self) -> None: ...


def test_it_computes_what_the_torch_teacher_does(torch_teacher: HFTeacher, files: OnnxOptions) -> None:
    teacher = load_onnx_teacher(files)
    assert (teacher.name, teacher.sample_rate, teacher.window_s) == (
        torch_teacher.name,
        torch_teacher.sample_rate,
        torch_teacher.window_s,
    )
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, round(2.3 * teacher.window_s * teacher.sample_rate)))
    sounds = torch.from_numpy(noise.astype(np.float32))
    torch.testing.assert_close(teacher.embed_audio(sounds), torch_teacher.embed_audio(sounds), atol=1e-4, rtol=0)
    torch.testing.assert_close(teacher.embed_text(CAPTIONS), torch_teacher.embed_text(CAPTIONS), atol=1e-5, rtol=0)


def test_a_text_student_begins_with_its_embeddings_of_word_pieces(files: OnnxOptions) -> None:
    target = load_onnx_teacher(files).text_target()
    assert target.table is None
    shape = TextEncoderConfig("static", table_dim=target.embed_dim, layers=0)
    student = new_text_student(shape, target, captions(60), target.fingerprint, 0)
    words = ["dog", "rain", "near", "a"]
    rows = student.table.weight.detach()[[student.tokenizer.token_to_id(word) for word in words]]
    ratio = torch.pdist(rows) / torch.pdist(target.embed(words))
    torch.testing.assert_close(ratio, ratio.mean().expand(6), rtol=1e-3, atol=0)


def test_its_text_side_is_exported(files: OnnxOptions, tmp_path: Path) -> None:
    teacher = load_onnx_teacher(files)
    side = write_text_side(teacher, tmp_path, CAPTIONS)
    assert side.difference < 1e-6
    assert {value.name for value in side.graph.graph.input} == {"input_ids", "attention_mask"}
    mapping = LatentMap(
        np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))[0][:4].astype(np.float32), "random"
    )
    assert write_text_side(teacher, tmp_path, CAPTIONS, mapping).difference < 1e-6


def test_a_text_graph_may_take_kinds_of_tokens_or_no_mask(files: OnnxOptions, tmp_path: Path) -> None:
    """Token ids to means of their values, beside outputs that are no embedding."""
    number, node = TensorProto.INT64, helper.make_node
    shape, ids = ["texts", "tokens"], ["input_ids", "token_type_ids"]
    made = helper.make_graph(
        [
            node("Add", ids, ["kinds"]),
            node("Cast", ["kinds"], ["numbers"], to=TensorProto.FLOAT),
            node("ReduceMean", ["numbers", "last"], ["mean"], keepdims=1),
            node("Concat", ["mean", "mean"], ["pooled"], axis=1),
            node("Sub", ["pooled", "ramp"], ["text_embeds"]),
        ],
        "words",
        [helper.make_tensor_value_info(name, number, shape) for name in ids],
        [
            helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["texts", 2]),
            helper.make_tensor_value_info("numbers", TensorProto.FLOAT, shape),
        ],
        [
            numpy_helper.from_array(np.array([1]), "last"),
            numpy_helper.from_array(np.array([[3.0, 9.0]], np.float32), "ramp"),
        ],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "t.onnx")
    graph(tmp_path / "a.onnx", ("batch", RATE), width=2)
    options = OnnxOptions(str(tmp_path / "a.onnx"), str(tmp_path / "t.onnx"), files.tokenizer, sample_rate=RATE)
    (tmp_path / "bundle").mkdir()
    teacher = load_onnx_teacher(options)
    for opset, written in ((None, 18), (15, 15), (22, 22)):
        side = write_text_side(teacher, tmp_path / "bundle", CAPTIONS, opset=opset)
        assert side.difference < 1e-6
        assert side.entry["opset"] == onnx.load(tmp_path / "bundle" / "text.onnx").opset_import[0].version == written


def test_the_fingerprint_follows_the_files_and_the_settings(files: OnnxOptions, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    model = onnx.load(files.audio)
    model.doc_string = "another"
    onnx.save(model, other)
    made = [files, OnnxOptions(str(other), files.text, files.tokenizer), OnnxOptions(**vars(files) | {"max_tokens": 5})]
    assert len({load_onnx_teacher(options).fingerprint for options in made}) == 3
    assert load_onnx_teacher(files).fingerprint == load_onnx_teacher(files).fingerprint


@pytest.mark.parametrize("batch", ["batch", 1, 4])
@pytest.mark.parametrize("samples", ["samples", RATE])
def test_a_fixed_batch_and_a_fixed_length_are_used_as_they_are(
    batch: int | str, samples: int | str, tmp_path: Path
) -> None:
    audio = OnnxAudio(
        graph(tmp_path / "a.onnx", (batch, samples)), sample_rate=RATE, window_s=None if samples == RATE else 1.0
    )
    sounds = np.random.default_rng(0).uniform(-1, 1, (6, RATE)).astype(np.float32)
    expected = np.abs(sounds).mean(1, keepdims=True) - np.arange(1.0, 4.0)
    np.testing.assert_allclose(audio.compute(sounds), expected, atol=1e-6)
    assert audio.window_s == 1.0


@pytest.mark.parametrize("shape", [("batch", 1, "frames", 32), ("batch", 51, 32)])
def test_spectrograms_are_made_by_the_front_end_that_is_named(shape: tuple[int | str, ...], tmp_path: Path) -> None:
    spec = FrontendSpec(sample_rate=RATE, n_fft=512, win_length=512, hop_length=160, n_mels=32, f_max=4000)
    audio = OnnxAudio(graph(tmp_path / "a.onnx", shape), window_s=1.0, frontend=spec)
    assert audio.sample_rate == RATE
    assert audio.compute(np.ones((2, RATE), np.float32)).shape == (2, 3)


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        (("b", "t"), {}, r"does not say its sample rate; set teacher\.sample_rate"),
        (("b", "t"), {"sample_rate": RATE}, r"does not say how long its windows are; set teacher\.window_s"),
        (("b", 4000), {"sample_rate": RATE, "window_s": 1.0}, r"takes 0\.5 s exactly; leave out teacher\.window_s = 1"),
        (("b", 1, "f", 64), {"sample_rate": RATE}, r"expected \(batch, samples\); say its front end"),
        (("b", "t"), {"frontend": FrontendSpec()}, r"expected \(batch, 1, frames, mels\) or \(batch, frames, mels\)"),
        (("b", 1, "f", 32), {"frontend": FrontendSpec(), "window_s": 1.0}, "takes 32 mel bands, but .* makes 64"),
        (("b", 1, 99, 64), {"frontend": FrontendSpec(), "window_s": 1.0}, "takes 99 frames, but .* makes 51"),
    ],
)
def test_a_graph_that_does_not_fit_says_why(
    shape: tuple[int | str, ...], settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(TinyclapError, match=message):
        OnnxAudio(graph(tmp_path / "a.onnx", shape), **settings)


def test_files_that_are_no_graphs_are_refused(files: OnnxOptions, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_text("no graph")
    for changed, message in (
        ({"audio": "nowhere.onnx"}, r"teacher\.audio: there is no file nowhere\.onnx"),
        ({"audio": str(tmp_path / "bad.onnx")}, r"bad\.onnx: onnxruntime .* cannot run it"),
        ({"text": files.audio}, r"teacher\.text .*inputs waveform; allowed: input_ids"),
        ({"tokenizer": "nowhere.json"}, r"teacher\.tokenizer: there is no file nowhere\.json"),
        ({"tokenizer": str(tmp_path / "bad.onnx")}, r"is no tokenizer\.json"),
        ({"audio": str(graph(tmp_path / "a.onnx", ("b", 4000))), "sample_rate": RATE}, "makes 3 dimensions, .* 16;"),
    ):
        with pytest.raises(TinyclapError, match=message):
            load_onnx_teacher(OnnxOptions(**vars(files) | changed))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.with_suffix(".txt").write_text("Dog\nRain\n\nSiren\n"),
        lambda path: path.with_suffix(".json").write_text(json.dumps(CLASSES)),
        lambda path: path.with_suffix(".csv").write_text("index,mid,display_name\n2,/m/3,Siren\n0,/m/1,Dog\n1,,Rain\n"),
    ],
)
def test_class_lists_are_read_in_the_order_of_the_outputs(write: Callable[[Path], int], tmp_path: Path) -> None:
    write(tmp_path / "classes")
    (made,) = tmp_path.iterdir()
    assert read_classes(made) == CLASSES


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "is empty"),
        ("a.txt", "Dog\nDog\n", "names Dog twice"),
        ("a.json", "{}", "must hold a JSON list of texts"),
        ("a.json", "[", "is damaged"),
        ("a.csv", "x,y\n1,2\n", "has the columns x, y; expected name or display_name"),
        ("a.csv", "index,name\none,Dog\n", "an index is no whole number"),
    ],
)
def test_class_lists_that_cannot_be_used_say_why(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(TinyclapError, match=message):
        read_classes(tmp_path / name)
    with pytest.raises(TinyclapError, match="there is no file"):
        read_classes(tmp_path / "nowhere.csv")


def test_a_graph_is_a_tagger(tmp_path: Path) -> None:
    audio = OnnxAudio(graph(tmp_path / "a.onnx", ("b", RATE), output="logits"), sample_rate=RATE)
    teacher = TaggerTeacher(OnnxTagger(audio, CLASSES, "logits"), sentences(), calibrated=False)
    sound = torch.ones(1, RATE) * 2.0
    expected = torch.tensor([[1.0, 0.0, -1.0]]).sigmoid()
    torch.testing.assert_close(teacher.embed_audio(sound), expected / expected.norm(), atol=1e-6, rtol=0)
    assert teacher.embed_text(["rain"]).shape == (1, 3)
    with pytest.raises(TinyclapError, match="its tagger is a graph already"):
        teacher.audio_graph()
    with pytest.raises(TinyclapError, match=r"outputs outside 0 \.\.\. 1 are no probabilities"):
        OnnxTagger(audio, CLASSES, "probabilities")(sound)
    with pytest.raises(TinyclapError, match=r"teacher\.classes: 2 names for the 3 outputs"):
        OnnxTagger(audio, CLASSES[:2], "logits")
