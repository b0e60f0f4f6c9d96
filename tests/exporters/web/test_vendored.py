"""Where the page's runtime comes from: npm, a folder, and what is said where it cannot come."""

import base64
import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
from pathlib import Path

import pytest

from tinyclap.errors import TinyclapError
from tinyclap.exporters.web import vendored
from tinyclap.runtime.published_weights import ORT_WEB

FILES = {
    "package.json": json.dumps(
        {"name": "onnxruntime-web", "version": "9.9.9", "license": "MIT", "scripts": {"x": "y"}}
    ),
    "dist/ort.wasm.bundle.min.mjs": "export {};",
    "dist/ort-wasm-simd-threaded.wasm": "wasm" * 100,
}


def package(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def fake_npm(folder: Path, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(stat.S_IRWXU)


def test_a_folder_on_the_disk(tmp_path: Path) -> None:
    found = vendored.runtime_files(package(tmp_path / "ort"))
    assert sorted(found) == ["LICENSE", "ort-wasm-simd-threaded.wasm.gz", "ort.wasm.bundle.min.mjs", "package.json"]
    assert gzip.decompress(found["ort-wasm-simd-threaded.wasm.gz"]) == b"wasm" * 100
    assert json.loads(found["package.json"]) == {"name": "onnxruntime-web", "version": "9.9.9", "license": "MIT"}
    assert b"Copyright (c) Microsoft Corporation" in found["LICENSE"]
    assert vendored.write_runtime(found, tmp_path / "new") == "9.9.9"
    assert (tmp_path / "new" / "ort.wasm.bundle.min.mjs").read_text() == "export {};"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "dist/ort.wasm.bundle.min.mjs",
            None,
            "holds no dist/ort.wasm.bundle.min.mjs; give the folder of the npm package",
        ),
        ("package.json", "{", "its package.json is damaged"),
        ("package.json", '{"name": "onnxruntime-node", "version": "1"}', "not that of onnxruntime-web"),
    ],
)
def test_another_folder_is_refused(name: str, content: str | None, said: str, tmp_path: Path) -> None:
    folder = package(tmp_path / "ort")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(TinyclapError, match=said):
        vendored.runtime_files(folder)


def test_without_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        TinyclapError, match=r"npm is not installed.*install Node.js, or name a folder.*--ort-web FOLDER"
    ):
        vendored.runtime_files(None)


def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_npm(tmp_path / "bin", "echo 'npm error code ENOTFOUND' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(TinyclapError, match=r"npm cannot fetch onnxruntime-web@[\d.]+ \(npm error code ENOTFOUND\)"):
        vendored.runtime_files(None)
    assert not ORT_WEB.unpacked.exists()


def test_another_archive_than_the_pinned_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "other.tgz"
    with tarfile.open(archive, "w:gz") as opened:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            opened.addfile(entry, io.BytesIO(content.encode()))
    fake_npm(tmp_path / "bin", f'cp {archive} "$4/onnxruntime-web.tgz"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(TinyclapError, match=r"another onnxruntime-web [\d.]+ than the known one"):
        vendored.runtime_files(None)
    assert not ORT_WEB.unpacked.exists()
    with monkeypatch.context() as patch:  # were it the pinned one, it would be kept, and npm not asked again
        patch.setattr(vendored, "INTEGRITY", _integrity(archive))
        first = vendored.runtime_files(None)
        fake_npm(tmp_path / "bin", "exit 1")
        assert vendored.runtime_files(None) == first


def _integrity(archive: Path) -> str:
    return base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
