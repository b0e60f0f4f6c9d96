"""Work made ahead ends when nobody wants it any more."""

import threading

import pytest

from tinyclap.common.parallel import Stopped, as_they_end, prepared_ahead, stop_if_asked


def test_in_order() -> None:
    assert list(prepared_ahead(lambda item: item * item, range(20), workers=3)) == [item * item for item in range(20)]


def test_as_they_end_a_slow_one_keeps_nobody_waiting() -> None:
    others = threading.Event()

    def work(item: int) -> int:
        assert item or others.wait(60)
        return item

    found = []
    for item in as_they_end(work, range(20), lambda: 2):
        found.append(item)
        if len(found) == 19:
            others.set()
    assert found[-1] == 0
    assert sorted(found) == [*range(20)]


def test_as_they_end_no_more_are_begun_than_the_width_says() -> None:
    begun, go = [], threading.Semaphore(0)

    def work(item: int) -> int:
        begun.append(item)
        assert go.acquire(timeout=60)
        return item

    seen = []
    ended = as_they_end(work, range(9), lambda: 3)
    for _ in range(9):
        go.release()
        next(ended)
        seen.append(len(begun))
    assert all(count <= done + 3 for done, count in enumerate(seen, 1))
    assert sorted(begun) == [*range(9)]


def test_as_they_end_an_error_ends_all() -> None:
    with pytest.raises(ZeroDivisionError):
        list(as_they_end(lambda item: 1 // (5 - item), range(1000), lambda: 2))


def test_long_work_ends_at_its_next_question_after_ctrl_c() -> None:
    began, ended = threading.Event(), threading.Event()

    def endless(item: int) -> int:
        if item == 0:
            return item
        began.set()
        try:
            while True:
                stop_if_asked()
        except Stopped:
            ended.set()
            raise

    def interrupted() -> None:
        for _ in prepared_ahead(endless, [0, 1]):
            assert began.wait(60)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ended.wait(60)


def test_outside_of_a_pool_nothing_asks() -> None:
    stop_if_asked()
