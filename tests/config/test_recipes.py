"""The shipped recipes: all valid, all run by their first line, found from a wheel and from an editable install."""

import sys
import venv
from pathlib import Path

import pytest

from tests.support.commands import run_program
from tinyclap.config.load_recipe import (
    copy_recipe,
    dump,
    load_recipe,
    purpose,
    recipe_folder,
    shipped_recipes,
)
from tinyclap.config.networks import Cnn14Tower, PhiNetTower, TransformersText
from tinyclap.errors import TinyclapError
from tinyclap.models.cnn14 import BLOCK_WIDTHS
from tinyclap.models.student_config import REFERENCE
from tinyclap.runs.folder import command_of

REPOSITORY = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (REPOSITORY / "recipes").glob("*.yaml"))


def test_this_checkout_finds_its_own_recipes() -> None:
    assert {"quickstart", "esc50", "tinyclap_paper"} <= set(shipped_recipes())
    assert sorted(shipped_recipes()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_is_valid_and_opens_with_the_command_that_runs_it(name: str) -> None:
    recipe = load_recipe(name)
    first_line = shipped_recipes()[name].read_text(encoding="utf-8").split("\n", 1)[0]
    assert first_line == f"# tinyclap {command_of(recipe.task)} {name}"
    assert len(purpose(shipped_recipes()[name])) > 20
    assert load_recipe(f"{name}.yaml") == recipe


@pytest.mark.parametrize(("name", "folds"), [("esc50", (1, 2, 3)), ("esc50_clap", (1, 2, 3, 4))])
def test_esc50_tests_on_a_fold_it_does_not_train_on(name: str, folds: tuple[int, ...]) -> None:
    data = load_recipe(name).data
    assert data.train.kind == "esc50"  # type: ignore[union-attr]
    assert data.train.folds == folds  # type: ignore[union-attr]
    assert data.test.folds == (5,)  # type: ignore[union-attr]


def test_the_paper_recipe_is_the_published_student() -> None:
    recipe = load_recipe("tinyclap_paper", task="distill")
    assert recipe.student.with_embedding(REFERENCE.embed_dim, recipe.views.longest_s) == REFERENCE
    training = recipe.training
    assert (training.loss, training.optimizer, training.lr, training.epochs) == ("cosine", "adam", 0.012, 100)
    assert (training.schedule, training.head_epochs, training.head_lr) == ("constant", 10, 0.004)


def test_a_copy_runs_under_its_own_name_and_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert copy_recipe("quickstart", Path()) == Path("quickstart.yaml")
    assert copy_recipe("quickstart.yaml", Path("my own.yaml")) == Path("my own.yaml")
    assert Path("my own.yaml").read_text().startswith("# tinyclap distill 'my own.yaml'\n")
    copied = load_recipe("my own.yaml")
    assert copied.name == "my-own"  # and so a run folder of its own
    assert copied.model_copy(update={"name": "quickstart"}) == load_recipe("quickstart.yaml")
    Path("my own.yaml").write_text("mine")
    with pytest.raises(TinyclapError, match=r"my own.yaml exists already and is left as it is"):
        copy_recipe("esc50", Path("my own.yaml"))
    assert Path("my own.yaml").read_text() == "mine"
    with pytest.raises(TinyclapError, match=r"the folder nowhere does not exist"):
        copy_recipe("esc50", Path("nowhere/x.yaml"))
    with pytest.raises(TinyclapError, match=r"no shipped recipe is called 'esc5'; there are: .*esc50"):
        copy_recipe("esc5", Path())


def test_a_file_in_the_current_folder_comes_before_a_shipped_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quickstart.yaml").write_text(dump(load_recipe("quickstart", ["name=mine"])))
    assert load_recipe("quickstart.yaml").name == "mine"
    assert load_recipe("quickstart").name == "quickstart"


def test_the_folder_is_the_packaged_one_when_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert recipe_folder() == REPOSITORY / "recipes"
    (tmp_path / "recipes").mkdir()
    monkeypatch.setattr("tinyclap.config.load_recipe.resources.files", lambda package: tmp_path)
    assert recipe_folder() == tmp_path / "recipes"


@pytest.mark.slow
@pytest.mark.parametrize("editable", [False, True], ids=["wheel", "editable"])
def test_an_installed_tinyclap_finds_its_recipes(tmp_path: Path, editable: bool) -> None:
    """Install without the network into a fresh environment that borrows this one's packages."""
    pytest.importorskip("pip", reason="python -m ensurepip")
    pytest.importorskip("hatchling", reason="pip install hatchling editables")
    pytest.importorskip("editables", reason="pip install hatchling editables")
    venv.create(tmp_path / "venv", symlinks=True)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    python = tmp_path / "venv/bin/python"
    install: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-build-isolation",
        "--ignore-installed",
    ]
    run_program(*install, *(["--editable"] if editable else []), str(REPOSITORY), cwd=tmp_path)

    listed = run_program(tmp_path / "venv/bin/tinyclap", "recipes", "ls", cwd=tmp_path)
    assert [line.split()[0] for line in listed.splitlines()] == NAMES
    folder = run_program(
        python, "-c", "from tinyclap.config.load_recipe import recipe_folder; print(recipe_folder())", cwd=tmp_path
    )
    expected = REPOSITORY / "recipes" if editable else packages / "tinyclap/recipes"
    assert Path(folder.strip()) == expected
    assert "quickstart: OK" in run_program(
        tmp_path / "venv/bin/tinyclap", "recipes", "check", "quickstart", cwd=tmp_path
    )
    assert "stm32h743" in run_program(tmp_path / "venv/bin/tinyclap", "devices", cwd=tmp_path)


def test_clap_from_scratch_is_the_founding_documents_table() -> None:
    recipe = load_recipe("clap_from_scratch", task="pretrain")
    audio, text, training = recipe.audio, recipe.text, recipe.training
    assert isinstance(audio, Cnn14Tower)
    assert isinstance(text, TransformersText)
    spec = audio.frontend
    assert (spec.sample_rate, spec.n_mels, spec.win_length, spec.hop_length) == (44_100, 64, 1024, 320)
    assert (spec.f_min, spec.f_max, spec.n_frames(round(recipe.views.longest_s * 44_100))) == (50, 8000, 500)
    assert int(BLOCK_WIDTHS[-1] * audio.width) == 2048
    assert (recipe.embed_dim, text.max_tokens, text.freeze) == (1024, 100, False)
    assert (training.epochs, training.batch_size) == (30, 32)
    assert (training.head_lr, training.lr, training.text_lr) == (1e-3, 1e-4, 1e-5)


def test_self_distillation_has_the_teachers_own_network() -> None:
    teacher = load_recipe("esc10_teacher", task="pretrain")
    recipe = load_recipe("self_distillation", task="distill")
    assert isinstance(teacher.audio, PhiNetTower)
    built = [one.with_embedding(teacher.embed_dim, recipe.views.longest_s) for one in (teacher.audio, recipe.student)]
    assert built[0] == built[1]
    assert recipe.views.longest_s == teacher.views.longest_s
    assert (recipe.data.train, recipe.data.test) == (teacher.data.train, teacher.data.test)
