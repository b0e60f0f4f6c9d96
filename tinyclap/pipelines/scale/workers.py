"""Processes of this machine that fill one store of teacher embeddings, part by part.

Each takes whatever part nobody else is at, so none needs to be told of the others; a killed one's part is free at once.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import torch

from tinyclap.common.row_store import RowStore
from tinyclap.data.decoded import Decoded
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.errors import MachineError, TinyclapError
from tinyclap.pipelines.build import build_teacher
from tinyclap.training.targets import target_store

POLL_S = 1.0
FAILED = 3  # exit code of a worker that has said why


@dataclass(frozen=True)
class Job:
    """What a worker needs to make the store anew, as plain values.

    Attributes:
        teacher: section of the recipe.
        decoded: folder of the decoded clips.
        views: which views.
        threads: of each worker; None for as many as torch takes.
    """

    teacher: Any
    decoded: Path
    views: ViewSpec
    threads: int | None


def device_of(turn: int) -> str:
    """The device of a worker by its number: GPUs in turn, or the CPU."""
    if not torch.accelerator.is_available():
        return "cpu"
    found = torch.accelerator.current_accelerator()
    return "cpu" if found is None else f"{found.type}:{turn % torch.accelerator.device_count()}"


def fill_with_workers(
    job: Job, store: RowStore, parts: Sequence[int], workers: int, tell: Callable[[int], None]
) -> None:
    """Fill parts of a store with several processes; what a killed one leaves goes to the others.

    Args:
        job: which store.
        store: the same store, of which nothing is computed here.
        parts: which of its parts.
        workers: how many processes.
        tell: called now and then with how many of the parts are there.

    Raises:
        TinyclapError: what a worker met, e.g. a full disk.
        MachineError: workers die again and again without finishing a part.
    """
    missing = _missing(store, parts)
    while missing:
        codes = _round(job, store, missing, min(workers, len(missing)), lambda left: tell(len(parts) - left))
        left = _missing(store, parts)
        if not any(codes):  # others elsewhere are at what is left
            return
        if len(left) == len(missing):
            raise MachineError(
                f"the workers ended early (exit codes {', '.join(map(str, codes))}; -9: killed, often for want of "
                f"memory) before one of {len(left)} parts was finished; run it again with fewer --workers"
            )
        missing = left


def _missing(store: RowStore, parts: Sequence[int]) -> list[int]:
    return sorted({*store.missing_parts()} & {*parts})


def _round(job: Job, store: RowStore, parts: list[int], workers: int, tell: Callable[[int], None]) -> list[int]:
    """Run workers until all have ended; returns their exit codes."""
    context = multiprocessing.get_context("spawn")
    said: SimpleQueue[str] = context.SimpleQueue()
    processes = [
        context.Process(
            target=_work, args=(job, parts[_begin(turn, parts, workers) :] + parts, turn, said), daemon=True
        )
        for turn in range(workers)
    ]
    try:
        for process in processes:
            process.start()
        while any(process.is_alive() for process in processes):
            _wait(processes)
            tell(len(_missing(store, parts)))
            if not said.empty():
                raise TinyclapError(said.get())
        if not said.empty():
            raise TinyclapError(said.get())
    finally:
        for process in processes:
            if process.pid is not None:
                process.terminate()
                process.join()
    return [process.exitcode or 0 for process in processes]


def _begin(turn: int, parts: Sequence[int], workers: int) -> int:
    """Where a worker begins, far from where the others do."""
    return turn * len(parts) // workers


def _wait(processes: Sequence[SpawnProcess]) -> None:
    alive = [process for process in processes if process.is_alive()]
    if alive:
        alive[0].join(POLL_S)


def _work(job: Job, parts: Sequence[int], turn: int, said: "SimpleQueue[str]") -> None:
    """What a worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # after Ctrl-C the parent ends it
    _end_with_parent()
    try:
        if job.threads is not None:
            torch.set_num_threads(job.threads)
        views = Views(Decoded(job.decoded), job.views)
        store = target_store(build_teacher(job.teacher), views, device_of(turn))
        for part in parts:
            store.fill_part(part, views.block)
    except (TinyclapError, OSError) as error:
        said.put(str(error))
        sys.exit(FAILED)


def _end_with_parent() -> None:
    """A worker whose parent was killed ends too; nobody would tell of it."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
