"""The command that events set off: what it gets, and that nothing waits for it."""

import json
from pathlib import Path

import pytest

from tinyclap.runtime.live import hook as room
from tinyclap.runtime.live.events import Event
from tinyclap.runtime.live.hook import Hook, Hooks

EVENT = Event('glass; "breaking" $HOME', 1.25, 3.0, 0.99, 2)


@pytest.fixture
def lines() -> list[str]:
    return []


def test_it_gets_the_event(tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hook = Hook(
        'cat > in.json; printf %s "$TINYCLAP_LABEL|$TINYCLAP_START_S|$TINYCLAP_END_S|$TINYCLAP_SCORE" > env',
        lines.append,
    )
    hook(EVENT)
    hook.finish()
    assert json.loads((tmp_path / "in.json").read_text()) == EVENT.as_object()
    assert (tmp_path / "env").read_text() == f"{EVENT.label}|1.25|3.0|0.99"
    assert lines == []
    going_on = Event("dog", 1.0, None, 0.9, 1)
    hook(going_on)
    hook.finish()
    assert json.loads((tmp_path / "in.json").read_text())["end_s"] is None
    assert (tmp_path / "env").read_text() == "dog|1.0||0.9"


@pytest.mark.parametrize("command", ["exit 3", "cat > /dev/null; exit 3"])
def test_a_failure_is_told_once(lines: list[str], command: str) -> None:
    hook = Hook(command, lines.append)
    for _ in range(3):
        hook(EVENT)
        hook.finish()
    assert lines == [f"{command}: ends with 3; no further failure of it is told"]


def test_nothing_waits_for_it(tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_RUNNING", 2)
    monkeypatch.setattr(room, "PATIENCE_S", 0.0)
    gate, ran = tmp_path / "gate", tmp_path / "ran"
    hook = Hook(f"while [ ! -e {gate} ]; do sleep 0.02; done; echo >> {ran}", lines.append)
    for _ in range(4):
        hook(EVENT)  # returns, though the command waits for the gate
    hook.finish()
    assert [line.partition(": ")[2].partition(";")[0] for line in lines] == ["2 of it still run", "still runs"]
    assert not ran.exists()
    gate.touch()
    monkeypatch.setattr(room, "PATIENCE_S", 60.0)
    hook.finish()
    assert ran.read_text() == "\n\n"


def test_what_it_prints_is_no_answer(lines: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    hook = Hook("echo hello", lines.append)
    hook(EVENT)
    hook.finish()
    assert capfd.readouterr() == ("", "hello\n")


def test_a_command_that_is_none(lines: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    hook = Hook("no-such-command-here", lines.append)
    hook(EVENT)
    hook.finish()
    assert lines == ["no-such-command-here: ends with 127; no further failure of it is told"]
    assert "not found" in capfd.readouterr().err


def test_one_command_for_the_begin_and_one_for_the_end(tmp_path: Path, lines: list[str]) -> None:
    going_on = Event("dog", 1.0, None, 0.9, 1)
    with Hooks(f"cat >> {tmp_path / 'began'}", f"cat >> {tmp_path / 'ended'}", lines.append) as hooks:
        hooks(going_on)
        hooks(EVENT)
    assert json.loads((tmp_path / "began").read_text()) == going_on.as_object()
    assert json.loads((tmp_path / "ended").read_text()) == EVENT.as_object()
    with Hooks(None, None, lines.append) as hooks:
        hooks(EVENT)
    assert lines == []
