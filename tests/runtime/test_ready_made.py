"""Ready-made bundles: weights read and put into graphs without torch, and refusals that say what to do."""

import dataclasses
import functools
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession

from tests.support.commands import failure, run
from tests.support.servers.http_server import Server
from tinyclap.common.files import LFS_POINTER
from tinyclap.errors import TinyclapError
from tinyclap.runtime import graph_weights, ready_made
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.ready_made import EVERYDAY
from tinyclap.runtime.selftest import selftest
from tinyclap.runtime.text_encoder import TextEncoder
from tinyclap.runtime.torch_file import read_tensors


class TestTensorsOfTorchSave:
    def test_they_are_what_torch_reads(self, tmp_path: Path) -> None:
        torch.manual_seed(0)
        saved = {
            "matrix": torch.randn(3, 5),
            "transposed": torch.randn(3, 5).T,
            "part": torch.randn(10)[2:7:2],
            "half": torch.randn(4).half(),
            "count": torch.tensor(7),
            "empty": torch.zeros(0, 3),
        }
        torch.save(saved, tmp_path / "a.pt")
        read = read_tensors(tmp_path / "a.pt")
        assert read.keys() == saved.keys()
        for name, tensor in saved.items():
            np.testing.assert_array_equal(read[name], tensor.numpy())

    def test_code_is_not_run(self, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> Any:
                return (Path.touch, (tmp_path / "ran",))

        with zipfile.ZipFile(tmp_path / "evil.pt", "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"weight": Evil()}))
        with pytest.raises(TinyclapError, match="is not read"):
            read_tensors(tmp_path / "evil.pt")
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"no archive", "no file of torch.save"), (b"", "no file of torch.save")],
    )
    def test_other_files_are_refused(self, content: bytes, message: str, tmp_path: Path) -> None:
        (tmp_path / "a.pt").write_bytes(content)
        with pytest.raises(TinyclapError, match=message):
            read_tensors(tmp_path / "a.pt")
        with pytest.raises(TinyclapError, match="there is no file"):
            read_tensors(tmp_path / "nowhere.pt")

    def test_what_is_no_state_dict_is_refused(self, tmp_path: Path) -> None:
        torch.save({"epoch": 3}, tmp_path / "a.pt")
        with pytest.raises(TinyclapError, match="something else than a dict of tensors"):
            read_tensors(tmp_path / "a.pt")


class TestWeightsOfAGraph:
    def test_appended_they_are_part_of_the_graph(self) -> None:
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "product",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 300])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 200])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        rng = np.random.default_rng(0)
        weight, x = rng.normal(size=(300, 200)).astype(np.float32), rng.normal(size=(4, 300)).astype(np.float32)
        whole = graph_weights.with_weights(model.SerializeToString(), {"w": weight})
        np.testing.assert_allclose(InferenceSession(whole).run(None, {"x": x})[0], x @ weight, rtol=1e-4, atol=1e-4)
        (tensor,) = onnx.load_from_string(whole).graph.initializer
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), weight)

    @torch.no_grad()
    def test_folded_a_convolution_computes_what_both_layers_did(self) -> None:
        torch.manual_seed(0)
        layers = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3, bias=False), torch.nn.BatchNorm2d(5, eps=1e-3)).train()
        layers(torch.randn(8, 3, 9, 9))
        state = {f"a.{name}": tensor.numpy() for name, tensor in layers.eval().state_dict().items()}
        made = graph_weights.folded({**state, "last.weight": np.ones((2, 2), np.float32)})
        assert set(made) == {"a.0.weight", "a.0.bias", "last.weight"}
        x = torch.randn(2, 3, 9, 9)
        weight, bias = torch.from_numpy(made["a.0.weight"]), torch.from_numpy(made["a.0.bias"])
        torch.testing.assert_close(torch.nn.functional.conv2d(x, weight, bias), layers(x), atol=1e-5, rtol=1e-5)

    def test_int8_is_within_half_a_step_of_each_channel(self) -> None:
        rng = np.random.default_rng(0)
        weights = {"a": rng.normal(size=(40, 50)).astype(np.float32), "small": np.ones((2, 2), np.float32)}
        weights["a"][3] = 0
        made = graph_weights.int8_weights(weights)
        assert set(made) == {"a.int8", "a.scale", "small"}
        assert made["a.int8"].dtype == np.int8
        step = made["a.scale"][:, None]
        assert (np.abs(made["a.int8"] * step - weights["a"]) <= 0.5001 * step).all()


