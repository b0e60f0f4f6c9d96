"""Recordings of which all is known: which sounds, when, how loud, how fast, how often."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinyclap.data.procedural import animals, house, signals, weather
from tinyclap.data.procedural.classes import SOUNDS
from tinyclap.data.procedural.dataset import PEAK, record
from tinyclap.data.procedural.synthesis import INTERNAL_RATE, Rng, Wave, fade, place, seconds, sine, unit

VERSION = 1  # raise it whenever a scene sounds different than before
SALT = 0x9C0BE  # keeps these random streams apart from those of other generated sounds
EVERY_S = (0.45, 0.7)  # from one counted event to the next
FIRST_S = (0.1, 0.5)


@dataclass(frozen=True)
class Event:
    """Something that happens and is over, so that it can be counted.

    Attributes:
        one, several: in words, without their number.
        play: renders it once.
    """

    one: str
    several: str
    play: Callable[[Rng], Wave]


def _knock(rng: Rng) -> Wave:
    return house.knock(rng, rng.uniform(140, 330))


def _bark(rng: Rng) -> Wave:
    return animals.bark(rng, rng.uniform(260, 700))


def _stroke(rng: Rng) -> Wave:
    bell, clapper = signals.bell_stroke(rng, rng.uniform(250, 420))
    return place(seconds(0.6), [(0, bell), (0, clapper)]) * fade(seconds(0.6), 0.001, 0.3)


def _blow(rng: Rng) -> Wave:
    return place(seconds(0.4), [(0, part) for part in house.hammer_blow(rng, rng.uniform(1300, 2600))])


def _drop(rng: Rng) -> Wave:
    return weather.drop(rng, rng.uniform(700, 2200))


def _beep(rng: Rng) -> Wave:
    s = seconds(rng.uniform(0.12, 0.25))
    return sine(s, rng.uniform(700, 2400)) * fade(s, 0.005, 0.02)


EVENTS = {
    "knock": Event("knock on a door", "knocks on a door", _knock),
    "bark": Event("bark of a dog", "barks of a dog", _bark),
    "stroke": Event("stroke of a church bell", "strokes of a church bell", _stroke),
    "blow": Event("blow of a hammer", "blows of a hammer", _blow),
    "drop": Event("drop of water", "drops of water", _drop),
    "beep": Event("beep", "beeps", _beep),
}


@dataclass(frozen=True)
class Part:
    """A sound in a scene.

    Attributes:
        label: a class of generated sounds; or of an event, one of `EVENTS`.
        begin, end: shares of the scene.
        level_db: relative to the other parts, whose root mean square is the same else.
        pace: where in the span of its class's `pace`, 0 (slowest) to 1; None draws it.
        count: of events; 0 for a class.
    """

    label: str
    begin: float = 0.0
    end: float = 1.0
    level_db: float = 0.0
    pace: float | None = None
    count: int = 0


@dataclass(frozen=True)
class Scene:
    """A recording; scenes of the same parts and another key are other recordings of the same.

    Attributes:
        parts: that sound in it.
        key: with the seed, decides all that is drawn.
    """

    parts: tuple[Part, ...]
    key: tuple[int, ...]


def render(scene: Scene, seed: int, duration_s: float) -> Wave:
    """The recording of a scene at INTERNAL_RATE: float32 (round(duration_s * INTERNAL_RATE),), peak at most 0.99.

    Args:
        scene: to render.
        seed: 0 or more; other seeds give other recordings.
        duration_s: length.
    """
    rng = np.random.default_rng([SALT, VERSION, seed, *scene.key])
    dry = np.zeros(round(duration_s * INTERNAL_RATE))
    for part in scene.parts:
        first, last = (round(share * len(dry)) for share in (part.begin, part.end))
        stretch = np.arange(last - first) / INTERNAL_RATE
        wave = _counted(part, rng, stretch) if part.count else _of_class(part, rng, stretch)
        dry[first:last] += unit(wave) * fade(stretch, 0.005, 0.05) * 10 ** (part.level_db / 20)
    return record(rng, dry).clip(-PEAK, PEAK).astype(np.float32)


def _of_class(part: Part, rng: Rng, t: Wave) -> Wave:
    """A class on a time axis."""
    source = SOUNDS[part.label]
    drawn = {name: span.draw(rng)[0] for name, span in source.spans.items()}
    if part.pace is not None:
        span = source.spans["pace"]
        drawn["pace"] = span.low * (span.high / span.low) ** part.pace
    return source.play(rng, t, **drawn)


def _counted(part: Part, rng: Rng, t: Wave) -> Wave:
    """An event as often as it is said, at nearly even distances."""
    event, step = EVENTS[part.label], rng.uniform(*EVERY_S)
    state = rng.integers(2**32)  # each time the same knuckle on the same door
    starts = rng.uniform(*FIRST_S) + step * (np.arange(part.count) + rng.normal(0, 0.03, part.count).clip(-0.1, 0.1))
    return place(t, [(max(0.0, at), event.play(np.random.default_rng(state))) for at in starts])
