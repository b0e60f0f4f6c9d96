"""Work done ahead by threads while its results are used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def prepared_ahead(prepare: Callable[[Any], Any], items: Iterable[Any], workers: int = 1) -> Iterator[Any]:
    """`prepare(item)` for every item, in order, made by threads while those before it are used."""
    futures: deque[Future[Any]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            futures.append(pool.submit(prepare, item))
            if len(futures) > workers:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for what is being made, not for what is queued
