"""`tinyclap distill` with several teachers: from a recipe to a bundle that answers by all of them or by one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.support.commands import failure, run
from tests.support.tiny import SOUNDS, STYLE, save_two, style_teacher, two_teachers_recipe
from tests.support.tiny_texts import TEXTS
from tinyclap.cli import app
from tinyclap.data import build_dataset
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.models.student import Student
from tinyclap.pipelines.build import build_distillation_set
from tinyclap.pipelines.distilled_run import head_of, load_distilled_run
from tinyclap.runtime.bundle import Bundle
from tinyclap.training.loop import seed_step

FOLDER = Path("runs/small")
LAX = ("--int8-min-cosine", "-1", "--int8-min-agreement", "0")  # a student of 4 steps is no judge of INT8
WORDS = """
text:
  sources: [{kind: file, path: mine.txt}]
  held_out: 20
  student: {vocabulary: 100, table_dim: 16, dim: 16, layers: 1, heads: 2}
  training: {epochs: 2, batch_size: 16, lr: 0.01}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both teachers, the recipe, its finished run and its bundle."""
    home = tmp_path_factory.mktemp("two")
    save_two(home)
    (home / "two.yaml").write_text(two_teachers_recipe(home))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("TINYCLAP_CACHE", str(home / "cache"))
        told = run("distill", "two.yaml")
        assert "--head sounds" in told
        assert "--head style" in told
        run("export", "--int8", *LAX)
    return home


@pytest.fixture
def here(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own, with the stores of the finished run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYCLAP_CACHE", str(home / "cache"))
    return home


def written(path: Path) -> Any:
    return json.loads(path.read_text())


def test_a_run_is_scored_as_a_whole_and_by_each_head_beside_its_own_teacher(here: Path) -> None:
    run_folder = here / FOLDER
    whole, *heads = written(run_folder / "evaluation.json")
    assert "head" not in whole
    assert [(one["head"], one["data"]) for one in heads] == [
        (name, f"{whole['data']}, head {name}") for name in (SOUNDS, STYLE)
    ]
    described = written(run_folder / "summary.json")["teacher"]
    assert (described["embed_dim"], described["sample_rate"]) == (28, 48_000)
    assert described["heads"][STYLE]["share"] == 0.75
    run(
        "distill",
        str(here / "two.yaml"),
        "teachers=null",
        f"teacher={{kind: dual, source: {here / STYLE}}}",
        "--run",
        "one",
    )
    alone = written(Path("one/evaluation.json"))[0]
    assert written(Path("one/summary.json"))["teacher_forwards"] == 0, "the store of the run of both serves here"
    for key in ("accuracy", "ci95", "uar"):
        assert heads[1]["teacher"][key] == alone["teacher"][key], "a head's teacher is heard as if it were alone"
    assert heads[1]["prompts"] == alone["prompts"] == ["hear {}"]
    report = (run_folder / "report" / "report.md").read_text()
    assert f"head {SOUNDS}" in report
    assert f"head {STYLE}" in report


def test_a_head_of_the_student_is_a_part_of_its_embedding(here: Path) -> None:
    finished = load_distilled_run(here / FOLDER, "measure")
    waveform = torch.from_numpy(Procedural(3, seed=4, duration_s=1.0).load(1, 8000))[None]
    whole = finished.student.embed_audio(waveform).numpy()
    one = head_of(here / FOLDER, STYLE, finished.teacher, finished.student, np.arange(28, dtype=np.float32))
    part = whole[:, 16:]
    np.testing.assert_allclose(
        one.student.embed_audio(waveform).numpy(), part / np.linalg.norm(part, axis=1, keepdims=True), atol=1e-5
    )
    assert one.teacher.fingerprint == style_teacher().fingerprint
    assert one.mean is not None
    np.testing.assert_allclose(one.mean, np.arange(16, 28) / np.sqrt(0.75), rtol=1e-6)


def test_stopped_and_taken_up_again_it_ends_with_the_same_weights(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def stop(seed: int, step: int, *part: int) -> None:
        steps.append(step)
        if len(steps) == 4:
            raise KeyboardInterrupt
        seed_step(seed, step, *part)

    with monkeypatch.context() as patch:
        patch.setattr("tinyclap.training.distill.seed_step", stop)
        assert CliRunner().invoke(app.app, ["distill", str(here / "two.yaml")]).exit_code == 130
    assert len((FOLDER / "metrics.jsonl").read_text().splitlines()) == 1, "stopped in the second epoch"
    run("distill", str(here / "two.yaml"), "--resume")
    for name in ("student/model.safetensors", "teacher_mean.npy"):
        assert (FOLDER / name).read_bytes() == (here / FOLDER / name).read_bytes(), name


@pytest.mark.parametrize("graph", ["float", "int8"])
def test_the_bundle_answers_by_all_or_by_one(here: Path, graph: Any) -> None:
    folder, finished = here / FOLDER / "bundle", load_distilled_run(here / FOLDER, "measure")
    sounds = [Procedural(4, seed=4, duration_s=1.0).load(number, 8000) for number in range(4)]
    whole = Bundle.load(folder, graph=graph).embed(sounds, sample_rate=8000)
    for name, place in ((SOUNDS, slice(0, 16)), (STYLE, slice(16, 28))):
        bundle = Bundle.load(folder, graph=graph, head=name)
        part = whole[:, place]
        embedded = bundle.embed(sounds, sample_rate=8000)
        np.testing.assert_allclose(embedded, part / np.linalg.norm(part, axis=1, keepdims=True), atol=1e-6)
        one = head_of(here / FOLDER, name, finished.teacher, finished.student)
        if graph == "float":
            exact = one.student.embed_audio(torch.from_numpy(np.stack(sounds))).numpy()
            np.testing.assert_allclose(embedded, exact, atol=1e-3)
        labels = [label.replace("_", " ") for label in bundle.labels]
        texts = [template.replace("{}", label) for label in labels for template in one.teacher.prompts]
        vectors = one.teacher.embed_text(texts).numpy()  # one prompt each
        np.testing.assert_allclose(bundle.label_table().embeddings, vectors, atol=1e-5)
    heads = written(folder / "bundle.json")["heads"]
    assert heads[STYLE]["prompts"] == ["hear {}"]
    assert heads[STYLE]["teacher"]["fingerprint"] == style_teacher().fingerprint
    assert "--head style" in (folder / "README.md").read_text()
    assert "--head style" in run("info", str(folder))


def test_one_head_is_exported_as_an_ordinary_bundle_with_its_teachers_words(here: Path) -> None:
    run("export", str(here / FOLDER), "--head", STYLE, "--text", "--out", "alone")
    alone, head = Bundle.load("alone"), Bundle.load(here / FOLDER / "bundle", head=STYLE)
    assert alone.manifest.heads is None
    assert alone.manifest.teacher["name"] == "style"
    sounds = [Procedural(2, seed=4, duration_s=1.0).load(number, 8000) for number in range(2)]
    np.testing.assert_allclose(alone.embed(sounds, sample_rate=8000), head.embed(sounds, sample_rate=8000), atol=1e-3)
    np.testing.assert_allclose(alone.label_table().embeddings, head.label_table().embeddings, atol=1e-5)
    np.testing.assert_allclose(alone.embed_text(["a dog"]), style_teacher().embed_text(["a dog"]).numpy(), atol=1e-5)


def test_a_text_student_learns_the_words_of_all(here: Path) -> None:
    Path("mine.txt").write_text("\n".join(TEXTS[::6]) + "\n")
    Path("words.yaml").write_text((here / "two.yaml").read_text() + WORDS)
    run("distill", "words.yaml")
    run("export", "--text")
    whole = Bundle.load(FOLDER / "bundle")
    assert whole.embed_text(["a dog"]).shape == (1, 28)
    part = whole.embed_text(["a dog"])[:, 16:]
    found = Bundle.load(FOLDER / "bundle", head=STYLE).embed_text(["a dog"])
    np.testing.assert_allclose(found, part / np.linalg.norm(part), atol=1e-6)
    told = json.loads(run("evaluate", "--head", STYLE, "--json"))
    assert told["head"] == STYLE


def test_evaluation_by_one_head_stands_beside_the_others(here: Path) -> None:
    run("distill", str(here / "two.yaml"))
    before = written(FOLDER / "evaluation.json")
    told = json.loads(run("evaluate", "--head", SOUNDS, "--prompts", "{}", "--json"))
    assert told["data"].endswith(f"with prompts '{{}}', head {SOUNDS}")
    after = written(FOLDER / "evaluation.json")
    assert after[0] == before[0]
    assert len(after) == len(before) + 1


def test_pruned_it_answers_as_a_whole_alone(here: Path) -> None:
    run("prune", str(here / FOLDER), "--dim", "8", "--out", "pruned")
    pruned, finished = Student.from_pretrained(Path("pruned/student")), load_distilled_run(here / FOLDER, "measure")
    assert pruned.latent_map is not None
    assert pruned.latent_map.dim == 8
    train = build_dataset(finished.recipe.data.train)
    learned = build_distillation_set(finished.recipe, train, finished.teacher, finished.student)
    views = np.asarray(learned.targets.embeddings.reshape(-1, 28), np.float32)
    mean = pruned.latent_map.apply(views).mean(0)
    np.testing.assert_allclose(np.load("pruned/teacher_mean.npy"), mean, atol=1e-5)
    message, code = failure("evaluate", "pruned", "--head", STYLE)
    assert (code, "is pruned, which mixed the teachers' dimensions" in message) == (2, True)
    run("export", "pruned")
    assert Bundle.load("pruned/bundle").manifest.heads is None


def test_what_cannot_be_is_said(here: Path) -> None:
    for command in ("evaluate", "export"):
        message, code = failure(command, str(here / FOLDER), "--head", "speech")
        assert (code, message) == (2, f"{here / FOLDER} has no head speech; allowed: sounds, style"), command
    message, _ = failure(
        "classify", str(here / "two.yaml"), "--bundle", str(here / FOLDER / "bundle"), "--head", "speech"
    )
    assert "has no such head; allowed: sounds, style" in message
    message, _ = failure("export", str(here / FOLDER), "--text", "--out", "other")
    assert "give the recipe a section `text`" in message
    assert not Path("other").exists()
    Path("clone").symlink_to(here / STYLE)
    message, code = failure("distill", str(here / "two.yaml"), "teachers.0.teacher={kind: dual, source: clone}")
    assert (code, "sounds and style are the same teacher" in message) == (2, True)
    single = f"teacher={{kind: dual, source: {here / STYLE}}}"
    run("distill", str(here / "two.yaml"), "teachers=null", single, "--run", "one")
    message, _ = failure("evaluate", "one", "--head", STYLE)
    assert message == "one learned from one teacher and has no heads; leave out --head"
    run("export", "one")
    assert "heads" not in written(Path("one/bundle/bundle.json"))
