"""A teacher's embeddings made before the training, by workers and shares: the same bytes, whoever is killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.scale.conftest import MANY, embed, store_hash
from tests.support.commands import failure, invoke, run
from tests.support.learned import learned
from tests.support.tiny import save_two, two_teachers_recipe, write_labelled
from tinyclap.common import row_store
from tinyclap.common.crew.team import Team
from tinyclap.common.files import cache_root, write_bytes
from tinyclap.pipelines.scale import embed_teacher as module
from tinyclap.teachers.base import TrainableTeacher


@pytest.mark.slow
def test_workers_and_shares_make_the_store_of_one_process(quick: Path, elsewhere: Any) -> None:
    elsewhere("one")
    told = embed(quick)
    assert told["parts"] == told["computed"] == -(-told["clips"] * told["views"] // module.PART_ROWS) == 3
    assert told["missing"] == 0
    quiet = store_hash()
    elsewhere("shares")
    for number, own in ((2, 1), (1, 2)):
        told = embed(quick, "--shard", f"{number}/2")
        assert told["own"] == told["computed"] == own
    assert (told["missing"], store_hash()) == (0, quiet)
    elsewhere("workers")
    told = embed(quick, "--workers", "2")
    assert (told["computed"], told["missing"], store_hash()) == (told["parts"], 0, quiet)
    again = embed(quick, "--workers", "2")
    assert (again["computed"], again["embeddings_per_s"]) == (0, None), "what is there is skipped"


def test_the_training_finds_all_and_is_the_same(recipe: Path, elsewhere: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere("plain")
    run("distill", str(recipe), "--run", "plain")
    plain = store_hash()
    elsewhere("ahead")
    told, _ = invoke("embed-teacher", str(recipe))
    assert f"next     tinyclap distill {recipe}" in told
    assert store_hash() == plain
    with monkeypatch.context() as patch:
        patch.setattr(TrainableTeacher, "embed_audio", refuse_views(TrainableTeacher.embed_audio))
        run("distill", str(recipe), "--run", "ahead")
    assert summary("plain")["teacher_forwards"] > 0
    assert summary("ahead")["teacher_forwards"] == 0
    assert_same_training("plain", "ahead")


def refuse_views(embed_audio: Any) -> Any:
    """Test clips may be embedded, views of the training not."""

    def embed(teacher: Any, waveforms: Any, lengths: Any = None) -> Any:
        caller = sys._getframe(1).f_code.co_filename
        assert "training/targets" not in caller
        return embed_audio(teacher, waveforms, lengths)

    return embed


def summary(run: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(Path(run, "summary.json").read_text())
    return told


def assert_same_training(one: str, other: str) -> None:
    """Every figure but the times, and every weight."""
    lines = [learned(Path(name)) for name in (one, other)]
    assert lines[0] == lines[1]
    assert len(lines[0]) == 2
    weights = [Path(name, "student/model.safetensors").read_bytes() for name in (one, other)]
    assert weights[0] == weights[1]
    means = [Path(name, "teacher_mean.npy").read_bytes() for name in (one, other)]
    assert means[0] == means[1]


def test_a_folder_and_its_shards_train_the_same_student(recipe: Path, tmp_path: Path, elsewhere: Any) -> None:
    write_labelled(tmp_path / "sounds")
    run("shard", "sounds", "--out", "packed/s-%04d.tar", "--clips", "3")
    kinds = {"folder": "{kind: folder, root: sounds}", "shards": '{kind: shards, urls: "packed/s-{0000..0002}.tar"}'}
    for kind, section in kinds.items():
        elsewhere(kind)
        run("distill", str(recipe), f"data.train={section}", "--run", kind)
    assert summary("folder")["teacher_forwards"] == summary("shards")["teacher_forwards"] > 0
    assert_same_training("folder", "shards")


@pytest.mark.slow
def test_killed_at_random_moments_the_store_is_that_of_a_quiet_run(quick: Path, elsewhere: Any) -> None:
    elsewhere("quiet")
    embed(quick)
    quiet = store_hash()
    elsewhere("killed")
    words = ["embed-teacher", str(quick), *MANY, "--workers", "2"]
    chance = random.Random(1)
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-m", "tinyclap", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        until_parts_begin(process)
        time.sleep(chance.uniform(0.0, 1.5))
        if chance.random() < 0.5:
            os.kill(process.pid, signal.SIGKILL)  # its workers end by themselves
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    told = embed(quick)
    assert (told["missing"], store_hash()) == (0, quiet)


def until_parts_begin(process: "subprocess.Popen[bytes]") -> None:
    """Wait until a worker is at a part, or all are there."""
    while process.poll() is None and not list((cache_root() / "embeddings").glob("*/parts/*.lock")):
        time.sleep(0.05)


@pytest.mark.parametrize(("damage", "exit_code"), [("sounds", 2), ("killed", 1)])
def test_what_a_worker_meets_reaches_the_user(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: str, exit_code: int
) -> None:
    """Its sounds are not there, or it cannot even start: an error, and no waiting."""
    fill = module._filled_by

    def fill_without(team: Team, job: module.Job, *rest: Any) -> Any:
        teacher = job.teacher if damage == "sounds" else _Deadly()
        return fill(team, replace(job, teacher=teacher, decoded=tmp_path / "nowhere"), *rest)

    monkeypatch.setattr(module, "_filled_by", fill_without)
    monkeypatch.setattr("tinyclap.common.crew.crew.SPARE_LOSSES", 0)
    message, code = failure("embed-teacher", str(recipe), "--workers", "2")
    expected = (
        f"there is no {tmp_path / 'nowhere'}, the sounds as this machine has decoded them"
        if damage == "sounds"
        else "workers in a row ended without a result (exit code -9: killed, often for want of memory)"
    )
    assert expected in message
    assert code == exit_code


class _Here:
    """A crew that computes in this process."""

    size = at_work = 2

    def __init__(self, job: module.Job) -> None:
        self._make = job(0)

    def __enter__(self) -> "_Here":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, part: int) -> Any:
        return self._make(part)


@pytest.fixture
def crew_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Team, "crew", lambda team, job, *_, **__: _Here(job))


def test_a_full_disk_loses_nothing(
    quick: Path, elsewhere: Any, crew_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere("quiet")
    embed(quick)
    quiet, written = store_hash(), list[Path]()
    elsewhere("full")

    def full(path: Path, content: bytes) -> None:
        if len(written) == 1:
            raise OSError(28, "No space left on device", str(path))
        written.append(path)
        write_bytes(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(row_store, "write_bytes", full)
        with pytest.raises(OSError, match="No space left on device"):
            embed(quick, "--workers", "2")
    told = embed(quick, "--workers", "2")
    assert (told["computed"], told["missing"], store_hash()) == (2, 0, quiet)


@pytest.mark.parametrize("times", [1, 2])
def test_what_comes_damaged_is_made_once_more(
    quick: Path, elsewhere: Any, crew_here: None, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    elsewhere("quiet")
    embed(quick)
    quiet, damaged = store_hash(), list[int]()
    elsewhere("damaged")
    put = row_store.RowStore.put_part

    def damage(store: Any, part: int, content: bytes) -> bool:
        if part == 2 and len(damaged) < times:
            damaged.append(part)
            content = content[:-1] + bytes([content[-1] ^ 1])
        return put(store, part, content)

    monkeypatch.setattr(row_store.RowStore, "put_part", damage)
    if times == 2:
        message, code = failure("embed-teacher", str(quick), *MANY, "--workers", "2")
        assert "part 2 came back damaged twice: look at the network" in message
        assert code == 1
    told = embed(quick, "--workers", "2")
    assert (len(damaged), told["missing"], store_hash()) == (times, 0, quiet)


def test_a_worker_with_another_teacher_is_refused(
    recipe: Path, crew_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = module.Job
    monkeypatch.setattr(module, "Job", lambda *fields: replace(job(*fields), store="another"))
    told, code = failure("embed-teacher", str(recipe), "--workers", "2")
    assert "its teacher is another one than here: the files that the recipe names differ" in told
    assert code == 2


class _Deadly:
    """Kills the process that unpacks it."""

    def __reduce__(self) -> Any:
        return os.kill, (_Own(), signal.SIGKILL)


class _Own:
    """The number of the process that unpacks it."""

    def __reduce__(self) -> Any:
        return os.getpid, ()


@pytest.mark.parametrize(
    ("share", "message"),
    [("0/3", "--shard 0/3: give 1/3 to 3/3"), ("4/3", "--shard 4/3: give 1/3"), ("1/0", "--shard 1/0: give 1/0")],
)
def test_a_share_that_there_is_not(recipe: Path, share: str, message: str) -> None:
    told, code = failure("embed-teacher", str(recipe), "--shard", share)
    assert message in told
    assert code == 2


def test_of_several_teachers_each_store_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_two(tmp_path)
    Path("two.yaml").write_text(two_teachers_recipe(tmp_path))
    told = json.loads(run("embed-teacher", "two.yaml", "--json"))
    assert len({one["store"] for one in told["teachers"]} | {one["teacher"] for one in told["teachers"]}) == 4
    assert [one["missing"] for one in told["teachers"]] == [0, 0]
    assert told["missing"] == 0
    lines = run("embed-teacher", "two.yaml").splitlines()
    assert [line.split()[0] for line in lines] == [*("teacher", "store", "views", "parts") * 2, "next"]
    run("distill", "two.yaml", "--run", "ahead")
    assert summary("ahead")["teacher_forwards"] == 0
