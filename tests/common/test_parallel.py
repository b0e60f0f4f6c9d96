"""Work made ahead ends when nobody wants it any more."""

import threading

import pytest

from tinyclap.common.parallel import Stopped, prepared_ahead, stop_if_asked


def test_in_order() -> None:
    assert list(prepared_ahead(lambda item: item * item, range(20), workers=3)) == [item * item for item in range(20)]


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
