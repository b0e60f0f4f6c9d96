"""Events, exactly: which windows confirm one, when it begins and ends, and what a hold-off holds off."""

import pytest

from tinyclap.errors import TinyclapError
from tinyclap.runtime.judge import Answer
from tinyclap.runtime.labels import Prediction
from tinyclap.runtime.live.events import Event, Events, detected_labels, events_of, needed_among


def told(events: Events, windows: str, label: str = "dog") -> list[tuple[str, float, float | None]]:
    """What becomes of a window a second; "x" hears the label. Each with the second in which it is told."""
    found = []
    for second, window in enumerate(windows, start=1):
        for event in events.add(float(second), {label: 0.9} if window == "x" else {}):
            found.append((f"{second}", event.start_s, event.end_s))
    return found + [("end", event.start_s, event.end_s) for event in events.finish()]


@pytest.mark.parametrize(
    ("needed", "among", "windows", "expected"),
    [
        (1, 1, "..xx.", [("3", 2, None), ("5", 2, 4)]),
        (1, 1, "x.x", [("1", 0, None), ("2", 0, 1), ("3", 2, None), ("end", 2, 3)]),
        (2, 2, ".x.x.xx..", [("7", 5, None), ("9", 5, 7)]),
        (2, 3, "x.x...", [("3", 0, None), ("6", 0, 3)]),
        (2, 3, "x..x..x", []),
        (2, 3, "xx.x..x..", [("2", 0, None), ("end", 0, 7)]),
        (3, 5, "x.x.x.x.....", [("5", 0, None), ("12", 0, 7)]),
        (1, 3, "x..x...", [("1", 0, None), ("7", 0, 4)]),
        (2, 3, "xx.....xx", [("2", 0, None), ("5", 0, 2), ("9", 7, None), ("end", 7, 9)]),
        (1, 1, "", []),
    ],
)
def test_confirmation(needed: int, among: int, windows: str, expected: list[tuple[str, float, float | None]]) -> None:
    assert told(Events(needed, among), windows) == expected


@pytest.mark.parametrize(
    ("hold_off_s", "expected"),
    [
        (0.0, [("1", 0, None), ("2", 0, 1), ("3", 2, None), ("4", 2, 3), ("6", 5, None), ("7", 5, 6)]),
        (1.5, [("1", 0, None), ("2", 0, 1), ("3", 2, None), ("4", 2, 3), ("6", 5, None), ("7", 5, 6)]),
        (2.0, [("1", 0, None), ("2", 0, 1), ("6", 5, None), ("7", 5, 6)]),
        (4.9, [("1", 0, None), ("2", 0, 1), ("6", 5, None), ("7", 5, 6)]),
        (5.0, [("1", 0, None), ("2", 0, 1)]),
    ],
)
def test_no_new_event_begins_within_the_hold_off(
    hold_off_s: float, expected: list[tuple[str, float, float | None]]
) -> None:
    assert told(Events(1, 1, hold_off_s), "x.x..x.") == expected


def test_windows_within_the_hold_off_confirm_nothing_later() -> None:
    found = told(Events(2, 2, hold_off_s=2.0), "xx..xxx..")
    assert found == [("2", 0, None), ("4", 0, 2), ("6", 4, None), ("9", 4, 7)]
    found = told(Events(2, 2, hold_off_s=3.0), "xx..xxx..")
    assert found == [("2", 0, None), ("4", 0, 2), ("7", 5, None), ("9", 5, 7)]


def test_each_label_stands_for_itself() -> None:
    events = Events(2, 2, hold_off_s=10.0)
    assert events.add(1.0, {"dog": 0.5, "cow": 0.7}) == []
    assert events.add(2.0, {"dog": 0.6}) == [Event("dog", 0.0, None, 0.6, 2)]
    assert events.add(3.0, {"dog": 0.4, "cow": 0.7}) == []
    assert events.add(4.0, {"cow": 0.9}) == [Event("cow", 2.0, None, 0.9, 2)]
    assert events.add(5.0, {}) == [Event("dog", 0.0, 3.0, 0.6, 3)]
    assert events.finish() == [Event("cow", 2.0, 4.0, 0.9, 2)]
    assert events.finish() == []


def test_times_are_those_of_the_answers() -> None:
    events = Events()
    assert events.add(0.25, {}) == []
    assert events.add(0.75, {"dog": 1.0}) == [Event("dog", 0.25, None, 1.0, 1)]
    (ended,) = events.add(3.1234567, {})
    assert ended.as_object() == {"label": "dog", "start_s": 0.25, "end_s": 0.75, "score": 1.0, "windows": 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((0, 1, 0.0), "0 of 1 windows cannot confirm an event"),
        ((3, 2, 0.0), "3 of 2 windows cannot confirm an event"),
        ((1, 1, -1.0), "hold_off_s is -1.0"),
        ((1, 1, float("nan")), "hold_off_s is nan"),
    ],
)
def test_settings_out_of_range(settings: tuple[int, int, float], message: str) -> None:
    with pytest.raises(TinyclapError, match=message):
        Events(*settings)


def test_what_is_typed() -> None:
    assert needed_among("2/3") == (2, 3)
    for typed in ("2", "2/", "/3", "2/3/4", "two/3", "-1/3", ""):
        with pytest.raises(TinyclapError, match="give how many of how many answers"):
            needed_among(typed)


def test_labels_that_an_answer_hears() -> None:
    both = [Prediction("dog", 0.5, 0.9), Prediction("cow", 0.4, 0.1)]
    assert detected_labels(Answer(both, outcome="label", level_dbfs=-20, scores=(0.99, 0.98))) == {"dog": 0.99}
    assert detected_labels(Answer(both, outcome="label", level_dbfs=-20)) == {"dog": 0.9}
    answer = Answer(both, outcome="label", level_dbfs=-20, scores=(0.99, 0.98), multi_label=True)
    assert detected_labels(answer) == {"dog": 0.99, "cow": 0.98}
    assert detected_labels(Answer(both, outcome="unknown", level_dbfs=-20, scores=(0.1, 0.1))) == {}
    assert detected_labels(Answer(outcome="silence", level_dbfs=-90)) == {}


def test_events_of_answers_end_with_them() -> None:
    def answer(label: str) -> Answer:
        return Answer([Prediction(label, 0.9, 0.9)], outcome="label", level_dbfs=-20, scores=(0.97,))

    silence = Answer(outcome="silence", level_dbfs=-90)
    answers = [(1.0, answer("dog")), (2.0, silence), (3.0, answer("cow"))]
    assert list(events_of(answers, Events())) == [
        Event("dog", 0.0, None, 0.97, 1),
        Event("dog", 0.0, 1.0, 0.97, 1),
        Event("cow", 2.0, None, 0.97, 1),
        Event("cow", 2.0, 3.0, 0.97, 1),
    ]
