"""Workers that share items: whoever ends, fails or hangs, every item has one result, or one error says why."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tinyclap.common.crew.crew import TRIES, Crew
from tinyclap.common.crew.processes import Processes
from tinyclap.common.crew.team import Team
from tinyclap.common.crew.work import Job, Order
from tinyclap.common.parallel import as_they_end
from tinyclap.errors import GateError, MachineError, TinyclapError

ITEMS = range(12)


def results(crew: Crew, items: Any = ITEMS) -> list[Any]:
    return sorted(as_they_end(crew, items, lambda: crew.size))


def of(job: Job, workers: int = 2) -> Crew:
    return Team(workers).crew(job, lambda item: f"item {item}")


# ---- jobs


def kill_oneself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Squares:
    """Squares, with a file of its number for every time that an item is begun; some items end their worker or fail."""

    log: Path
    deadly: tuple[int, ...] = ()
    times: int = 1
    damage: Callable[[], None] = kill_oneself

    def __call__(self, turn: int) -> Callable[[int], int]:
        return self.square

    def square(self, item: int) -> int:
        with (self.log / f"{item}").open("a") as lines:
            lines.write(f"{os.getpid()}\n")
        if item in self.deadly and len(self.begun(item)) <= self.times:
            self.damage()
        return item * item

    def begun(self, item: int) -> list[str]:
        return (self.log / f"{item}").read_text().split()


def raise_one(error: Exception) -> None:
    raise error


def refuse(error: Exception, turn: int) -> Callable[[int], int]:
    raise error


def test_every_item_has_its_result_by_another_process(tmp_path: Path) -> None:
    job = Squares(tmp_path)
    with of(job) as crew:
        assert results(crew) == [item * item for item in ITEMS]
    by = [job.begun(item) for item in ITEMS]
    assert all(len(pids) == 1 for pids in by)
    found = {pid for (pid,) in by}
    assert str(os.getpid()) not in found
    assert len(found) <= 2
    assert not any(is_running(int(pid)) for pid in found), "they end with the work"


@pytest.mark.parametrize("damage", [kill_oneself, partial(os._exit, 7), partial(raise_one, OSError("stale"))])
def test_what_ends_or_fails_a_worker_goes_to_another(tmp_path: Path, damage: Callable[[], None]) -> None:
    job = Squares(tmp_path, deadly=(1, 5, 11), times=2, damage=damage)
    with of(job) as crew:
        assert results(crew) == [item * item for item in ITEMS]
    assert [len(job.begun(item)) for item in ITEMS] == [3 if item in job.deadly else 1 for item in ITEMS]


def test_an_item_that_ends_every_worker_is_named(tmp_path: Path) -> None:
    job = Squares(tmp_path, deadly=(5,), times=1000, damage=kill_oneself)
    with of(job) as crew, pytest.raises(MachineError, match=rf"item 5 failed {TRIES} times \(exit code -9: killed"):
        results(crew)
    assert len(job.begun(5)) == TRIES


def test_a_users_error_is_his_at_once(tmp_path: Path) -> None:
    job = Squares(tmp_path, deadly=(3,), times=9, damage=partial(raise_one, TinyclapError("no sound")))
    with of(job) as crew, pytest.raises(TinyclapError, match=r"^no sound$") as caught:
        results(crew)
    assert caught.value.exit_code == 2
    assert len(job.begun(3)) == 1
    job = Squares(tmp_path, deadly=(4,), times=9, damage=partial(raise_one, GateError("too bad")))
    with of(job) as crew, pytest.raises(MachineError, match="too bad"):
        crew(4)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TinyclapError("no teacher"), "no teacher"),
        (FileNotFoundError(2, "No such file or directory", "sounds"), "No such file or directory: 'sounds'"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "the package torch is not installed there"),
    ],
)
def test_workers_that_cannot_begin(error: Exception, message: str) -> None:
    with of(partial(refuse, error)) as crew, pytest.raises(TinyclapError, match=message):
        results(crew)


class Deadly:
    """Kills the process that unpacks it."""

    def __reduce__(self) -> Any:
        return kill_oneself, ()

    def __call__(self, turn: int) -> Any:
        raise AssertionError("it is not called here")


def test_workers_that_end_before_they_begin() -> None:
    expected = r"6 workers in a row ended without a result \(exit code -9: killed.*run it again with fewer --workers"
    with of(Deadly()) as crew, pytest.raises(MachineError, match=expected):
        results(crew)


def test_another_version_is_refused(tmp_path: Path) -> None:
    order = replace(Order.of(Squares(tmp_path)), version="0.0.1")
    with Crew(Processes(order, 1), str, "") as crew, pytest.raises(TinyclapError, match=r"and 0\.0\.1 asks; install"):
        crew(1)


def test_paths_are_those_of_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYCLAP_CACHE", "relative")
    order = Order.of(Squares(Path("log")))
    Path("log").mkdir()
    monkeypatch.chdir("/")
    with monkeypatch.context() as patch:
        patch.delenv("TINYCLAP_CACHE")
        assert order.made_ready(0)(3) == 9
        assert os.environ["TINYCLAP_CACHE"] == str(tmp_path / "relative")
        assert (tmp_path / "log" / "3").exists()


_PARENT = """
import sys
from pathlib import Path
from tests.common.crew.test_crew import Squares, of
import time
from functools import partial

if __name__ == "__main__":
    with of(Squares(Path(sys.argv[1]), deadly=(1,), damage=partial(time.sleep, 600))) as crew:
        crew(1)
"""


def test_workers_of_a_killed_parent_end(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "parent.py").write_text(_PARENT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py", tmp_path / "log"], env=environment)
    while not (tmp_path / "log" / "1").exists() or not (pid := (tmp_path / "log" / "1").read_text()):
        assert parent.poll() is None
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    until = time.monotonic() + 60
    while is_running(int(pid)):
        assert time.monotonic() < until
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
