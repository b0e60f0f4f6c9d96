"""Loading a bundle and testing it where it runs."""

import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.support.sounds import RATE, noise
from tests.support.tiny_bundles import tiny_embed
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import METADATA_KEY, read_manifest, write_manifest
from tinyclap.runtime.selftest import selftest


class TestLoad:
    def test_which_graph(self, folders: dict[str, Path]) -> None:
        full = folders["full"]
        assert Bundle.load(full).graph == Bundle.load(full, graph="float").graph == "audio.onnx"
        rounded = Bundle.load(full, graph="int8")
        assert rounded.graph == "audio_int8.onnx"
        difference = np.abs(rounded.embed(noise(1.0), sample_rate=RATE) - tiny_embed([noise(1.0)])).max()
        assert 1e-5 < difference < 0.2
        with pytest.raises(TinyclapError, match="has no int8 graph, it has: float; export it with --int8"):
            Bundle.load(folders["logmel"], graph="int8")

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"embed_dim": 17}, r"audio\.onnx makes \('?.*16\), bundle\.json says \(batch, 17\)"),
            ({"window_s": 1e6}, r"window_s = 1000000\.0 is not allowed; it must be .* to 600 seconds"),
            ({"embed_dim": 10**9}, "embed_dim = 1000000000 is not allowed; it must be a whole number from 1 to 65536"),
            ({"frontend": {"n_fft": 2**33}}, "n_fft = 8589934592 is not allowed; it must be at most 65536"),
            ({"frontend": {"sample_rate": 2**40}}, "sample_rate = .* is not allowed; it must be 1000 to 1000000 Hz"),
        ],
    )
    def test_numbers_without_bound_are_refused_before_anything_is_computed(
        self, folders: dict[str, Path], tmp_path: Path, changes: dict[str, Any], message: str
    ) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        manifest = json.loads((folder / "bundle.json").read_text())
        for key, value in changes.items():
            manifest[key] = manifest[key] | value if isinstance(value, dict) else value
        (folder / "bundle.json").write_text(json.dumps(manifest))
        with pytest.raises(TinyclapError, match=message):
            Bundle.load(folder)

    def test_a_manifest_of_nested_lists_is_damaged(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        (folder / "bundle.json").write_text("[" * 100_000)
        with pytest.raises(TinyclapError, match=r"bundle\.json: damaged"):
            Bundle.load(folder)

    def test_the_recommended_graph_is_the_default(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["full"], tmp_path / "bundle")
        write_manifest(folder, dataclasses.replace(read_manifest(folder), recommended="audio_int8.onnx"))
        assert Bundle.load(folder).graph == "audio_int8.onnx"

    def test_provider_and_threads_are_told(self, folders: dict[str, Path]) -> None:
        default = Bundle.load(folders["logmel"])
        assert (default.provider, default.threads) == ("CPUExecutionProvider", 1)
        assert Bundle.load(folders["logmel"], threads=2).threads == 2
        for name in ("cpu", "CPUExecutionProvider", ["CPU"]):
            assert Bundle.load(folders["logmel"], providers=name).provider == "CPUExecutionProvider"
        with pytest.raises(TinyclapError, match="threads is 0: it must be 1 or more"):
            Bundle.load(folders["logmel"], threads=0)

    def test_an_absent_provider_is_an_error(self, folders: dict[str, Path]) -> None:
        with pytest.raises(TinyclapError, match=r"provider abacus is not in this onnxruntime; it has .*CPUExecution"):
            Bundle.load(folders["logmel"], providers="abacus")
        with pytest.raises(TinyclapError, match=r"provider \(none\) is not in this onnxruntime"):
            Bundle.load(folders["logmel"], providers=[])

    def test_a_provider_that_does_not_become_active_is_an_error(
        self, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import onnxruntime

        real = onnxruntime.InferenceSession
        there = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
        monkeypatch.setattr(onnxruntime, "InferenceSession", lambda path, options, providers, **_: real(path, options))
        with pytest.raises(
            TinyclapError, match="CUDAExecutionProvider was asked for and CPUExecutionProvider is active"
        ):
            Bundle.load(folders["logmel"], providers="cuda")

    def test_a_graph_that_onnxruntime_cannot_run(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        (folder / "audio.onnx").write_bytes(b"no graph")
        write_manifest(folder, read_manifest(folders["logmel"]))
        with pytest.raises(TinyclapError, match=r"audio\.onnx: onnxruntime \d.* cannot run it \("):
            Bundle.load(folder)

    def test_a_graph_is_refused_without_the_places_in_onnxruntimes_sources(
        self, folders: dict[str, Path], tmp_path: Path
    ) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        graph = onnx.load(folder / "audio.onnx")
        weights = max(graph.graph.initializer, key=lambda one: len(one.raw_data))
        weights.raw_data = weights.raw_data[:8]
        onnx.save(graph, folder / "audio.onnx")
        write_manifest(folder, read_manifest(folders["logmel"]))
        with pytest.raises(
            TinyclapError, match=rf"cannot run it \(Initializer '{weights.name}': raw_data size \(8 bytes"
        ):
            Bundle.load(folder)

    def test_a_graph_of_another_interface(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        shutil.copy(folders["waveform"] / "audio.onnx", folder)
        write_manifest(folder, read_manifest(folders["logmel"]))
        with pytest.raises(TinyclapError, match="inputs waveform and outputs embedding, expected logmel and embedding"):
            Bundle.load(folder)

    @pytest.mark.parametrize(
        ("said", "message"),
        [
            ('{"frontend": [1]}', r"damaged \(frontend is \[1\], expected an object\); export the bundle again"),
            ("[1]", r"metadata 'tinyclap' is \[1\], expected an object"),
            ("{", "metadata 'tinyclap' is no JSON"),
            ('{"embed_dim": 9}', r"embed_dim is 16, but audio\.onnx was exported with 9"),
        ],
    )
    def test_what_a_graph_says_of_itself_must_fit(
        self, folders: dict[str, Path], tmp_path: Path, said: str, message: str
    ) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        graph = onnx.load(folder / "audio.onnx")
        onnx.helper.set_model_props(graph, {METADATA_KEY: said})
        onnx.save(graph, folder / "audio.onnx")
        write_manifest(folder, read_manifest(folders["logmel"]))
        with pytest.raises(TinyclapError, match=message):
            Bundle.load(folder)

    def test_labels_and_rows_that_do_not_fit(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        np.save(folder / "labels.npy", np.zeros((2, 16), np.float32))
        write_manifest(folder, read_manifest(folders["logmel"]))
        with pytest.raises(TinyclapError, match=r"holds 3 labels and labels\.npy an array of shape \(2, 16\); one row"):
            Bundle.load(folder).classify(noise(1.0), sample_rate=RATE)


class TestSelftest:
    def test_passes_where_it_computes_the_same(self, folders: dict[str, Path]) -> None:
        tests = selftest(folders["full"])
        assert [(test.graph, test.n_inputs, test.passed) for test in tests] == [
            ("audio.onnx", 3, True),
            ("audio_int8.onnx", 3, True),
            ("text.onnx", 2, True),
        ]
        assert max(test.difference or 0.0 for test in tests) < 1e-5

    def test_fails_where_it_does_not(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        with np.load(folder / "test_vectors.npz") as vectors:
            wrong = dict(vectors) | {"embedding": -vectors["embedding"]}
        np.savez(folder / "test_vectors.npz", **wrong)
        write_manifest(folder, read_manifest(folders["logmel"]))
        assert not selftest(folder)[0].passed

    @pytest.mark.parametrize(
        ("vectors", "message"),
        [
            ({"embedding": np.zeros((0, 16), np.float32)}, r"embedding is float32 of shape \(0, 16\), expected embed"),
            (
                {"embedding": np.array(3, np.float32)},
                r"embedding is float32 of shape \(\), expected embeddings \(N, 16\)",
            ),
            ({"embedding": np.full((3, 16), np.nan, np.float32)}, "expected finite numbers"),
            ({"texts": np.array(["rain"])}, r"texts is <U4 of shape \(1,\), expected 2 texts"),
            ({"texts": np.zeros(2)}, r"texts is float64 of shape \(2,\), expected 2 texts"),
        ],
    )
    def test_odd_test_vectors_are_named(
        self, folders: dict[str, Path], tmp_path: Path, vectors: dict[str, np.ndarray], message: str
    ) -> None:
        folder = shutil.copytree(folders["full"], tmp_path / "bundle")
        with np.load(folder / "test_vectors.npz") as held:
            np.savez(folder / "test_vectors.npz", **(dict(held) | vectors))
        write_manifest(folder, read_manifest(folders["full"]))
        with pytest.raises(TinyclapError, match=message):
            selftest(folder)

    def test_int8_is_compared_with_int8(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["full"], tmp_path / "bundle")
        with np.load(folder / "test_vectors.npz") as vectors:
            noise = np.random.default_rng(0).normal(0, 0.02, vectors["embedding_int8"].shape)
            other = vectors["embedding_int8"] + noise.astype(np.float32)
            wrong = dict(vectors) | {"embedding_int8": other / np.linalg.norm(other, axis=1, keepdims=True)}
        np.savez(folder / "test_vectors.npz", **wrong)
        write_manifest(folder, read_manifest(folders["full"]))
        tests = {test.graph: test for test in selftest(folder)}
        cosine = tests["audio_int8.onnx"].cosine
        assert cosine is not None
        assert 0.99 < cosine < 0.999, "close, but not what was exported"
        assert [test.passed for test in tests.values()] == [True, False, True]

    def test_texts_need_their_package(self, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "tokenizers", None)
        assert [test.passed for test in selftest(folders["full"])] == [True, True, None]

    def test_needs_test_vectors(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        (folder / "test_vectors.npz").unlink()
        write_manifest(folder, read_manifest(folders["logmel"]))
        with pytest.raises(TinyclapError, match=r"has no test_vectors\.npz; export it again"):
            selftest(folder)
