"""How a crew hands out items, with workers that are no processes."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.common.crew.test_crew import ITEMS, results
from tinyclap.common.crew import crew as module
from tinyclap.common.crew.crew import Crew
from tinyclap.common.crew.work import Reply, WorkerLostError
from tinyclap.common.parallel import as_they_end


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
