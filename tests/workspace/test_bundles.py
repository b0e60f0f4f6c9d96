"""Which run or bundle a command takes: the same for all of them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from tests.support.commands import RATE, failure, invoke
from tests.support.report_runs import fake_words
from tests.support.tiny_bundles import tiny_bundle
from tinyclap.bench.cold_start import ColdStart
from tinyclap.cli import app
from tinyclap.errors import TinyclapError
from tinyclap.runtime import ready_made
from tinyclap.workspace.bundles import Found, named_bundle, named_run, newest_bundle, run_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("made") / "bundle")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def new_run(name: str, day: int, bundle: Path | None = None, *, finished: bool = True) -> Path:
    """A run that began on this day of a month, with a bundle or without one."""
    folder = Path("runs", name)
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text("task: distill\n")
    (folder / "env.json").write_text(json.dumps({"started": f"2025-01-{day:02}T00:00:00+00:00"}))
    if finished:
        (folder / "summary.json").write_text("{}")
        (folder / "student").mkdir()
    if bundle:
        shutil.copytree(bundle, folder / "bundle")
    return folder


def ready(made: Path) -> Path:
    """The ready-made bundle in the cache, or what stands for it."""
    return Path(shutil.copytree(made, ready_made.place("everyday")))


class TestNamed:
    def test_a_bundle_a_run_and_a_ready_made_one(self, made: Path) -> None:
        run = new_run("a", 1, made)
        assert named_bundle(made) == made
        assert named_bundle(run) == named_bundle(run / "bundle") == run / "bundle"
        with pytest.raises(TinyclapError, match="there is no bundle everyday yet; `tinyclap get everyday` makes it"):
            named_bundle(Path("everyday"))
        there = ready(made)
        assert named_bundle(Path("everyday")) == there
        Path("everyday").mkdir()
        assert named_bundle(Path("everyday")) == there, "a folder of another kind is in nobody's way"
        shutil.copytree(made, "everyday", dirs_exist_ok=True)
        assert named_bundle(Path("everyday")) == Path("everyday"), "a bundle that lies here comes first"

    def test_what_is_none_of_them(self, made: Path) -> None:
        new_run("with", 1, made)
        without, begun = new_run("with out", 2), new_run("begun", 3, finished=False)
        Path("sounds").mkdir()
        Path("a.wav").touch()
        for name, message in (
            (without, r"^run runs/with out has no bundle; `tinyclap export 'runs/with out'` makes it$"),
            (begun, r"^run runs/begun has no bundle$"),
            (Path("sounds"), r"^sounds is neither a bundle \(it holds no bundle.json\) nor a run"),
            (Path("a.wav"), r"^a.wav is a file; give the folder of a bundle; runs with a bundle: runs/with$"),
            (Path("everday"), r"^there is no folder everday; did you mean the ready-made bundle everyday\?$"),
            (Path("elsewhere"), r"^there is no folder elsewhere; runs with a bundle: runs/with$"),
        ):
            with pytest.raises(TinyclapError, match=message):
                named_bundle(name)

    def test_a_run_by_its_bundle(self, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run = new_run("a", 1, made)
        assert named_run(run) == named_run(run / "bundle") == run_of(run / "bundle") == run
        elsewhere = Path(shutil.copytree(made, "bundle"))
        assert run_of(elsewhere) is None
        with pytest.raises(TinyclapError, match="is not a run folder"):
            named_run(elsewhere)
        whole = run.resolve()
        monkeypatch.chdir(run / "bundle")
        assert run_of(Path()) == whole
        monkeypatch.chdir(whole)
        assert run_of(Path("bundle")) == Path()


class TestNewest:
    def test_is_that_of_the_newest_run_that_has_one(self, made: Path) -> None:
        old, new = new_run("old", 1, made), new_run("new", 2, made)
        found = newest_bundle()
        assert (found, str(found)) == (Found(new / "bundle", new), f"bundle: {new / 'bundle'}")
        pruned = new_run("pruned", 3)
        found = newest_bundle()
        assert found == Found(new / "bundle", new, pruned)
        remedy = "the newest run, runs/pruned, has none; `tinyclap export runs/pruned` makes it"
        assert str(found) == f"bundle: {new / 'bundle'} ({remedy})"
        ready(made)
        assert newest_bundle() == found, "one's own come first"
        shutil.rmtree(new)
        assert newest_bundle() == Found(old / "bundle", old, pruned)

    def test_is_the_ready_made_one_where_no_run_has_one(self, made: Path) -> None:
        with pytest.raises(
            TinyclapError, match="no bundle is named and none is there; `tinyclap get everyday` fetches"
        ):
            newest_bundle()
        run = new_run("begun", 1, finished=False)
        with pytest.raises(TinyclapError, match=r"named and no run in .*runs has one; `tinyclap get everyday` fetches"):
            newest_bundle()
        there = ready(made)
        assert newest_bundle() == Found(there, None, run)


COMMANDS = {
    "selftest": ["selftest", "NAMED"],
    "bench": ["bench", "NAMED", "--seconds", "0"],
    "classify": ["classify", "a.wav", "--bundle", "NAMED"],
    "embed": ["embed", "a.wav", "--out", "a.npy", "--overwrite", "--bundle", "NAMED"],
    "listen": ["listen", "--file", "a.wav", "--bundle", "NAMED"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_that_needs_a_bundle_chooses_alike(
    made: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr("tinyclap.bench.measure.measure_cold_start", lambda *_, **__: [ColdStart(1.0, 1)])
    soundfile.write("a.wav", np.random.default_rng(0).normal(0, 0.1, 2 * RATE), RATE)
    bare = [word for word in command if word not in ("NAMED", "--bundle")]
    assert failure(*bare)[0].startswith("no bundle is named and none is there")
    ready(made)
    run = new_run("new", 1, made)
    new_run("pruned", 2)
    for name in (run, run / "bundle", "everyday"):
        out, err = invoke(*[str(name) if word == "NAMED" else word for word in command])
        assert out
        assert "bundle:" not in err, "what was named needs no telling"
    assert f"bundle: {run / 'bundle'} (the newest run, runs/pruned, has none; `tinyclap export" in invoke(*bare)[1]
    message = f"{Path('runs')} is neither a bundle"
    assert failure(*["runs" if word == "NAMED" else word for word in command])[0].startswith(message)


def test_every_command_that_needs_a_run_chooses_alike(made: Path) -> None:
    run = new_run("mine", 1, made)
    for command in (["evaluate"], ["prune", "--dim", "3"], ["export"], ["report"], ["costs"]):
        told = {failure_or_output([*command, *named]) for named in ([], [str(run)], [str(run / "bundle")])}
        assert len(told) == 1, told
        assert "runs is not a run folder" in failure(*command, "runs")[0]


@pytest.mark.parametrize("command", [["prune", "--dim", "3"], ["export"], ["costs"]], ids=["prune", "export", "costs"])
def test_a_command_that_needs_a_student_passes_newer_runs_of_other_kinds_over(command: list[str]) -> None:
    words = fake_words(Path("runs/words"))
    assert "runs/words" in failure(*command)[0], "there is no other"
    run = new_run("mine", 1)
    newer_teacher = new_run("teacher", 28)
    (newer_teacher / "recipe.yaml").write_text("task: pretrain\n")
    alone = CliRunner().invoke(app.app, [*command, str(run)])
    chosen = CliRunner().invoke(app.app, command)
    assert repr(chosen.exception) == repr(alone.exception)
    if command != ["costs"]:
        told = f"newest run of a student: {run} (the newest run, {words}, is of another kind)"
        assert told in chosen.stderr


def test_a_run_of_words_is_called_so_where_it_is_named() -> None:
    run = fake_words(Path("runs/my words"))
    (run / "text" / "student" / "model.safetensors").touch()
    message = "runs/my words made words alone; export the run of a student (`tinyclap distill`): "
    assert failure("export", str(run))[0] == f"{message}tinyclap export RUN_OF_A_STUDENT --text --words 'runs/my words'"
    assert "made words alone; prune the run of a student" in failure("prune", str(run), "--dim", "3")[0]
    message = (
        "run runs/my words has no bundle; `tinyclap export RUN_OF_A_STUDENT --text --words 'runs/my words'` puts its"
    )
    assert failure("classify", "a.wav", "--bundle", str(run))[0].startswith(message)
    assert "RUN_OF_A_STUDENT" in invoke("info")[0], "the newest of all kinds"
    message = failure("evaluate", "--degrade", "snr=10")[0]
    assert message.startswith("--degrade changes sounds, and runs/my words made words alone")
    (run / "summary.json").unlink()
    going_on = "go on with `tinyclap distill-text 'runs/my words/recipe.yaml' --run 'runs/my words' --resume`"
    assert going_on in failure("evaluate")[0]


def failure_or_output(command: list[str]) -> str:
    """What a command says of a run that holds next to nothing; the same of the same run."""
    result = CliRunner().invoke(app.app, command)
    return f"{result.stdout}{result.exception!r}"


def test_info_is_of_a_run_or_of_a_bundle(made: Path) -> None:
    assert failure("info")[0].startswith("no bundle is named")
    ready(made)
    assert "labels" in invoke("info")[0], "where there is no run"
    run = new_run("mine", 1, made)
    assert invoke("info")[0] == invoke("info", str(run))[0] != invoke("info", "everyday")[0]
    assert invoke("info", str(run / "bundle"))[0] == invoke("info", "everyday")[0]
