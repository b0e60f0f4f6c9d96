"""What long work says on stderr: plain lines in a log, a bar in a terminal."""

import sys

import pytest

from tinyclap.common.progress import Progress, counted


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds, set by the test."""
    now = [100.0]
    monkeypatch.setattr("tinyclap.common.progress.time.monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_plain_line_now_and_then(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("distil", 3_000, "step", done=1_000) as counter:
        counter.update(500)
        assert capsys.readouterr().err == ""
        clock[0] += 75
        counter.update(1, "loss 0.5")
        assert capsys.readouterr().err == "distil: 1,501 of 3,000 steps, 1 min 15 s, loss 0.5\n"
        counter.update(1_499)
        assert capsys.readouterr().err == "", "one line in ten seconds"
        clock[0] += 1
    assert capsys.readouterr().err == "distil: 3,000 of 3,000 steps, 1 min 16 s, loss 0.5\n"


@pytest.mark.parametrize("total", [3, None])
def test_the_end_is_told_once(clock: list[float], capsys: pytest.CaptureFixture[str], total: int | None) -> None:
    with Progress("distil", total, "step") as counter:
        for _ in range(3):
            clock[0] += 10
            counter.update(1)
        clock[0] += 1
    counts = [line.split(",")[0] for line in capsys.readouterr().err.splitlines()]
    of = "" if total is None else " of 3"
    assert counts == [f"distil: {done}{of} steps" for done in (1, 2, 3)]


def test_bytes_and_an_unknown_total(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    for total, told in ((None, "1.21 MB"), (2_000_000, "1.21 MB of 2.00 MB")):
        with pytest.raises(OSError), Progress("x.zip", total, "B") as counter:  # noqa: PT012, PT011
            clock[0] += 10
            counter.update(1_213_440)
            raise OSError
        assert capsys.readouterr().err == f"x.zip: {told}, 10.0 s\n", "and nothing of an end that it did not reach"


def test_short_work_and_work_told_elsewhere_say_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    assert list(counted(iter("abc"), "decode", 3, "clip")) == ["a", "b", "c"]
    with Progress("distil", 2, "step", visible=False) as counter:
        clock[0] += 60
        counter.update(2)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress("distil", 2, "step") as counter:
        counter.update(2, "loss 0.5")
    shown = capsys.readouterr().err
    assert "distil: 100%" in shown
    assert "2/2" in shown
    assert "loss 0.5" in shown
