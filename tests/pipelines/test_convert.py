"""Published checkpoints become folders that load like our own, and compute what the originals do."""

import itertools
import json
import runpy
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
import torch

from tests.support.commands import failure, run
from tests.teachers.test_laion import checkpoint as laions
from tests.teachers.test_msclap import checkpoint as microsofts
from tests.teachers.test_msclap import state
from tinyclap.config.load_recipe import load_recipe
from tinyclap.models.student import Student
from tinyclap.teachers import load_teacher
from tinyclap.teachers.untrained import train_tokenizer

FOLDER = Path(__file__).parents[1] / "golden"
LAION = runpy.run_path(str(FOLDER / "make_laion.py"))
STUDENT = runpy.run_path(str(FOLDER / "make_reference_student.py"))
NAME = "phinet_alpha_1.50_beta_0.75_t0_6_N_7.ckpt"


def test_laions_checkpoint_becomes_a_teacher(tmp_path: Path) -> None:
    train_tokenizer(["a dog barking", "rain falls"], 300).save_pretrained(tmp_path)
    torch.save({"state_dict": LAION["laion_state"]()}, tmp_path / "small.pt")
    told = run("convert", str(tmp_path / "small.pt"), str(tmp_path / "clap"))
    assert f"teacher.kind=hf teacher.source={tmp_path / 'clap'}" in told
    teacher = load_teacher("hf", str(tmp_path / "clap"))
    embedded = teacher.embed_audio(LAION["waveform"]())
    np.testing.assert_allclose(embedded, np.load(FOLDER / "laion.npz")["audio"], atol=1e-5)
    assert teacher.licence == "cc0-1.0"
    assert (
        "exists already and is left as it is"
        in failure("convert", str(tmp_path / "small.pt"), str(tmp_path / "clap"))[0]
    )


def test_the_published_student_becomes_a_student(tmp_path: Path) -> None:
    torch.save(STUDENT["reference_state"](), tmp_path / NAME)
    told = run("convert", str(tmp_path / NAME), str(tmp_path / "student"))
    assert "4,434,547 parameters, 1024 dimensions" in told
    student = Student.from_pretrained(tmp_path / "student" / "student")
    recipe = load_recipe(tmp_path / "student" / "recipe.yaml", task="distill")
    assert recipe.student.with_embedding(1024, 5.0) == student.config
    golden = np.load(FOLDER / "reference_student.npz")["embedding"]
    with torch.no_grad():
        embedding = student.encode(STUDENT["logmel"]())[0].numpy()
    np.testing.assert_allclose(embedding, golden / np.linalg.norm(golden), atol=1e-5)


