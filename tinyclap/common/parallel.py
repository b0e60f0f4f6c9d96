"""Work done ahead by threads while its results are used."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any

MOST_THREADS = 4096
LOOKED_EVERY_S = 1.0  # whether more may be done at the same time

_worker = threading.local()


class Stopped(BaseException):
    """Ends work that is not wanted any more."""


def prepared_ahead(prepare: Callable[[Any], Any], items: Iterable[Any], workers: int = 1) -> Iterator[Any]:
    """`prepare(item)` for every item, in order, made by threads while those before it are used.

    After Ctrl-C or an error what is being made goes on to its end or, where it asks, to the next `stop_if_asked`.
    """
    futures: deque[Future[Any]] = deque()
    stop = threading.Event()
    pool = ThreadPoolExecutor(workers, initializer=lambda: setattr(_worker, "stop", stop))
    try:
        for item in items:
            futures.append(pool.submit(prepare, item))
            if len(futures) > workers:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def as_they_end(work: Callable[[Any], Any], items: Iterable[Any], width: Callable[[], int]) -> Iterator[Any]:
    """`work(item)` for every item by threads, as soon as each ends; after Ctrl-C or an error as `prepared_ahead`.

    `width()` says how many are worked on at the same time, and may change.
    """
    ended: SimpleQueue[Future[Any]] = SimpleQueue()
    running, todo, stop = 0, iter(items), threading.Event()
    pool = ThreadPoolExecutor(MOST_THREADS, initializer=lambda: setattr(_worker, "stop", stop))
    try:
        while True:
            for item in islice(todo, max(0, width() - running)):
                pool.submit(work, item).add_done_callback(ended.put)
                running += 1
            if not running:
                return
            try:
                future = ended.get(timeout=LOOKED_EVERY_S)
            except Empty:
                continue
            running -= 1
            yield future.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def stop_if_asked() -> None:
    """Long work calls this now and then: raises Stopped in a thread whose work is not wanted any more."""
    stop = getattr(_worker, "stop", None)
    if stop is not None and stop.is_set():
        raise Stopped
