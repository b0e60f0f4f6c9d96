"""`tinyclap prune`: from a run to a pruned run that evaluates, exports and classifies like any other."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from tests.support.commands import failure, run
from tests.support.tiny import small_recipe, tiny_clap
from tinyclap.audio.files import read
from tinyclap.cli import app
from tinyclap.common.files import cache_root
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.errors import TinyclapError
from tinyclap.models.student import Student
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import Manifest, write_manifest
from tinyclap.teachers.hf import HFTeacher


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a finished run, runs/small."""
    folder = tmp_path_factory.mktemp("home")
    tiny_clap(["a dog barking", "rain falls"], embed_dim=16).save_pretrained(
        folder / "clap", "---\nlicense: mit\n---\n"
    )
    (folder / "small.yaml").write_text(small_recipe(folder / "clap"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run("distill", "small.yaml")
    return folder


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def test_a_pruned_run_is_a_run(home: Path) -> None:
    told = json.loads(run("prune", "runs/small", "--dim", "8", "--sweep", "8,4,2", "--json"))
    made = Path("runs/small-rotation-8")
    assert told["run"] == str(made)
    assert told["summary"]["pruned"]["full_dim"] == 16
    assert told["summary"]["student"]["embed_dim"] == 8
    before = json.loads(Path("runs/small/summary.json").read_text())["student"]
    assert before["parameters"] - told["summary"]["student"]["parameters"] == 8 * (32 + 1)
    rows = json.loads((made / "sweep.json").read_text())["rows"]
    assert [(row["method"], row["dim"]) for row in rows] == [
        ("none", 16),
        *((method, dim) for method in ("rotation", "magnitude", "random") for dim in (8, 4, 2)),
    ]
    own = next(row for row in rows if (row["method"], row["dim"]) == ("rotation", 8))
    assert own["accuracy"] == pytest.approx(told["student"]["accuracy"])
    assert own["knn10_overlap"] == pytest.approx(told["knn10_overlap"])
    # It is the newest run now, and evaluates to the same without a further flag.
    again = json.loads(run("evaluate", "--json"))
    assert again["run"] == str(made)
    for key in ("cosine", "centred_cosine", "knn10_overlap", "agreement"):
        assert again[key] == pytest.approx(told[key], abs=1e-6)
    page = (made / "report" / "report.html").read_text()
    assert "8 of 16 dimensions are left, by rotation" in page
    assert "10-neighbour overlap over dimensions 2 to 8" in page
    text = (made / "report" / "report.md").read_text()
    assert "| Method | 8 | 4 | 2 |\n| --- | --- | --- | --- |\n| rotation | " in text


def test_the_teacher_listens_to_nothing_that_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    run("distill", "small.yaml", "--run", "runs/fresh")

    def listen(*_: object) -> None:
        raise AssertionError("the teacher listens")

    monkeypatch.setattr(HFTeacher, "embed_audio", listen)
    run("prune", "runs/fresh", "--dim", "7")
    run("prune", "runs/fresh", "--dim", "7", "--finetune", "1", "--sweep", "7,3", "--out", "runs/fresh-finetuned")
    (store,) = (cache_root() / "embeddings").glob("*/rows.npy")
    made = Path("runs/fresh-rotation-7")
    latent_map = LatentMap.load(made / "student" / "latent_map.safetensors")
    views = np.load(store).astype(np.float32)
    np.testing.assert_allclose(np.load(made / "teacher_mean.npy"), latent_map.apply(views).mean(0), atol=1e-6)


def test_without_the_store_the_teacher_listens_to_the_clips_as_they_are(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path / "cache"))
    run("prune", "runs/small", "--dim", "7", "--out", str(tmp_path / "pruned"))
    assert not list((tmp_path / "cache" / "embeddings").glob("*/rows.npy")), "every clip once, and not every view"


@pytest.mark.slow
def test_its_bundle_hears_and_reads_in_the_smaller_space(home: Path) -> None:
    run("prune", "runs/small", "--dim", "6", "--method", "magnitude", "--out", "runs/six")
    run("export", "runs/six", "--onnx", "--text", "--labels", "dog, rain", "--out", "six")
    bundle = Bundle.load("six")
    student = Student.from_pretrained("runs/six/student")
    assert student.latent_map is not None
    assert bundle.manifest.latent_map is not None
    assert bundle.manifest.latent_map["fingerprint"] == student.latent_map.fingerprint
    soundfile.write("a.wav", Procedural(1, duration_s=1.0).load(0, 8000), 8000)
    expected = student.embed_audio(torch.from_numpy(read("a.wav", 8000))[None]).numpy()
    assert np.abs(bundle.embed("a.wav") - expected).max() < 1e-4
    whole = tiny_clap(["a dog barking", "rain falls"], embed_dim=16).embed_text(["a dog barking"]).numpy()
    assert np.abs(bundle.embed_text(["a dog barking"]) - student.latent_map.apply(whole)).max() < 1e-5
    by_table = bundle.classify("a.wav", ["dog", "rain"], top_k=2)[0]
    by_text = bundle.label_table(["rain", "dog", "siren"])
    assert by_table[0].cosine == pytest.approx(
        float(by_text.embeddings[("rain", "dog").index(by_table[0].label)] @ bundle.embed("a.wav")[0]), abs=1e-5
    )


@pytest.mark.slow
def test_one_rotation_serves_every_smaller_dimension(home: Path) -> None:
    run("prune", "runs/small", "--dim", "9", "--sweep", "9,3", "--out", "runs/nine")
    run("prune", "runs/small", "--dim", "3", "--out", "runs/nested-three")
    run("export", "runs/nine", "--onnx", "--text", "--labels", "dog, rain", "--out", "nine")
    run("export", "runs/nested-three", "--onnx", "--labels", "dog, rain", "--out", "nested-three")
    soundfile.write("b.wav", Procedural(1, duration_s=1.0).load(0, 8000), 8000)
    nested, own = Bundle.load("nine", dim=3), Bundle.load("nested-three")
    np.testing.assert_allclose(nested.embed("b.wav"), own.embed("b.wav"), atol=1e-4)
    np.testing.assert_allclose(nested.label_table().embeddings, own.label_table().embeddings, atol=1e-5)
    assert nested.embed_text(["a dog"]).shape == (1, 3)
    told = CliRunner().invoke(app.app, ["classify", "b.wav", "--bundle", "nine", "--dim", "3"])
    rows = {
        row["dim"]: row
        for row in json.loads(Path("runs/nine/sweep.json").read_text())["rows"]
        if row["method"] == "rotation"
    }
    before, after = (f"{100 * rows[dim]['accuracy']:.1f} %" for dim in (9, 3))
    assert f"3 of 9 dimensions: on the run's test clips accuracy {after} instead of {before}" in told.stderr
    told = CliRunner().invoke(app.app, ["classify", "b.wav", "--bundle", "nine", "--dim", "5"])
    assert "5 of 9 dimensions; what that costs was not measured" in told.stderr
    with pytest.raises(TinyclapError, match="dim is 10: bundle nine has 9 dimensions; allowed: 1 to 9"):
        Bundle.load("nine", dim=10)
    run("export", "runs/small", "--onnx", "--out", "unpruned")
    with pytest.raises(TinyclapError, match="are no better than others; export a run that was pruned by rotation"):
        Bundle.load("unpruned", dim=3)


@pytest.mark.slow
def test_a_text_side_of_another_space_is_refused(home: Path) -> None:
    run("prune", "runs/small", "--dim", "5", "--out", "runs/five")
    run("export", "runs/five", "--onnx", "--text", "--out", "five")
    run("export", "runs/small", "--onnx", "--text", "--out", "whole")
    Path("five/text.onnx").write_bytes(Path("whole/text.onnx").read_bytes())
    write_manifest(Path("five"), Manifest.from_json(Path("five/bundle.json").read_text()))
    with pytest.raises(TinyclapError, match=r"text\.onnx was made for another latent space .* export the run again"):
        Bundle.load("five").embed_text(["a dog"])


def test_the_head_trained_again_comes_nearer(home: Path) -> None:
    plain = json.loads(run("prune", "runs/small", "--dim", "4", "--method", "random", "--out", "runs/a", "--json"))
    trained = json.loads(
        run("prune", "runs/small", "--dim", "4", "--method", "random", "--finetune", "30", "--out", "runs/b", "--json")
    )
    assert trained["summary"]["pruned"]["finetune_epochs"] == 30
    assert trained["summary"]["student"] == plain["summary"]["student"]
    assert trained["centred_cosine"] > plain["centred_cosine"]


@pytest.mark.filterwarnings("ignore:9 clips choose 10 dimensions")
def test_pruned_twice(home: Path) -> None:
    run("prune", "runs/small", "--dim", "10", "--method", "magnitude", "--out", "runs/ten")
    run("prune", "runs/ten", "--dim", "3", "--out", "runs/three")
    whole = LatentMap.load(Path("runs/three/student/latent_map.safetensors"))
    assert (whole.method, whole.dim, whole.full_dim) == ("magnitude+rotation", 3, 16)
    assert json.loads(run("evaluate", "runs/three", "--json"))["n_clips"] > 0


def test_what_is_refused_and_leaves_nothing(home: Path) -> None:
    for arguments, message in (
        (["--dim", "0"], "--dim 0: the student has 16 dimensions; allowed: 1 to 15"),
        (["--dim", "16"], "--dim 16: the student has 16 dimensions; allowed: 1 to 15"),
        (["--dim", "4", "--method", "svd"], "--method svd: allowed: rotation, magnitude, random"),
        (["--dim", "4", "--sweep", "8,17"], "--sweep 17: the student has 16 dimensions; allowed: 1 to 16"),
        (["--dim", "4", "--finetune", "-1"], "--finetune -1: allowed: 0 or more epochs"),
        (["--dim", "4", "--calibrate", "nowhere"], "nowhere"),
        (["--dim", "4", "--out", "runs/small"], "runs/small exists already and is left as it is"),
    ):
        assert message in failure("prune", "runs/small", *arguments)[0]
    assert not Path("runs/small-rotation-4").exists()
    bad = home / "bad"
    bad.mkdir()
    for number in range(3):
        (bad / f"{number}.wav").write_bytes(b"no sound")
    assert "none of its 3 clips is usable" in failure("prune", "runs/small", "--dim", "4", "--calibrate", str(bad))[0]


def test_the_report_of_a_pruned_run_says_how_to_prune_again(home: Path) -> None:
    run("prune", "runs/small", "--dim", "7", "--finetune", "1", "--out", "runs/seven")
    text = Path("runs/seven/report/report.md").read_text()
    command = "tinyclap prune runs/small --dim 7 --method rotation --finetune 1 --out runs/seven-again"
    assert command in text
    assert "the head was trained again for 1 epoch." in text
    run(*command.split()[1:])
    assert (Path("runs/seven-again/student/model.safetensors").read_bytes()) == (
        Path("runs/seven/student/model.safetensors").read_bytes()
    )


def test_a_sweep_goes_on_where_classes_coincide(home: Path) -> None:
    """One dimension has two unit vectors, so that ten classes cannot be told apart in it."""
    told = run("prune", "runs/small", "--dim", "6", "--sweep", "6,1", "--method", "magnitude", "--out", "runs/swept")
    rows = json.loads(Path("runs/swept/sweep.json").read_text())["rows"]
    single = [row for row in rows if row["dim"] == 1]
    assert [row["accuracy"] for row in single] == [None] * 3
    assert all(row["knn10_overlap"] is not None for row in single)
    table = told[told.index("accuracy by dimensions") :].splitlines()
    assert table[0].split() == ["accuracy", "by", "dimensions", "6", "1"]
    assert table[2].startswith("magnitude")
    assert table[2].split()[-1] == "\N{EN DASH}"
    told_error = failure("prune", "runs/small", "--dim", "1")[0]
    assert re.fullmatch(r"1 dimensions \(rotation\) cannot tell all \d+ classes apart; keep more", told_error)
    assert not Path("runs/small-rotation-1").exists()


def test_too_few_clips_to_choose_by_are_warned_of(home: Path) -> None:
    sounds = Path("two")
    sounds.mkdir()
    for number in range(2):
        soundfile.write(sounds / f"{number}.wav", Procedural(2, duration_s=1.0).load(number, 8000), 8000)
    with pytest.warns(UserWarning, match="2 clips choose 5 dimensions: too few to tell which ones matter"):
        run("prune", "runs/small", "--dim", "5", "--calibrate", "two", "--out", "runs/two")


def test_costs_of_what_pruning_would_leave(home: Path) -> None:
    told = json.loads(run("costs", "runs/small", "--dim", "8", "--json"))
    pruned = json.loads(Path("runs/small-rotation-8/summary.json").read_text())
    assert told["parameters"] == pruned["student"]["parameters"]
    assert told["macs"] == pruned["student"]["macs"]
    assert "--dim 99: the student has 16 dimensions" in failure("costs", "runs/small", "--dim", "99")[0]
    for seconds in ("0", "nan", "inf", "1e9"):
        assert (
            f"--seconds {float(seconds):g}: allowed: above 0" in failure("costs", "runs/small", "--seconds", seconds)[0]
        )


def test_a_pruned_student_is_not_trained_over() -> None:
    run("prune", "runs/small", "--dim", "4", "--out", "runs/four")
    before = Path("runs/four/student/model.safetensors").read_bytes()
    message, code = failure("distill", "runs/four/recipe.yaml", "--run", "runs/four", "--resume")
    assert (message.startswith("runs/four holds a pruned student (`tinyclap"), code) == (True, 2)
    assert message.endswith("`), not a training that could be resumed")
    assert Path("runs/four/student/model.safetensors").read_bytes() == before
    run("report", "runs/four")
    assert "--resume" not in Path("runs/four/report/report.md").read_text()
