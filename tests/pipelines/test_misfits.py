"""Files of a run or a teacher that do not belong together, or that git-lfs has not fetched: which, and what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

from tests.support.commands import failure, run
from tests.support.tiny import small_recipe, tiny_clap
from tinyclap.common.files import LFS_POINTER, NOT_FETCHED, write_json

POINTER = LFS_POINTER + b"v1\noid sha256:0\nsize 12345\n"
Edit = Callable[[dict], object]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a teacher, a run, and a pruned one."""
    folder = tmp_path_factory.mktemp("home")
    tiny_clap(["a dog barking", "rain falls"], embed_dim=16).save_pretrained(folder / "clap", "# untrained\n")
    (folder / "small.yaml").write_text(small_recipe(folder / "clap"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run("distill", "small.yaml")
        run("prune", "runs/small", "--dim", "8")
    return folder


def copied(home: Path, tmp_path: Path, name: str) -> Path:
    return Path(shutil.copytree(home / "runs" / name, tmp_path / name))


def edit(path: Path, change: Edit) -> None:
    values = json.loads(path.read_text())
    change(values)
    write_json(path, values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda config: config.update(embed_dim=12),
            "head.weight: 12 x 32 expected, 16 x 32 found, head.bias: 12 expected, 16 found); its configuration and "
            "its weights are of two models: copy both from one place",
        ),
        (lambda config: config["frontend"].update(n_mels=20), "norm.weight: 20 expected, 24 found"),
        (
            lambda config: config["frontend"].update(sample_rate=16_000),
            "config.json: frontend.sample_rate is 16000, but the student was trained with 8000",
        ),
        (lambda config: config.update(window_s=2.0), "window_s is 2.0, but the student was trained with 1.0"),
    ],
    ids=["embed_dim", "n_mels", "sample_rate", "window_s"],
)
def test_a_student_of_another_configuration(home: Path, tmp_path: Path, change: Edit, message: str) -> None:
    folder = copied(home, tmp_path, "small")
    edit(folder / "student" / "config.json", change)
    told, code = failure("evaluate", str(folder))
    assert (message in told, code) == (True, 2), told
    assert str(folder / "student") in told


def test_a_pruned_student_without_its_map_and_a_mean_of_another_space(home: Path, tmp_path: Path) -> None:
    folder = copied(home, tmp_path, "small-rotation-8")
    np.save(folder / "teacher_mean.npy", np.zeros(16, np.float32))
    told = failure("evaluate", str(folder))[0]
    assert "teacher_mean.npy" in told
    assert "its shape is (16,), and the student has 8 dimensions" in told
    (folder / "student" / "latent_map.safetensors").unlink()
    told = failure("evaluate", str(folder))[0]
    assert (
        f"{folder / 'student'} is of 8 dimensions, its teacher {home / 'clap'} of 16, and no latent_map.safetensors"
        in told
    )
    assert told.endswith("copy the whole run again")


@pytest.mark.parametrize(
    "name",
    [
        *("recipe.yaml", "env.json", "summary.json", "teacher_mean.npy", "student/config.json"),
        *("student/model.safetensors", "student/latent_map.safetensors"),
    ],
)
def test_a_pointer_instead_of_a_file_of_a_run(home: Path, tmp_path: Path, name: str) -> None:
    folder = copied(home, tmp_path, "small-rotation-8")
    (folder / name).write_bytes(POINTER)
    assert failure("evaluate", str(folder)) == (f"{folder / name}: {NOT_FETCHED}", 2)


def test_a_pointer_instead_of_a_checkpoint(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied(home, tmp_path, "small")
    (checkpoint,) = (folder / "checkpoints").iterdir()
    checkpoint.write_bytes(POINTER)
    monkeypatch.chdir(home)
    told = failure("distill", "small.yaml", "--run", str(folder), "--resume")[0]
    assert told == f"{checkpoint}: {NOT_FETCHED}"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "preprocessor_config.json"])
def test_a_pointer_instead_of_a_file_of_a_teacher(home: Path, tmp_path: Path, name: str) -> None:
    teacher = Path(shutil.copytree(home / "clap", tmp_path / "clap"))
    (teacher / name).write_bytes(POINTER)
    told = failure("distill", str(home / "small.yaml"), f"teacher.source={teacher}", "--run", str(tmp_path / "run"))[0]
    assert told == f"{teacher / name}: {NOT_FETCHED}"


def test_a_teacher_of_another_configuration(home: Path, tmp_path: Path) -> None:
    teacher = Path(shutil.copytree(home / "clap", tmp_path / "clap"))
    edit(teacher / "config.json", lambda config: config.update(projection_dim=12))
    told = failure("distill", str(home / "small.yaml"), f"teacher.source={teacher}", "--run", str(tmp_path / "run"))[0]
    assert told == (
        f"teacher {teacher}: the weights do not fit config.json (8 of another shape, e.g. "
        "audio_projection.linear1.bias: 12 expected, 16 found); take both from one place"
    )


def test_what_is_said_to_type_can_be_typed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    folder = Path(shutil.copytree("runs/small", "runs/my own"))
    assert "next     tinyclap export --onnx 'runs/my own'\n" in run("info", str(folder))
    (folder / "summary.json").unlink()
    told = failure("evaluate", str(folder))[0]
    assert told.endswith("`tinyclap distill 'runs/my own/recipe.yaml' --run 'runs/my own' --resume`")
    run("distill", "runs/my own/recipe.yaml", "--run", "runs/my own", "--resume")


@pytest.mark.parametrize("name", ["clap.pt", "phinet_alpha_1.50_beta_0.75_t0_6_N_7.ckpt", "any.ckpt"])
def test_published_weights_that_git_lfs_has_not_fetched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(POINTER)
    assert NOT_FETCHED in failure("convert", str(tmp_path / name), str(tmp_path / "made"))[0]


def test_a_teacher_whose_weights_are_no_numbers(home: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(home / "clap", tmp_path / "clap"))
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("attention.self.query.weight"))
    weights[name][0, 0] = float("nan")
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "small.yaml").write_text(small_recipe(folder))
    message, _ = failure("distill", str(tmp_path / "small.yaml"), "--run", str(tmp_path / "run"))
    assert f"1 of its weights hold NaN or infinite numbers, e.g. {name}; get them again" in message
