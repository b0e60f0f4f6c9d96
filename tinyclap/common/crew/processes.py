"""Workers that are processes of this machine."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from tinyclap.common.crew.work import Order, Reply, WorkerLostError, attempt, begun

KILLED = -signal.SIGKILL


class Processes:
    """A `Source` (see `work`) of so many processes."""

    def __init__(self, order: Order, workers: int) -> None:
        self._order, self._workers = order, workers

    def size(self) -> int:
        """As many as were asked for."""
        return self._workers

    def start(self, turn: int, unwanted: Callable[[], bool]) -> "ProcessWorker":
        """One that is ready; raises as `Source.start` says."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(self._order, turn, theirs), daemon=True)
        process.start()
        theirs.close()
        worker = ProcessWorker(turn, process, ours)
        begun(worker, unwanted)
        return worker

    def close(self) -> None:
        """Nothing is left to do."""


class ProcessWorker:
    """A `Worker` (see `work`)."""

    def __init__(self, turn: int, process: SpawnProcess, connection: "Connection[Any, Any]") -> None:
        self.turn, self._process, self._connection = turn, process, connection

    def send(self, item: Any) -> None:
        """Ask for an item's result."""
        try:
            self._connection.send(item)
        except OSError as error:
            raise WorkerLostError(self._end()) from error

    def reply(self, timeout_s: float) -> Reply | None:
        """The reply, None where there is none yet."""
        if not wait([self._connection, self._process.sentinel], timeout_s):
            return None
        try:
            reply: Reply | None = self._connection.recv() if self._connection.poll() else None
        except (EOFError, OSError) as error:
            raise WorkerLostError(self._end()) from error
        if reply is None:
            raise WorkerLostError(self._end())
        return reply

    def _end(self) -> str:
        self._process.join()
        code = self._process.exitcode
        return f"exit code {code}" + (": killed, often for want of memory" if code == KILLED else "")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def _serve(order: Order, turn: int, connection: "Connection[Any, Any]") -> None:
    """What the process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # after Ctrl-C the parent ends it
    _end_with_parent()
    ready = attempt(order.made_ready, turn)
    make, reply = ready.result, Reply(fault=ready.fault, exit_code=ready.exit_code)
    try:
        while True:
            connection.send(reply)
            if ready.fault is not None:
                return
            reply = attempt(make, connection.recv())
    except (EOFError, OSError):  # the parent has ended
        return


def _end_with_parent() -> None:
    """A worker whose parent was killed ends too; nobody would tell of it."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
