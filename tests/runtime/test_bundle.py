"""The manifest: strict about what it reads, and every file of a bundle is checked."""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.support.tiny_bundles import tiny_bundle
from tinyclap.common.files import LFS_POINTER
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import MAP_KEYS, Manifest, read_manifest, write_manifest


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("made") / "bundle", text=True, int8=True)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return shutil.copytree(made, tmp_path / "bundle")


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "bundle.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


class TestManifest:
    def test_survives_the_file(self, made: Path) -> None:
        manifest = read_manifest(made)
        assert Manifest.from_json(manifest.to_json()) == manifest
        assert (made / "bundle.json").read_text(encoding="utf-8") == manifest.to_json()

    def test_lists_every_other_file(self, made: Path) -> None:
        manifest = read_manifest(made)
        assert set(manifest.files) == {path.name for path in made.iterdir()} - {"bundle.json"}
        assert all(facts["size_bytes"] == (made / name).stat().st_size for name, facts in manifest.files.items())

    def test_graph_metadata_leaves_out_what_is_known_later(self, made: Path) -> None:
        manifest = read_manifest(made)
        inside, outside = json.loads(manifest.graph_metadata()), json.loads(manifest.to_json())
        assert set(outside) - set(inside) == {"files", "parity"}
        assert all(outside[key] == value for key, value in inside.items())

    def test_window_samples(self, made: Path) -> None:
        assert read_manifest(made).window_samples == 16_000

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"embed_dim": 0}, "embed_dim"),
            ({"sample_rate": 44_100}, "sample_rate"),
            ({"window_s": 0.01}, "window_s"),
            ({"input": "mfcc"}, "input"),
            ({"prompts": "{}"}, "prompts"),
            ({"logit_scale": float("nan")}, "logit_scale"),
            ({"graphs": {}}, "graphs"),
            ({"graphs": {"audio.onnx": {"opset": 20}}}, "graphs"),
            ({"recommended": "audio_int4.onnx"}, "recommended"),
            ({"latent_map": dict.fromkeys(MAP_KEYS, 1)}, "latent_map"),
            ({"text": {"max_tokens": 0, "pad_id": 0, "opset": 18}}, "text"),
            ({"name": None}, "name"),
        ],
    )
    def test_refuses_by_name(self, made: Path, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(TinyclapError, match=f"bundle: {field} = .* is not allowed; it must be "):
            dataclasses.replace(read_manifest(made), **changes)

    def test_needs_no_torch(self) -> None:
        code = "import sys, tinyclap.runtime.bundle_contents; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda values: values.update(format="other"), "no manifest of a bundle: its format must be"),
            (lambda values: values.update(schema_version=2), "schema_version is 2, this tinyclap reads 1; update"),
            (lambda values: values.pop("embed_dim"), "keys of the bundle: missing embed_dim"),
            (lambda values: values.update(colour="red"), "keys of the bundle: unknown colour"),
            (lambda values: values["frontend"].pop("amin"), "keys of frontend: missing amin"),
            (lambda values: values["frontend"].update(n_mels=0), "front end: n_mels = 0 is not allowed"),
            (lambda values: values.update(frontend=[]), r"frontend is \[\], expected an object"),
            (lambda values: values["teacher"].pop("licence"), "keys of bundle: teacher: missing licence"),
            (lambda values: values["text"].update(extra=1), "keys of bundle: text: unknown extra"),
            (lambda values: values["files"].pop("text.onnx"), r"files lacks text\.onnx"),
            (lambda values: values["files"].pop("labels.npy"), r"files lacks labels\.npy"),
            (lambda values: values["files"]["audio.onnx"].pop("sha256"), r"files: audio\.onnx: missing sha256"),
        ],
    )
    def test_a_manifest_of_another_kind(self, folder: Path, change: Callable[[dict], object], message: str) -> None:
        edit(folder, change)
        with pytest.raises(TinyclapError, match=message) as caught:
            read_manifest(folder)
        assert str(folder) in str(caught.value)

    @pytest.mark.parametrize("content", [b'{"format": ', b"\xff\xfe", b"[]"])
    def test_a_damaged_manifest(self, folder: Path, content: bytes) -> None:
        (folder / "bundle.json").write_bytes(content)
        with pytest.raises(TinyclapError, match=r"bundle\.json: (damaged|'utf-8' codec|no manifest)"):
            read_manifest(folder)

    @pytest.mark.parametrize("name", ["audio.onnx", "labels.npy", "text.onnx", "test_vectors.npz"])
    def test_every_file_is_checked(self, folder: Path, name: str) -> None:
        path = folder / name
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        with pytest.raises(TinyclapError, match=rf"{name} holds {len(content) - 1} of {len(content)} bytes; copy or"):
            read_manifest(folder)
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        with pytest.raises(TinyclapError, match=rf"{name} is not what was exported \(its checksum differs\)"):
            read_manifest(folder)
        path.unlink()
        with pytest.raises(TinyclapError, match=f"{name} is missing"):
            read_manifest(folder)

    @pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/file", ".", ""])
    def test_names_do_not_lead_out_of_the_folder(self, folder: Path, name: str) -> None:
        (folder.parent / "secret").write_text("secret")
        edit(folder, lambda values: values["files"].update({name: {"sha256": "0", "size_bytes": 6}}))
        with pytest.raises(TinyclapError, match="is missing"):
            read_manifest(folder)

    def test_no_bundle(self, tmp_path: Path) -> None:
        with pytest.raises(
            TinyclapError, match=r"is not a bundle: it holds no bundle\.json; `tinyclap export --onnx` makes one"
        ):
            read_manifest(tmp_path)
        with pytest.raises(TinyclapError, match="is not a bundle: there is no such folder"):
            read_manifest(tmp_path / "nowhere")


def test_writing_again_notices_what_changed(folder: Path) -> None:
    manifest = read_manifest(folder)
    (folder / "README.md").write_text("new")
    written = write_manifest(folder, manifest)
    assert written.files["README.md"]["size_bytes"] == 3
    assert read_manifest(folder) == written


@pytest.mark.parametrize("name", ["audio.onnx", "audio_int8.onnx", "labels.npy", "test_vectors.npz", "tokenizer.json"])
def test_a_pointer_instead_of_a_file_says_so(folder: Path, name: str) -> None:
    (folder / name).write_bytes(LFS_POINTER + b"v1\n")
    with pytest.raises(TinyclapError, match=f"{name} is a git-lfs pointer .* fetch it with `git lfs pull`"):
        read_manifest(folder)
    (folder / "bundle.json").write_bytes(LFS_POINTER + b"v1\n")
    with pytest.raises(TinyclapError, match=r"bundle\.json: a git-lfs pointer"):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("window_s", 2.0, "1.0"), ("frontend", {"hop_length": 99}, "frontend.hop_length is 99, but")],
)
def test_a_manifest_that_does_not_fit_its_graph_says_so(folder: Path, key: str, value: Any, said: str) -> None:
    manifest, graph = read_manifest(folder), onnx.load(folder / "audio.onnx")
    onnx.helper.set_model_props(graph, {"tinyclap": manifest.graph_metadata()})
    onnx.save(graph, folder / "audio.onnx")
    write_manifest(folder, manifest)
    Bundle.load(folder, graph="float")
    edit(folder, lambda values: values.update({key: values[key] | value if isinstance(value, dict) else value}))
    with pytest.raises(TinyclapError, match=rf"bundle\.json: .*{said}.*copy the whole bundle again"):
        Bundle.load(folder, graph="float")
