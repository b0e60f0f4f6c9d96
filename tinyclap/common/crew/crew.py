"""Workers that share the items of one work, handed out one at a time.

What a worker that dies was at goes to another one, and a new one is started; so does what takes far longer than the
others' while workers are free. An item's first result is the one that counts.
"""

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Self

from tinyclap.common.crew.work import Reply, Source, Worker, WorkerLostError
from tinyclap.common.machine import allow_open_files
from tinyclap.common.parallel import stop_if_asked
from tinyclap.errors import MachineError, TinyclapError

POLL_S, LONGEST_POLL_S = 0.5, 5.0  # how often threads that wait look up; a thousand of them less often
FEW = 64
TRIES = 5  # of an item, by as many workers
SPARE_LOSSES = 3  # in a row without any result between them, beside one of each worker
SLOW_S, SLOW_TIMES = 20.0, 4.0  # after these seconds, and so many times the median, a free worker tries too
LATELY = 100  # items of which the median is taken
MOST_STARTING = 256


class Crew:
    """A context manager; called with an item by many threads at the same time, it gives the item's result.

    Args:
        source: of its workers.
        name: says in words what an item is.
        advice: what to do where workers end again and again.
    """

    def __init__(self, source: Source, name: Callable[[Any], str], advice: str) -> None:
        self._source, self._name, self._advice = source, name, advice
        self._changed = threading.Condition()
        self._idle: list[Worker] = []
        self._workers: set[Worker] = set()
        self._turns: set[int] = set()
        self._waiting = self._starting = self._losses = 0
        self._reasons: deque[str] = deque(maxlen=3)
        self._lately: deque[float] = deque(maxlen=LATELY)
        self._fault: BaseException | None = None
        self._closed = False
        self._starters = ThreadPoolExecutor(MOST_STARTING)
        allow_open_files()  # some for each of a thousand workers, and for what is claimed for it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._starters.shutdown()
        for worker in [*self._workers]:
            worker.close()
        self._source.close()

    @property
    def size(self) -> int:
        """How many workers there may be now; more items than these at a time make them wait for one another."""
        return self._source.size()

    @property
    def _poll_s(self) -> float:
        return min(LONGEST_POLL_S, POLL_S * max(1.0, len(self._turns) / FEW))

    @property
    def at_work(self) -> int:
        """How many workers are there."""
        return len(self._workers)

    def __call__(self, item: Any) -> Any:
        """An item's result.

        Raises:
            TinyclapError: what the worker met.
            MachineError: workers end again and again, or the machines of several fail at this item.
            Stopped: as `parallel.stop_if_asked` does.
        """
        reply = Reply()
        for _ in range(TRIES):
            reply = self._ask(item)
            if reply.fault is None:
                return reply.result
            if not reply.again:
                raise (MachineError if reply.exit_code == MachineError.exit_code else TinyclapError)(reply.fault)
        raise MachineError(f"{self._name(item)} failed {TRIES} times ({reply.fault}); {self._advice}")

    def _ask(self, item: Any) -> Reply:
        """A worker's reply, or another's who was asked too."""
        asked: list[Worker] = []
        self._hand(item, self._taken(), asked)
        began, last = time.monotonic(), "it ended before it began"
        while asked:
            for worker in [*asked]:
                stop_if_asked()
                try:
                    reply = worker.reply(self._poll_s / len(asked))
                except WorkerLostError as error:
                    asked.remove(worker)
                    self._lose(worker, last := str(error))
                    continue
                if reply is not None:
                    self._release(worker, [one for one in asked if one is not worker], time.monotonic() - began)
                    return reply
            self._refuse()
            if len(asked) == 1 and self._is_slow(time.monotonic() - began):
                self._hand(item, self._spare(), asked)
        return Reply(fault=last, again=True)

    def _hand(self, item: Any, worker: Worker | None, asked: list[Worker]) -> None:
        if worker is not None:
            try:
                worker.send(item)
                asked.append(worker)
            except WorkerLostError as error:
                self._lose(worker, str(error))

    def _is_slow(self, seconds: float) -> bool:
        return seconds > SLOW_S and bool(self._lately) and seconds > SLOW_TIMES * statistics.median(self._lately)

    # ---- who is free

    def _taken(self) -> Worker:
        """A free worker, waited for; more are started while fewer than there may be are there."""
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    stop_if_asked()
                    self._refuse()
                    if self._idle:
                        return self._idle.pop()
                    if self._starting < self._waiting and len(self._turns) < self._source.size():
                        self._begin()
                    self._changed.wait(self._poll_s)
            finally:
                self._waiting -= 1

    def _spare(self) -> Worker | None:
        """A worker for whom nothing else is left; where there is none, one may be there later."""
        with self._changed:
            if self._idle and not self._waiting:
                return self._idle.pop()
            if not self._starting and len(self._turns) < self._source.size():
                self._begin()
            return None

    def _release(self, worker: Worker, others: list[Worker], seconds: float) -> None:
        """A worker has replied; the others of its item are still at it, and nobody knows for how long."""
        for other in others:
            self._forget(other)
        with self._changed:
            self._lately.append(seconds)
            self._losses = 0
            self._idle.append(worker)
            self._changed.notify()

    def _refuse(self) -> None:
        if self._fault is not None:
            raise self._fault
        if self._closed:
            raise MachineError("the workers were ended")

    # ---- who is there

    def _begin(self) -> None:
        turn = next(number for number in range(len(self._turns) + 1) if number not in self._turns)
        self._turns.add(turn)
        self._starting += 1
        future = self._starters.submit(self._source.start, turn, lambda: self._closed)
        future.add_done_callback(lambda ended: self._begun(turn, ended))

    def _begun(self, turn: int, started: "Future[Worker]") -> None:
        error = started.exception()
        with self._changed:
            self._starting -= 1
            if error is None:
                self._workers.add(started.result())
                self._idle.append(started.result())
            else:
                self._turns.discard(turn)
                if isinstance(error, WorkerLostError):
                    self._count(str(error))
                else:
                    self._fault = error
            self._changed.notify_all()

    def _lose(self, worker: Worker, reason: str) -> None:
        self._forget(worker)
        with self._changed:
            self._count(reason)
            self._changed.notify_all()

    def _forget(self, worker: Worker) -> None:
        with self._changed:
            self._workers.discard(worker)
            self._turns.discard(worker.turn)
        with suppress(OSError):
            worker.close()

    def _count(self, reason: str) -> None:
        self._losses += 1
        self._reasons.append(reason)
        if self._losses > self._source.size() + SPARE_LOSSES:
            reasons = "; ".join(dict.fromkeys(self._reasons))
            self._fault = MachineError(
                f"{self._losses} workers in a row ended without a result ({reasons}); what was finished is kept: "
                f"{self._advice}"
            )
