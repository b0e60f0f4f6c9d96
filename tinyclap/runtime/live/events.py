"""From an answer every hop to events: sounds that began and ended."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tinyclap.common.checks import is_count, is_number
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.judge import DEFAULT_THRESHOLD, Answer


@dataclass(frozen=True)
class Event:
    """A sound with a beginning and an end.

    Attributes:
        label: what it is.
        start_s: when the first window that holds it got its newest sound: the time of the window before.
        end_s: time of the last window that holds it; None while it goes on.
        score: the highest of these windows, see `judge.Judge`; their highest probability where there are no scores.
        windows: how many hold it, those before it was confirmed among them.
    """

    label: str
    start_s: float
    end_s: float | None
    score: float
    windows: int

    def as_object(self) -> dict[str, Any]:
        """For JSON; times in milliseconds."""
        end_s = None if self.end_s is None else round(self.end_s, 3)
        return {**asdict(self), "start_s": round(self.start_s, 3), "end_s": end_s, "score": round(self.score, 6)}


class Events:
    """Turns answers into events, each label for itself.

    A label's event begins as soon as `needed` of the last `among` windows hold it, and ends as soon as none of them
    does. No new one of the same label begins within `hold_off_s` after the end: windows within it count for nothing.

    Args:
        needed, among: how many windows confirm an event, of how many.
        hold_off_s: seconds.

    Raises:
        TinyclapError: numbers out of range.
    """

    def __init__(self, needed: int = 1, among: int = 1, hold_off_s: float = 0.0) -> None:
        if not (is_count(needed) and is_count(among) and needed <= among):
            raise TinyclapError(f"{needed} of {among} windows cannot confirm an event; give e.g. 2/3")
        if not (is_number(hold_off_s) and hold_off_s >= 0):
            raise TinyclapError(f"hold_off_s is {hold_off_s}: it must be 0 or more seconds")
        self._needed, self._among, self._hold_off_s = needed, among, hold_off_s
        self._before_s = 0.0
        self._labels: dict[str, _Label] = {}

    def add(self, time_s: float, detected: Mapping[str, float]) -> list[Event]:
        """What begins and what ends with a window.

        Args:
            time_s: end of the window, later than those before.
            detected: the labels that it holds, with their scores.

        Returns:
            Events that begin, whose end is None, and events that end; these first.
        """
        for label in detected:
            self._labels.setdefault(label, _Label(self._among))
        ended, begun = [], []
        for label, state in self._labels.items():
            if time_s <= state.held_until_s:
                continue
            state.recent.append((self._before_s, time_s, detected[label]) if label in detected else None)
            hits = [window for window in state.recent if window is not None]
            if state.event is None:
                if len(hits) >= self._needed:
                    begun.append(state.begin(label, hits))
                continue
            if label in detected:
                state.extend(time_s, detected[label])
            if not hits:
                ended.append(state.end(self._hold_off_s))
        self._before_s = time_s
        return ended + begun

    def finish(self) -> list[Event]:
        """The events that still went on when the sound ended."""
        return [state.end(self._hold_off_s) for state in self._labels.values() if state.event is not None]


class _Label:
    """Where a label stands."""

    def __init__(self, among: int) -> None:
        self.recent: deque[tuple[float, float, float] | None] = deque(maxlen=among)  # start, end, score of those hit
        self.event: Event | None = None
        self.held_until_s = -1.0
        self._last_s = 0.0

    def begin(self, label: str, hits: Sequence[tuple[float, float, float]]) -> Event:
        self._last_s = hits[-1][1]
        self.event = Event(label, hits[0][0], None, max(score for _, _, score in hits), len(hits))
        return self.event

    def extend(self, time_s: float, score: float) -> None:
        assert self.event is not None
        self.event = replace(self.event, score=max(score, self.event.score), windows=self.event.windows + 1)
        self._last_s = time_s

    def end(self, hold_off_s: float) -> Event:
        assert self.event is not None
        ended = replace(self.event, end_s=self._last_s)
        self.event, self.held_until_s = None, self._last_s + hold_off_s if hold_off_s else -1.0
        self.recent.clear()
        return ended


def events_of(answers: Iterable[tuple[float, Answer]], events: Events) -> Iterator[Event]:
    """What begins and what ends while answers come, and when they end: as `Events.add` and `finish` say."""
    for time_s, answer in answers:
        yield from events.add(time_s, detected_labels(answer))
    yield from events.finish()


def event_threshold(bundle: Bundle) -> float | None:
    """The score that a label must reach to be an event, where none is asked for.

    None for a bundle without background sounds: it finds a label in every answer.
    """
    return None if bundle.background is None else DEFAULT_THRESHOLD


def detected_labels(answer: Answer) -> dict[str, float]:
    """The labels of an answer with their scores: the best one or, judged on their own, all; else none."""
    if answer.outcome != "label":
        return {}
    scores = answer.scores or [entry.probability for entry in answer]
    found = {entry.label: score for entry, score in zip(answer, scores, strict=True)}
    return found if answer.multi_label else dict(list(found.items())[:1])


def needed_among(given: str) -> tuple[int, int]:
    """From "2/3" to 2 and 3; raises a TinyclapError for anything else."""
    parts = given.split("/")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise TinyclapError(f"confirm is {given!r}; give how many of how many answers, e.g. 2/3")
    return int(parts[0]), int(parts[1])
