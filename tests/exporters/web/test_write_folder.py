"""The folder of a page: that it computes what Python does, what lies in it, and when it is refused."""

import base64
import dataclasses
import gzip
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.pages.node import node_or_skip
from tests.support.pages.served import write_page
from tests.support.tiny_bundles import tiny_bundle
from tinyclap.errors import GateError, TinyclapError
from tinyclap.exporters.web import write_folder
from tinyclap.exporters.web.checked import run_selftest
from tinyclap.exporters.web.report import measured_lines
from tinyclap.exporters.web.vendored import TEMPLATES
from tinyclap.exporters.web.write_folder import WebExporter
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import read_manifest, write_manifest

NOWHERE = Path("no-npm-is-asked")


class TestRefused:
    def test_what_lies_there_already(self, bundle: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("mine")
        exporter = WebExporter(bundle, runtime=NOWHERE)
        with pytest.raises(TinyclapError, match=r"holds no tinyclap\.js, so it is left alone"):
            exporter.write(tmp_path, overwrite=True)
        (tmp_path / "tinyclap.js").write_text("")
        with pytest.raises(TinyclapError, match="replace it with --overwrite"):
            exporter.write(tmp_path)
        with pytest.raises(TinyclapError, match="is a file"):
            exporter.write(tmp_path / "mine.txt")

    def test_a_front_end_outside_the_graph(self, tmp_path: Path) -> None:
        folder = tiny_bundle(tmp_path / "bundle", input_kind="logmel")
        with pytest.raises(TinyclapError, match="export the run again without --input logmel"):
            WebExporter(folder, runtime=NOWHERE).write(tmp_path / "page")

    def test_nothing_to_say(self, tmp_path: Path) -> None:
        folder = tiny_bundle(tmp_path / "bundle", input_kind="waveform", labels=None)
        with pytest.raises(TinyclapError, match="neither labels nor words"):
            WebExporter(folder, runtime=NOWHERE).write(tmp_path / "page")
        assert not (tmp_path / "page").exists()


@pytest.mark.slow
class TestPage:
    def test_it_computes_what_python_does(self, site: Path) -> None:
        found = run_selftest(node_or_skip(), site)
        assert found["passed"], found
        assert found["sounds"] == 8  # three of the bundle, silence, and a soft begin, at its own and three other rates
        assert 0 < max(found[kind] for kind in ("embedding", "text", "label", "stream", "resampled")) < 1e-4

    def test_python_itself_is_what_it_is_compared_with(self, site: Path, bundle: Path) -> None:
        """The expected file holds what the public classes give, not what the page gave."""
        expected = json.loads((site / "test" / "expected.json").read_text("utf-8"))
        samples = np.fromfile(site / "test" / "waveforms.f32", "<f4")
        own = Bundle.load(bundle)
        for sound in expected["sounds"]:
            cut = samples[sound["start"] :][: sound["length"]]
            embedding, level = own.embed_with_level(cut, sample_rate=sound["sample_rate"])
            np.testing.assert_allclose(sound["embedding"], embedding, atol=1e-6)
            assert sound["level_dbfs"] == pytest.approx(level)
            plain = next(answer for answer in sound["answers"] if answer["labels"] is None and not answer["settings"])
            answer = own.classify(cut, sample_rate=sound["sample_rate"])[0]
            assert plain["outcome"] == answer.outcome
            assert [one["label"] for one in plain["predictions"]] == [one.label for one in answer]
        assert {answer["outcome"] for sound in expected["sounds"] for answer in sound["answers"]} >= {
            "label",
            "silence",
        }
        assert any(text["text"].startswith("Ein größerer Hund") for text in expected["texts"])

    def test_other_code_does_not_pass(self, site: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(site, copy)
        for file, (old, new) in {
            "tinyclap/sound.js": ("20 * Math.log10(level)", "19 * Math.log10(level)"),
            "tinyclap/words.js": ('text = text.replace(this.removed, "")', "text = text.trim()"),
            "tinyclap/judge.js": ("odds.map((one) => one / sum)", "odds.map((one) => one)"),
            "tinyclap/resample.js": ("cutoff: 0.956872, beta: 13.71", "cutoff: 0.9, beta: 3"),
            "tinyclap.js": ("() => name.trim()", "() => name.trim() + ' cow'"),
        }.items():
            text = (copy / file).read_text("utf-8")
            assert old in text
            (copy / file).write_text(text.replace(old, new), "utf-8")
        done = subprocess.run([node_or_skip(), "selftest.mjs"], cwd=copy, capture_output=True, text=True)
        assert done.returncode == 1
        wrong = " ".join(json.loads(done.stdout)["wrong"])
        for kind in ("level differs", "probability differs", "resampled differs", "label differs", "tokens of"):
            assert kind in wrong

    def test_the_worker_knows_every_file_by_its_hash(self, site: Path) -> None:
        text = (site / "sw.js").read_text("utf-8")
        found = re.search(r"^const FILES = (.*);$", text, re.MULTILINE)
        assert found
        files = dict(json.loads(found[1]))
        for name, integrity in files.items():
            digest = base64.b64encode(hashlib.sha256((site / name).read_bytes()).digest()).decode()
            assert integrity == f"sha256-{digest}"
        assert {"index.html", "page.js", "tinyclap.js", "tinyclap/words.js", "worklet.js", "bundle/audio.onnx"} <= set(
            files
        )
        assert {"vendor/onnxruntime-web/ort-wasm-simd-threaded.wasm.gz", "bundle/text.onnx"} <= set(files)
        assert not {name for name in files if name.startswith("test/") or name.endswith(".d.ts")}

    def test_nothing_comes_from_elsewhere(self, site: Path) -> None:
        known = {"onnxruntime": "licences", "localhost": "readme", "w3.org": "icon"}
        for path in site.rglob("*"):
            if path.suffix in (".js", ".mjs", ".html", ".css", ".webmanifest", ".svg") and "vendor" not in path.parts:
                found = set(re.findall(r"https?://[^/\s\"'`]+", path.read_text("utf-8")))
                assert all(any(name in address for name in known) for address in found), (path, found)
        assert not [path for path in site.rglob("*") if "@" in path.name or path.name.startswith(".")]
        assert "MIT License" in (site / "vendor" / "onnxruntime-web" / "LICENSE").read_text("utf-8")

    def test_sizes_are_counted(self, bundle: Path, cache: Path, tmp_path: Path) -> None:
        report = write_page(cache, bundle, tmp_path / "page")
        loaded = [path for path in (tmp_path / "page").rglob("*") if path.is_file() and path.parent.name != "test"]
        never = ("README.md", "tinyclap.d.ts", "package.json", "selftest.mjs", "LICENSE")
        contents = {
            path.relative_to(tmp_path / "page").as_posix(): path.read_bytes()
            for path in loaded
            if path.name not in never
        }
        sizes = {name: len(x if name.endswith(".gz") else gzip.compress(x, 9)) for name, x in contents.items()}
        assert report.transfer_bytes == sum(sizes.values())
        later = sizes["bundle/text.onnx"] + sizes["bundle/words.json"]
        assert report.transfer_bytes - report.first_bytes == pytest.approx(later + sizes["sw.js"], abs=50)
        assert "differs from Python by at most" in "\n".join(measured_lines(report))

    def test_a_wrong_page_is_not_written(
        self, bundle: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        node_or_skip()
        shutil.copytree(TEMPLATES, tmp_path / "templates")
        judge = tmp_path / "templates" / "tinyclap" / "judge.js"
        judge.write_text(judge.read_text("utf-8").replace("this.logitScale * cosine)", "cosine)"), "utf-8")
        monkeypatch.setattr(write_folder, "TEMPLATES", tmp_path / "templates")
        with pytest.raises(GateError, match="does not compute what Python does, so nothing was written: probability"):
            write_page(cache, bundle, tmp_path / "page")
        assert not (tmp_path / "page").exists()

    def test_without_node_it_says_so(
        self, bundle: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(write_folder, "node", lambda: None)
        report = write_page(cache, bundle, tmp_path / "page")
        assert report.checked is None
        assert "Not compared with Python: no Node.js was there" in "\n".join(measured_lines(report))

    def test_other_words_than_the_page_reads_are_left_out(self, cache: Path, tmp_path: Path) -> None:
        folder = tiny_bundle(tmp_path / "bundle", input_kind="waveform", text=True)  # read word by word
        report = write_page(cache, folder, tmp_path / "page")
        assert (report.words, report.words_left_out) == (False, True)
        assert not (tmp_path / "page" / "bundle" / "text.onnx").exists()
        assert "its labels are fixed" in " ".join(measured_lines(report)).lower()

    def test_a_head_is_its_own_space(self, cache: Path, tmp_path: Path) -> None:
        folder = tiny_bundle(tmp_path / "bundle", input_kind="waveform", text=True, bert=True)
        teacher = {"name": "b", "fingerprint": "1", "licence": "MIT"}
        heads = {
            name: {"start": start, "dim": 8, "logit_scale": 7.0, "prompts": ["a {}"], "teacher": teacher}
            for name, start in (("a", 0), ("b", 8))
        }
        write_manifest(folder, dataclasses.replace(read_manifest(folder), heads=heads))
        report = write_page(cache, folder, tmp_path / "page", head="b")
        facts = json.loads((tmp_path / "page" / "bundle" / "bundle.json").read_text("utf-8"))
        assert (facts["start"], facts["dim"], facts["full_dim"], facts["prompts"]) == (8, 8, 16, ["a {}"])
        assert report.checked is None or report.checked["passed"]
