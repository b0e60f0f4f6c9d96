"""Short trainings rank students: by value, no more of them than asked for, and on after an interruption."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import failure, run
from tests.support.tiny import small_recipe, tiny_clap
from tinyclap.config.load_recipe import dump, load_recipe
from tinyclap.errors import TinyclapError
from tinyclap.hardware.budget import Budget
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student_config import StudentConfig
from tinyclap.pipelines.search import train_chosen
from tinyclap.runs.folder import open_run
from tinyclap.scaling.design_space import DesignSpace, FeasibleSet, enumerate_space, frontends
from tinyclap.scaling.options import SearchOptions
from tinyclap.scaling.successive_halving import Report, Stopped, Trial, search

BASE = StudentConfig()
SPACE = DesignSpace(
    BASE,
    frontends(BASE.frontend, 16_000),
    (512, 64),
    alphas=(0.2, 0.4),
    betas=(1.0,),
    expansions=(3.0, 5.0),
    depths=(5, 7),
    activations=("hardswish",),
)
BUDGET = Budget(macs=3_000_000, ram_bytes=100_000)
OPTIONS = SearchOptions(trials=6, epochs=8, seed=3)


@pytest.fixture(scope="module")
def feasible() -> FeasibleSet:
    return enumerate_space(SPACE, BUDGET)


def score(config: StudentConfig) -> float:
    """A value that more mels and features raise."""
    return config.frontend.n_mels / 100 + config.features / 10_000


class Trainer:
    """Stands for training: reports a growing share of the student's score."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.trained: list[StudentConfig] = []
        self.interrupt_at = interrupt_at

    def __call__(self, config: StudentConfig, report: Report) -> float:
        self.trained.append(config)
        if len(self.trained) == self.interrupt_at:
            raise KeyboardInterrupt
        for epoch in OPTIONS.rungs:
            if not report(epoch, score(config) * epoch / OPTIONS.epochs):
                raise Stopped
        return score(config)


def searched(
    train: Callable[[StudentConfig, Report], float],
    feasible: FeasibleSet,
    folder: Path,
    options: SearchOptions = OPTIONS,
) -> list[Trial]:
    return search(SPACE, feasible, BUDGET, train, options, folder / "study.db")


def test_trials_are_ranked_and_no_more_than_asked_for(feasible: FeasibleSet, tmp_path: Path) -> None:
    trainer = Trainer()
    ranked = searched(trainer, feasible, tmp_path)
    assert len(ranked) == len(trainer.trained) == len(set(trainer.trained)) == 6
    finished = [trial for trial in ranked if trial.finished]
    assert ranked[: len(finished)] == finished
    assert [trial.value for trial in finished] == sorted((score(trial.config) for trial in finished), reverse=True)
    assert all(trial.epochs in OPTIONS.rungs for trial in ranked[len(finished) :])
    for trial in ranked:
        assert BUDGET.excess(student_costs(trial.config)) <= 1
        assert trial.costs["macs"] == student_costs(trial.config).macs


def test_the_first_trial_is_the_students_own_shape_scaled_to_the_budget(feasible: FeasibleSet, tmp_path: Path) -> None:
    trainer = Trainer()
    searched(trainer, feasible, tmp_path)
    first = trainer.trained[0]
    own = dataclasses.replace(BASE, phinet=first.phinet)
    assert first == own
    assert (first.phinet.depth, first.phinet.squeeze_excite) == (BASE.phinet.depth, BASE.phinet.squeeze_excite)


def test_a_finished_search_trains_nothing_again(feasible: FeasibleSet, tmp_path: Path) -> None:
    ranked = searched(Trainer(), feasible, tmp_path)
    trainer = Trainer()
    assert searched(trainer, feasible, tmp_path) == ranked
    assert trainer.trained == []


@pytest.mark.parametrize("interrupt_at", [1, 3])
def test_an_interrupted_search_goes_on_with_the_same_student(
    feasible: FeasibleSet, tmp_path: Path, interrupt_at: int
) -> None:
    stopped = Trainer(interrupt_at)
    with pytest.raises(KeyboardInterrupt):
        searched(stopped, feasible, tmp_path)
    again = Trainer()
    ranked = searched(again, feasible, tmp_path)
    assert again.trained[0] == stopped.trained[-1], "what was under way comes first"
    assert len(again.trained) == 6 - (interrupt_at - 1)
    assert len(ranked) == 6
    assert {trial.config for trial in ranked} == {*stopped.trained, *again.trained}


