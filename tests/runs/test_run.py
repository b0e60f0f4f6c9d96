"""Run folders are never mixed up, and nothing but a run is ever deleted."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tinyclap.errors import TinyclapError
from tinyclap.runs.folder import check_run, find_run, held, open_run

RECIPE = "task: distill\nseed: 3\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make_run(name: str = "a", recipe: str = RECIPE) -> Path:
    run = open_run(Path("runs") / name, recipe, seed=3)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.pt").write_text("weights")
    return run


def test_a_new_run_says_how_it_is_made() -> None:
    run = open_run(Path("runs/deep/a"), RECIPE, seed=3)
    assert (run / "recipe.yaml").read_text() == RECIPE
    environment = json.loads((run / "env.json").read_text())
    assert environment["seed"] == 3
    for key in ("started", "python", "tinyclap", "torch", "numpy", "platform", "cpu", "threads", "command"):
        assert environment[key]
    assert {"gpu", "commit"} <= environment.keys()
    assert sorted(contents(run)) == ["env.json", "recipe.yaml"]


def test_an_empty_folder_is_taken() -> None:
    Path("empty").mkdir()
    assert open_run(Path("empty"), RECIPE, seed=3) == Path("empty")


@pytest.mark.parametrize("folder", [".", ".."])
def test_the_current_folder_is_no_run_folder(folder: str) -> None:
    with pytest.raises(TinyclapError, match=r"holds the current folder; choose another one with --run DIR"):
        open_run(Path(folder), RECIPE, seed=3)


def test_a_run_is_not_written_over() -> None:
    run = make_run()
    before = contents(run)
    with pytest.raises(TinyclapError, match=r"runs/a is not empty; continue it with --resume.*--overwrite.*--run DIR"):
        open_run(run, RECIPE, seed=3)
    assert contents(run) == before


def test_resume_goes_on_with_the_same_recipe_only() -> None:
    run = make_run()
    before = contents(run)
    assert open_run(run, RECIPE, seed=3, resume=True) == run
    with pytest.raises(TinyclapError, match=r"runs/a/recipe\.yaml differs from the recipe given now"):
        open_run(run, RECIPE + "name: other\n", seed=3, resume=True)
    assert contents(run) == before


def test_a_recipe_that_is_no_text_is_another_recipe() -> None:
    (make_run() / "recipe.yaml").write_bytes(b"task: \xff")
    with pytest.raises(TinyclapError, match=r"recipe\.yaml differs from the recipe given now"):
        open_run(Path("runs/a"), RECIPE, seed=3, resume=True)


def test_resume_of_nothing_begins() -> None:
    assert (open_run(Path("runs/new"), RECIPE, seed=3, resume=True) / "env.json").is_file()


def test_overwrite_replaces_a_run() -> None:
    run = make_run()
    open_run(run, RECIPE + "name: other\n", seed=3, overwrite=True)
    assert sorted(contents(run)) == ["env.json", "recipe.yaml"]
    assert "other" in (run / "recipe.yaml").read_text()


@pytest.mark.parametrize("name", ["thesis.txt", "recipe.yaml", "env.json"])
@pytest.mark.parametrize("option", [{}, {"overwrite": True}, {"resume": True}], ids=str)
def test_a_folder_that_is_no_run_is_left_alone(name: str, option: dict[str, Any]) -> None:
    """Not even with a file called `recipe.yaml` in it, which is anybody's file name."""
    Path("work").mkdir()
    Path("work", name).write_text(RECIPE)
    with pytest.raises(TinyclapError, match=r"run folder work is not empty and is not a run folder .* left alone"):
        open_run(Path("work"), RECIPE, seed=3, **option)
    assert contents(Path("work")) == {name: RECIPE.encode()}


def test_two_processes_do_not_train_in_one_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    with held(Path("runs/a")):
        with held(Path("runs/b")):
            pass
        with pytest.raises(TinyclapError, match=r"run folder .*a is in use by another process"), held(Path("./runs/a")):
            pass
        monkeypatch.setenv("RANK", "1")  # of the same group as the one that holds it
        with held(Path("runs/a")):
            pass
    monkeypatch.delenv("RANK")
    with held(Path("runs/a")):
        pass
    assert not Path("runs").exists()


def test_of_several_processes_only_the_first_makes_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert open_run(Path("runs/a"), RECIPE, seed=3) == Path("runs/a")
    assert not Path("runs").exists()
    monkeypatch.setenv("RANK", "0")
    before = contents(make_run())
    monkeypatch.setenv("RANK", "1")
    open_run(Path("runs/a"), RECIPE, seed=3, overwrite=True)
    assert contents(Path("runs/a")) == before


def test_a_file_in_the_way_is_one_message() -> None:
    Path("taken").write_text("mine")
    with pytest.raises(TinyclapError, match="run folder taken is a file"):
        open_run(Path("taken"), RECIPE, seed=3, overwrite=True)
    assert Path("taken").read_text() == "mine"


# ---- which run is meant


def test_the_newest_run_is_the_one_started_last() -> None:
    for name in ("b", "c", "a"):
        make_run(name)
        time.sleep(0.002)
    os.utime("runs/b/env.json", (2e9, 2e9))  # touched later, started earlier
    assert find_run() == Path("runs/a")


def test_start_times_of_other_time_zones_compare_as_moments() -> None:
    for name, started in {
        "rome": "2026-03-01T10:30:00+0200",
        "london": "2026-03-01T09:15:00.250+00:00",
        "new-york": "2026-03-01T03:50:00-05:00",
    }.items():
        run = make_run(name)
        (run / "env.json").write_text(json.dumps({"started": started}))
    assert find_run() == Path("runs/london")


def test_a_given_run_is_taken_wherever_it_is() -> None:
    run = open_run(Path("elsewhere/x"), RECIPE, seed=3)
    make_run("newer")
    assert find_run(run) == run


def test_what_is_no_run_is_refused_with_those_that_are() -> None:
    make_run("a")
    make_run("b")
    Path("runs/c").mkdir()
    Path("runs/c/recipe.yaml").write_text(RECIPE)
    assert find_run() == Path("runs/b")
    for folder in (Path("runs/c"), Path("nowhere"), Path("runs")):
        with pytest.raises(TinyclapError, match=rf"^{folder} is not a run folder .* known runs: runs/a, runs/b$"):
            find_run(folder)


def test_without_any_run_the_message_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match=rf"no run in {tmp_path}/runs; make one with `tinyclap distill quickstart`"):
        find_run()
    with pytest.raises(TinyclapError, match="known runs: none"):
        find_run(Path("x"))


def test_a_run_that_does_not_say_when_it_started_is_named() -> None:
    run = make_run()
    (run / "env.json").write_text("{}")
    with pytest.raises(TinyclapError, match=r"runs/a/env\.json does not say when"):
        find_run()
    (run / "env.json").write_text('{"started": ')
    with pytest.raises(TinyclapError, match=r"runs/a/env\.json is damaged"):
        find_run()
    assert find_run(run) == run


def test_a_name_that_no_model_could_be_read_from_is_refused_before_the_training() -> None:
    with pytest.raises(TinyclapError, match=r"its name is not valid UTF-8; rename it, or choose another one"):
        check_run(Path(os.fsdecode(b"runs/a\xff")), RECIPE)
