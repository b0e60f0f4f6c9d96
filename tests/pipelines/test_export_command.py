"""`tinyclap export` on finished runs: what it writes, says and refuses."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from tests.support.commands import failure, invoke
from tests.support.tiny import small_recipe, tiny_clap
from tests.support.tiny_exports import tracing_once
from tinyclap.audio import files
from tinyclap.cli import app
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.exporters.own_wheel import WHEEL
from tinyclap.exporters.web import write_folder
from tinyclap.models.student import Student
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import read_manifest
from tinyclap.teachers import load_teacher


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with one finished run, runs/small."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYCLAP_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        tiny_clap(["a dog barking", "rain falls"], embed_dim=16).save_pretrained(
            folder / "clap", "---\nlicense: cc-by-4.0\n---\n# untrained\n"
        )
        (folder / "small.yaml").write_text(small_recipe("clap"))
        invoke("distill", "small.yaml")
        with tracing_once():
            yield folder


@pytest.fixture
def workplace(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    return home


@pytest.mark.slow
def test_from_a_run_to_a_bundle_that_classifies(workplace: Path) -> None:
    out, err = invoke("export", "--onnx", "--int8", "--int8-min-cosine", "0.5", "--int8-min-agreement", "0")
    assert "newest run: runs/small" in err
    for told in ("audio.onnx", "audio_int8.onnx", "parity   within", "cosine to float", "4: church_bell, dog_bark"):
        assert told in out
    assert "next     tinyclap classify YOUR_SOUNDS --bundle runs/small/bundle" in out
    manifest = read_manifest(Path("runs/small/bundle"))
    assert (manifest.name, manifest.licence) == ("small", "cc-by-4.0"), "the student inherits its teacher's licence"
    assert manifest.graphs["audio_int8.onnx"]["measured_clips"] == 16

    clip = Procedural(1, seed=9, duration_s=2.3)
    soundfile.write("clip.wav", clip.load(0, 22_050), 22_050)
    loaded = Bundle.load("runs/small/bundle", graph="float")
    student = Student.from_pretrained("runs/small/student")
    expected = student.embed_audio(torch.from_numpy(files.read("clip.wav", 8000))[None]).numpy()
    assert np.abs(loaded.embed(["clip.wav"]) - expected).max() < 1e-4
    assert "dog_bark" in invoke("classify", "clip.wav", "--bundle", "runs/small/bundle")[0]

    message, code = failure("export", "--onnx")
    assert (code, "--overwrite" in message) == (2, True)


def test_options_reach_the_bundle(workplace: Path) -> None:
    Path("labels.txt").write_text("Dog\nsea waves\n")
    asked = ("--input", "logmel", "--labels", "labels.txt", "--static", "0.5", "--out", "elsewhere/bundle")
    prompts = ("--prompts", "hear {}", "--prompts", "{}")
    told = json.loads(
        invoke("export", "runs/small", "--onnx", *asked, *prompts, "--opset", "17", "--wheel", "--json")[0]
    )
    assert told["bundle"] == "elsewhere/bundle"
    assert (told["input"], told["recommended"]) == ("logmel", "audio.onnx")
    assert Bundle.load("elsewhere/bundle").labels == ("Dog", "sea waves")
    assert told["prompts"] == ["hear {}", "{}"]
    teacher = load_teacher("hf", "clap").embed_text(["hear Dog", "Dog"]).mean(0).numpy()
    own = Bundle.load("elsewhere/bundle").label_table(["Dog"]).embeddings[0]
    assert np.allclose(own, teacher / np.linalg.norm(teacher), atol=1e-5)
    assert set(told["graphs"]) == {"audio.onnx", "audio_static.onnx"}
    graph = onnx.load("elsewhere/bundle/audio.onnx")
    assert [value.name for value in graph.graph.input] == ["logmel"]
    assert {facts["opset"] for facts in told["graphs"].values()} == {17, graph.opset_import[0].version}
    assert WHEEL in told["files"]


def test_a_missed_gate_leaves_nothing(workplace: Path) -> None:
    message, code = failure("export", "--onnx", "--int8", "--int8-min-cosine", "1", "--out", "missed")
    assert code == 1
    assert "mean cosine to float" in message
    assert not Path("missed").exists()


def test_wrong_usage_is_said_before_anything_is_loaded(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Student, "from_pretrained", lambda *_: pytest.fail("the student was loaded"))
    run = CliRunner().invoke
    result = run(app.app, ["export", "--onnx", "--int8-min-cosine", "0.9"])
    assert (result.exit_code, "belong to --int8" in result.stderr) == (2, True)
    result = run(app.app, ["export", "--onnx", "--input", "mp3"])
    assert (result.exit_code, "waveform" in result.stderr) == (2, True)
    message = failure("export", "--onnx", "--opset", "14", "--out", "fresh")[0]
    assert "opset = 14 is not allowed; it must be a whole number from 15 to" in message
    assert "no file nowhere.txt" in failure("export", "--onnx", "--labels", "nowhere.txt")[0]
    assert "is not a run folder" in failure("export", "clap", "--onnx")[0]
    Path("occupied").mkdir(exist_ok=True)
    Path("occupied/mine.txt").write_text("")
    assert "left alone" in failure("export", "--onnx", "--out", "occupied", "--overwrite")[0]


def test_only_finished_students_are_exported(workplace: Path) -> None:
    shutil.copytree("runs/small", "copies/unfinished", ignore=shutil.ignore_patterns("summary.json", "bundle"))
    message, code = failure("export", "copies/unfinished", "--onnx")
    assert code == 2
    assert "tinyclap distill copies/unfinished/recipe.yaml --run copies/unfinished --resume" in message
    recipe = (
        "task: pretrain\nname: x\ndata: {train: {kind: procedural}}\naudio: {kind: phinet}\ntext: {kind: scratch}\n"
    )
    Path("copies/unfinished/recipe.yaml").write_text(recipe)
    assert "made a teacher" in failure("export", "copies/unfinished", "--onnx")[0]


@pytest.mark.slow
def test_a_run_becomes_a_page_and_gets_the_bundle_for_it(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree("runs/small", "runs/paged", ignore=shutil.ignore_patterns("bundle*"))
    monkeypatch.setattr(write_folder, "node", lambda: None)  # what stands for the runtime here computes nothing
    for name in ("dist/ort.wasm.bundle.min.mjs", "dist/ort-wasm-simd-threaded.wasm"):
        Path("ort", name).parent.mkdir(parents=True, exist_ok=True)
        Path("ort", name).write_text("export {};")
    Path("ort/package.json").write_text('{"name": "onnxruntime-web", "version": "0"}')
    told = json.loads(invoke("export", "runs/paged", "--web", "page", "--ort-web", "ort", "--json")[0])
    assert (told["web"], told["name"], told["labels"], told["checked"]) == ("page", "small", 4, None)
    bundle, facts = Bundle.load("runs/paged/bundle"), json.loads(Path("page/bundle/bundle.json").read_text())
    assert facts["labels"] == list(bundle.labels)
    assert Path("page/bundle/audio.onnx").read_bytes() == Path("runs/paged/bundle/audio.onnx").read_bytes()
    rows = np.fromfile("page/bundle/labels.f32", "<f4").reshape(len(bundle.labels), -1)
    np.testing.assert_array_equal(rows, bundle.label_table().embeddings)
    out, _ = invoke("export", "runs/paged", "--web", "page", "--ort-web", "ort", "--overwrite")
    assert "next     python3 -m http.server 8000 --directory page" in out
