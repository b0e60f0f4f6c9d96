"""Workers that share items: whoever ends, fails or hangs, every item has one result, or one error says why."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tinyclap.common.crew import crew as module
from tinyclap.common.crew.crew import TRIES, Crew
from tinyclap.common.crew.processes import Processes
from tinyclap.common.crew.team import Team
from tinyclap.common.crew.work import Job, Order, Reply, WorkerLostError
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


# ---- workers without processes


@dataclass(eq=False)
class Fake:
    """A worker that replies once `play` says so."""

    turn: int
    play: Callable[["Fake", Any], Reply | None]
    item: Any = None
    closed: bool = False

    def send(self, item: Any) -> None:
        self.item = item

    def reply(self, timeout_s: float) -> Reply | None:
        if self.closed:
            raise WorkerLostError("closed")
        found = self.play(self, self.item)
        if found is None:
            time.sleep(min(timeout_s, 0.005))
        return found

    def close(self) -> None:
        self.closed = True


@dataclass
class Fakes:
    """A source of them."""

    play: Callable[[Fake, Any], Reply | None]
    room: int = 2
    made: list[Fake] = field(default_factory=list)
    closed: bool = False

    def size(self) -> int:
        return self.room

    def start(self, turn: int, unwanted: Callable[[], bool]) -> Fake:
        self.made.append(Fake(turn, self.play))
        return self.made[-1]

    def close(self) -> None:
        self.closed = True


def test_what_hangs_is_done_by_a_free_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """One reply of two is taken, and the one that hangs is ended."""
    monkeypatch.setattr(module, "SLOW_S", 0.05)
    hung: list[Fake] = []

    def play(worker: Fake, item: int) -> Reply | None:
        if item == 3 and not hung:
            hung.append(worker)
        return None if worker in hung else Reply(item * item)

    source = Fakes(play)
    with Crew(source, str, "") as crew:
        assert results(crew) == [item * item for item in ITEMS]
        assert hung[0].closed
    assert source.closed
    assert all(worker.closed for worker in source.made)


def test_a_late_reply_is_taken_where_it_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_S", 0.05)
    asked: list[Fake] = []

    def play(worker: Fake, item: int) -> Reply | None:
        if item != 11:
            return Reply(item)
        if worker not in asked:
            asked.append(worker)
        return Reply(item) if len(asked) == 2 and worker is asked[0] else None

    source = Fakes(play)
    with Crew(source, str, "") as crew:
        assert results(crew) == [*ITEMS]
        assert [worker.closed for worker in asked] == [False, True]


def test_no_more_workers_than_items_or_room() -> None:
    source = Fakes(lambda _, item: Reply(item), room=5)
    with Crew(source, str, "") as crew:
        crew(1)
        crew(2)
        assert len(source.made) == crew.at_work == 1
    source = Fakes(lambda _, item: Reply(item), room=3)
    with Crew(source, str, "") as crew:
        assert results(crew, range(200)) == [*range(200)]
        assert len(source.made) <= 3
        assert {worker.turn for worker in source.made} <= {0, 1, 2}


def test_where_room_grows_more_are_started() -> None:
    """Items beyond the workers wait for room; without more room one worker does all."""
    source, go = Fakes(lambda _, item: Reply(item) if go.is_set() else None, room=1), threading.Event()
    with Crew(source, str, "") as crew:
        ended = as_they_end(crew, range(8), lambda: source.room + 2)
        gather = threading.Thread(target=lambda: found.extend(ended))
        found: list[int] = []
        gather.start()
        wait_for(lambda: len(source.made) == 1)
        source.room = 4
        wait_for(lambda: len(source.made) == 4)
        go.set()
        gather.join()
    assert sorted(found) == [*range(8)]


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_error_of_the_program_is_not_hidden() -> None:
    def broken(turn: int, unwanted: Callable[[], bool]) -> Fake:
        raise ZeroDivisionError

    source = Fakes(lambda _, item: Reply(item))
    source.start = broken  # type: ignore[method-assign]
    with Crew(source, str, "") as crew, pytest.raises(ZeroDivisionError):
        crew(1)


def test_after_an_error_what_waits_for_workers_ends() -> None:
    """Ctrl-C, say: nothing waits for replies that nobody wants."""
    source, begun = Fakes(lambda *_: None), queue.SimpleQueue[int]()

    def ask(item: int) -> Any:
        begun.put(item)
        return crew(item)

    def interrupted() -> None:
        for _ in as_they_end(lambda item: item if item == 0 else ask(item), range(9), lambda: 4):
            begun.get(timeout=60)
            raise KeyboardInterrupt

    with Crew(source, str, "") as crew, pytest.raises(KeyboardInterrupt):
        interrupted()
    assert all(worker.closed for worker in source.made)