def test_a_folder_of_openclip_is_read_as_what_it_is(tmp_path: Path) -> None:
    """By its configuration: the rest of it is asked for by its own loader."""
    config = {"model_cfg": {"embed_dim": 8, "audio_cfg": {"model_type": "naflexvit"}, "text_cfg": {}}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    told = failure("convert", str(tmp_path), str(tmp_path / "tower.onnx"))[0]
    assert "has no open_clip_model.safetensors, but open_clip_config.json" in told


def test_other_sources_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = str(tmp_path / "out")
    assert "whose name tells its shape" in failure("convert", NAME.replace("1.50", "1..5"), out)[0]
    assert "Microsoft's CLAP is a teacher as it is" in failure("convert", "2022", out)[0]
    assert "is exported by way of its run" in failure("convert", NAME, "tower.onnx")[0]
    (tmp_path / "file").write_bytes(b"")
    assert "a teacher's folder or a name on the hub" in failure("convert", str(tmp_path / "file"), "tower.onnx")[0]
    assert "only a student's run has a recipe" in failure("convert", "demo", "tower.onnx", "seed=1")[0]
    assert "whose name tells its shape" in failure("convert", "model.bin", out)[0]
    assert "there is no such file" in failure("convert", f"nowhere/{NAME}", out)[0]
    told = failure("convert", NAME, out)[0]
    assert f"hf download fpaissan/tinyCLAP {NAME}" in told
    other = NAME.replace("N_7", "N_9")
    torch.save(STUDENT["reference_state"](), tmp_path / other)
    assert "do not fit this model" in failure("convert", str(tmp_path / other), out)[0]
    assert not Path(out).exists()


@pytest.mark.slow
def test_a_tower_becomes_a_graph_that_the_bench_can_read(tmp_path: Path) -> None:
    graph = tmp_path / "demo.onnx"
    told = run("convert", "demo", str(graph))
    assert "the audio tower of tinyclap demo teacher" in told
    assert f"tinyclap bench {graph}" in told
    session = onnxruntime.InferenceSession(graph)
    facts = json.loads(session.get_modelmeta().custom_metadata_map["tinyclap"])
    assert facts["name"] == "tinyclap demo teacher"
    assert facts["max_abs"] < 1e-4


@pytest.mark.slow
def test_the_published_student_is_evaluated_pruned_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside Microsoft's CLAP, read from a file of the published layout."""
    monkeypatch.chdir(tmp_path)
    teacher = microsofts(tmp_path, "2022", state("2022"))
    torch.save(STUDENT["reference_state"](), tmp_path / NAME)
    heard = "data.train={kind: procedural, n_clips: 20, seed: 1}"
    told = run("convert", NAME, "published", f"teacher.source={teacher}", heard)
    assert "tinyclap evaluate published" in told
    rng = np.random.default_rng(0)
    for label in ("rain", "wind"):
        Path("sounds", label).mkdir(parents=True)
        for number in range(3):
            noise = 0.2 * rng.standard_normal(44_100)
            soundfile.write(f"sounds/{label}/{number}.wav", noise, 44_100)
    evaluated = json.loads(run("evaluate", "published", "--data", "folder", "--root", "sounds", "--json"))
    assert evaluated["n_clips"] == 6
    run("prune", "published", "--dim", "16", "--out", "smaller")
    assert Student.from_pretrained("smaller/student").embed_dim == 16
    run("evaluate", "smaller", "--data", "folder", "--root", "sounds")
    run("export", "smaller", "--onnx", "--labels", "rain, wind", "--out", "bundle")
    answers = json.loads(run("classify", "--bundle", "bundle", "sounds/rain/0.wav", "--json"))
    assert answers


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["laion", "2022", "2023"])
def test_every_original_teaches_and_lends_its_words(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """distill, evaluate and export --text, from a file of the published layout to labels chosen on the device."""
    monkeypatch.chdir(tmp_path)
    path = laions(tmp_path, LAION["laion_state"]()) if kind == "laion" else microsofts(tmp_path, kind, state(kind))
    rng = np.random.default_rng(0)
    for label, number in itertools.product(("rain", "dog"), range(6)):
        Path("sounds", label).mkdir(parents=True, exist_ok=True)
        soundfile.write(f"sounds/{label}/{number}.wav", 0.2 * rng.standard_normal(16_000), 16_000)
    data = ["data.train={kind: procedural, n_clips: 24, duration_s: 1.0}", "data.test={kind: folder, root: sounds}"]
    short = ["views.per_clip=1", "views.duration_s=1.0", "training.epochs=30", "training.batch_size=8"]
    teacher = [f"teacher.kind={'laion' if kind == 'laion' else 'msclap'}", f"teacher.source={path}"]
    run("distill", "quickstart", *teacher, *data, *short, "--run", "taught")
    assert json.loads(run("evaluate", "taught", "--json"))["n_clips"] == 12
    # A student of so few steps amplifies rounding, by how much depends on the processor; the words are tested here.
    monkeypatch.setattr("tinyclap.exporters.onnx.parity.TOLERANCE", 1e-2)
    run("export", "taught", "--onnx", "--text", "--out", "bundle")
    answers = run("classify", "--bundle", "bundle", "sounds/dog", "--labels", "a dog, rain falls", "--json")
    assert "rain falls" in answers