def test_students_drawn_by_lot_are_among_those_that_fit(feasible: FeasibleSet, tmp_path: Path) -> None:
    options = dataclasses.replace(OPTIONS, random=True)
    ranked = searched(Trainer(), feasible, tmp_path, options)
    fitting = {feasible.config(row) for row in range(len(feasible))}
    assert len(ranked) == 6
    assert {trial.config for trial in ranked} <= fitting


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a recipe of seconds."""
    monkeypatch.chdir(tmp_path)
    tiny_clap(["a dog barking", "rain falls"], embed_dim=16).save_pretrained(Path("clap"), "---\nlicense: mit\n---\n")
    Path("small.yaml").write_text(small_recipe("clap"))
    return tmp_path


LIMITS = ("--max-macs", "400k", "--max-ram", "20 KiB", "--trials", "2", "--epochs", "2", "--views", "1")


def test_the_command_writes_a_ranked_table_a_picture_and_the_recipe_of_the_best(home: Path) -> None:
    board = ("--device", "rp2350")
    told = run("search", "small.yaml", *board, *LIMITS)
    folder = Path("runs/small-search-rp2350")
    then = f"next     tinyclap distill {folder}/chosen.yaml && tinyclap "
    assert then in told
    assert told.rstrip().endswith("&& tinyclap export --c firmware --int8 --device rp2350"), "it ends with its firmware"
    result = json.loads((folder / "search.json").read_text())
    assert len(result["trials"]) == 2
    assert result["held_out_clips"] == round(0.2 * 8), "a fifth of the clips whose labels the recipe names"
    assert result["budget"]["macs"] == 400_000
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.glob("trials/*/checkpoints"))
    best = StudentConfig.from_dict(result["trials"][0]["student"])
    chosen = load_recipe(folder / "chosen.yaml", task="distill")
    assert chosen.name == "small-searched"
    assert dataclasses.replace(best, embed_dim=16) == chosen.student.with_embedding(16, chosen.views.longest_s)
    again = json.loads(run("search", "small.yaml", *board, *LIMITS, "--json"))
    assert again["trials"] == result["trials"]
    assert again["environment"] == result["environment"], "what was found is told, not made again"
    told = failure("search", "small.yaml", *board, "--max-macs", "500k", *LIMITS[2:])[0]
    assert "holds another search (macs 400000, now 500000); remove it, or choose another with --out DIR" in told
    first = (folder / "chosen.yaml").read_text().splitlines()[0]
    then = f"; tinyclap prune --dim {best.embed_dim}" if best.embed_dim < 16 else ""
    assert first == f"# tinyclap distill {folder / 'chosen.yaml'}{then}"
    other = dump(load_recipe(folder / "chosen.yaml", ["training.epochs=7"]))
    open_run(Path("runs/small-searched"), other, seed=0)
    with pytest.raises(TinyclapError, match="runs/small-searched holds the student of another search; rename"):
        train_chosen(result, folder)


def test_what_cannot_be_searched_says_so(home: Path) -> None:
    assert failure("search", "small.yaml") == (
        "no limit is given; name a device with --device, or a limit such as --max-macs 5M",
        2,
    )
    assert "no device is called 'stm'; known: desktop, " in failure("search", "small.yaml", "--device", "stm")[0]
    assert "--max-macs: '5 MB' is not a count such as 50M" in failure("search", "small.yaml", "--max-macs", "5 MB")[0]
    told = failure("search", "small.yaml", "--max-flash", "2 KiB")[0]
    assert "fits; the nearest, alpha 0.1, " in told
    assert "of flash where 2 KiB are allowed; raise that limit" in told
    told = failure("search", "small.yaml", "--device", "stm32f746", "--max-ram", "1 MiB")[0]
    assert "RAM of 1 MiB is more than the device has free, 272 KiB" in told
    Path("runs/small-search").mkdir(parents=True)
    Path("runs/small-search/mine.txt").write_text("mine")
    assert "is not empty and no search" in failure("search", "small.yaml", *LIMITS)[0]
    told = failure("search", "small.yaml", "--max-macs", "1M", "--precision", "int4")[0]
    assert told == "--precision int4: allowed: float32, int8"