def published_at(url: str) -> ready_made.ReadyMade:
    """The bundle, with its weights at another address."""
    return dataclasses.replace(EVERYDAY, weights=dataclasses.replace(EVERYDAY.weights, url=url))


class TestEveryday:
    @pytest.fixture(scope="class")
    @classmethod
    def everyday(cls, mn04: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return ready_made.make("everyday", tmp_path_factory.mktemp("made") / "bundle", weights=mn04)

    def test_it_computes_what_was_exported(self, everyday: Path) -> None:
        assert {test.graph: test.passed for test in selftest(everyday)} == {"audio_int8.onnx": True, "text.onnx": True}

    def test_words_pass_on_a_processor_without_quick_int8(
        self, everyday: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tinyclap.runtime.bundle.TextEncoder", functools.partial(TextEncoder, exact=True))
        words = next(test for test in selftest(everyday) if test.graph == "text.onnx")
        assert words.passed
        assert words.cosine is not None
        assert words.cosine > 0.999

    def test_ears_and_words_are_small(self, everyday: Path) -> None:
        assert (everyday / "audio_int8.onnx").stat().st_size <= 1_300_000
        assert sum((everyday / name).stat().st_size for name in ("text.onnx", "tokenizer.json")) <= 2_000_000
        assert sum(path.stat().st_size for path in everyday.iterdir()) <= 5_000_000

    def test_it_needs_neither_torch_nor_onnx(self, mn04: Path, tmp_path: Path) -> None:
        code = (
            "import sys\n"
            "sys.modules.update(dict.fromkeys(('torch', 'onnx', 'transformers', 'pydantic', 'tokenizers')))\n"
            "from pathlib import Path; from tinyclap.runtime import ready_made; from tinyclap import Bundle\n"
            f"folder = ready_made.make('everyday', Path({str(tmp_path / 'bundle')!r}), weights=Path({str(mn04)!r}))\n"
            "import numpy as np\n"
            "bundle = Bundle.load(folder)\n"
            "print(bundle.embed([np.zeros(32000, np.float32)], sample_rate=32000).shape, end=' ')\n"
            "print(bundle.embed_text(['a cat that sleeps']).shape)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.stdout.strip(), done.returncode) == ("(1, 527) (1, 527)", 0), done.stderr

    def test_it_is_found_where_there_is_no_run(
        self, mn04: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        message, code = failure("classify", "a.wav")
        assert (message.startswith("no bundle is named and none is there; `tinyclap get everyday`"), code) == (True, 2)
        assert "tinyclap get everyday" in run("models")
        assert (
            "there is no bundle everyday yet; `tinyclap get everyday` makes it"
            in failure("classify", "a.wav", "--bundle", "everyday")[0]
        )
        told = run("get", "everyday", "--weights", str(mn04))
        assert "next     tinyclap classify YOUR_SOUNDS\n         tinyclap index FOLDER " in told
        assert str(ready_made.place("everyday")) in run("models")
        assert "next     tinyclap classify YOUR_SOUNDS\n" in run("get", "everyday")  # there already
        assert "audio_int8.onnx: passed" in run("selftest", "everyday")
        assert "did you mean the ready-made bundle everyday?" in failure("info", "everday")[0]
        np.save(tmp_path / "a.npy", np.zeros(3))
        message, _ = failure("classify", "a.wav")
        assert "a.wav" in message

    def test_a_file_that_is_not_the_publishers_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "other.pt").write_bytes(b"other")
        message, _ = failure("get", "everyday", "--weights", str(tmp_path / "other.pt"))
        assert "is not the published file: sha256" in message
        assert EVERYDAY.weights.url in message
        (tmp_path / "other.pt").write_bytes(LFS_POINTER + b"v1\n")
        message, _ = failure("get", "everyday", "--weights", str(tmp_path / "other.pt"))
        assert "other.pt: a git-lfs pointer and not the file itself; fetch it with `git lfs pull`" in message
        message, _ = failure("get", "everyday", "--weights", str(tmp_path / "nowhere.pt"))
        assert f"there is no file {tmp_path / 'nowhere.pt'}; it is {EVERYDAY.weights.url}" in message

    def test_any_label_will_do(self, everyday: Path) -> None:
        bundle = Bundle.load(everyday)
        table = bundle.label_table(["ambulance in the street", "sleeping cat"])
        own = bundle.label_table(["siren", "cat purring"]).embeddings
        assert ((table.embeddings @ own.T).argmax(1) == [0, 1]).all()
        with pytest.raises(TinyclapError, match="'犬' is not among the words this bundle knows"):
            bundle.embed_text(["dog", "犬"])

    def test_the_float_graph_comes_when_it_is_asked_for(
        self, mn04: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        run("get", "everyday", "--weights", str(mn04))
        made = ready_made.place("everyday")
        assert Bundle.load(made).graph == "audio_int8.onnx"
        run("get", "everyday", "--weights", str(mn04), "--float")
        assert Bundle.load(made).graph == "audio.onnx"
        tests = {test.graph: test for test in selftest(made)}
        assert {graph: test.passed for graph, test in tests.items()} == {
            "audio.onnx": True,
            "audio_int8.onnx": True,
            "text.onnx": True,
        }
        assert tests["audio.onnx"].difference is not None
        assert tests["audio.onnx"].difference < 1e-4
        with np.load(made / "test_vectors.npz") as vectors:
            assert (vectors["embedding"] * vectors["embedding_int8"]).sum(1).min() > 0.98

    def test_without_a_network_the_message_names_the_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        away = published_at("http://127.0.0.1:9/mn04_as_mAP_432.pt")
        monkeypatch.setattr(ready_made, "READY_MADE", {"everyday": away})
        message, _ = failure("get", "everyday")
        for part in (away.weights.url, "4,066,513 bytes", str(EVERYDAY.weights.sha256), "--weights FILE"):
            assert part in message

    def test_it_is_fetched_from_its_publisher(
        self, mn04: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.files["mn04_as_mAP_432.pt"] = mn04.read_bytes()
        there = published_at(server.url_of("mn04_as_mAP_432.pt"))
        monkeypatch.setattr(ready_made, "READY_MADE", {"everyday": there})
        run("get", "everyday", "--out", str(tmp_path / "mine"))
        assert Bundle.load(tmp_path / "mine").embed_dim == 527

    def test_what_is_there_is_left_alone(self, everyday: Path, mn04: Path, tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match="exists already; replace it with --overwrite"):
            ready_made.make("everyday", everyday, weights=mn04)
        (tmp_path / "mine").mkdir()
        with pytest.raises(TinyclapError, match="is no bundle, so it is left alone"):
            ready_made.make("everyday", tmp_path / "mine", weights=mn04, overwrite=True)
        with pytest.raises(TinyclapError, match="there is no ready-made bundle 'all'; there are everyday"):
            ready_made.make("all")
        assert ready_made.make("everyday", everyday, weights=mn04, overwrite=True) == everyday

    def test_the_accuracy_that_is_told_was_measured(self) -> None:
        result = json.loads((Path(__file__).parents[2] / "benchmarks/results/esc50_everyday.json").read_text())
        row, (low, high) = result["rows"]["own words"], result["rows"]["own words"]["ci95"]
        assert EVERYDAY.accuracy == (
            f"{row['accuracy']:.1%} zero-shot on {result['n_clips']:,} clips of ESC-50, "
            f"95 % interval {100 * low:.1f} to {100 * high:.1f}"
        ).replace("%", " %").replace("  %", " %")
