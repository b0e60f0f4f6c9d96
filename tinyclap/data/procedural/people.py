"""Sounds that people make without words."""

import numpy as np

from tinyclap.data.procedural.synthesis import (
    Curve,
    Rng,
    Span,
    Wave,
    beats,
    bouts,
    burst,
    fade,
    formants,
    gate,
    length,
    melody,
    noise,
    place,
    ring,
    seconds,
    sine,
    sound,
    tone,
    unit,
    wander,
)


@sound(
    "a baby crying {pace}",
    "an infant wailing {pace}",
    "a newborn baby cries",
    "the {pitch_hz} cry of a baby",
    pitch_hz=Span(350, 520, ("low", "", "shrill")),
    pace=Span(0.7, 1.3, ("with long breaths", "", "without pause")),
)
def crying_baby(rng: Rng, t: Wave, pitch_hz: float, pace: float) -> Wave:
    """One wail per breath: the pitch rises, stays with a tremble, and falls; a gasp follows."""

    def wail() -> Wave:
        s = seconds(0.8 / pace)
        contour = np.interp(s / s[-1], [0, 0.15, 0.7, 1], [0.8, 1.1, 1.05, 0.75]) * rng.uniform(0.95, 1.05)
        tremble = 1 + 0.025 * sine(s, rng.uniform(6, 9))
        mouth: Curve = {200: -12, 1000: 0, 1800: -8, 3200: 0, 5000: -8, 9000: -30}
        return tone(s, pitch_hz * contour * tremble, mouth) * fade(s, 0.06, 0.12)

    gasp = 0.25 * burst(rng, 0.03, formants(1800))
    times = beats(rng, t, pace)
    return place(t, [(at, wail()) for at in times] + [(at + 0.86 / pace, gasp) for at in times])


@sound(
    "a {pitch_hz} laughing",
    "the laughter of a {pitch_hz}",
    "a {pitch_hz} laughs out loud",
    "a {pitch_hz} giggling and laughing",
    pitch_hz=Span(130, 380, ("man", "person", "woman")),
    pace=Span(4, 6.5),
)
def laughing(rng: Rng, t: Wave, pitch_hz: float, pace: float) -> Wave:
    """Ha-ha-ha: breath, then a short vowel, again and again, each lower and softer than the one before."""
    mouth = 1 + 0.3 * (pitch_hz - 130) / 250

    def ha(count: int) -> Wave:
        s = seconds(0.85 / pace)
        falling = 0.95**count * (1.1 - 0.3 * s / s[-1])
        vowel = tone(s, pitch_hz * falling, formants(800 * mouth, 1250 * mouth, 2800 * mouth)) * fade(s, 0.06, 0.08)
        breath = noise(rng, s, formants(1500 * mouth, 3500 * mouth)) * np.exp(-s / 0.05)
        return 0.93**count * (vowel + 0.35 * breath)

    laughs = bouts(rng, t, int(rng.integers(5, 10)), 1 / pace, 0.5)
    return place(t, [(at, ha(count)) for laugh in laughs for count, at in enumerate(laugh)])


@sound(
    "{loudness} snoring",
    "someone snoring {pace} in their sleep",
    "a man snores {pace}",
    "the {loudness} snore of a sleeping person",
    loudness=Span(0.3, 2, ("soft", "", "loud")),
    pace=Span(0.35, 0.6, ("slowly", "", "quickly")),
    flutter_hz=Span(24, 45),
)
def snoring(rng: Rng, t: Wave, loudness: float, pace: float, flutter_hz: float) -> Wave:
    """Breathing in makes the palate flutter; breathing out is a soft hiss."""
    flutter = tone(t, flutter_hz * wander(rng, t, 12, 0.85, 1.15), formants(280, 750, 1900))
    air = noise(rng, t, {200: -20, 700: 0, 2000: -6, 7000: -25})
    breathing_in, breathing_out = gate(t, pace, 0.42, 0.25), gate(t + 0.5 / pace, pace, 0.4, 0.35)
    return breathing_in * (flutter + 0.3 * air) + 0.25 / loudness * breathing_out * air


@sound(
    "a person whistling a {pace} tune",
    "someone whistles a {pace} melody",
    "cheerful human whistling",
    "a {pitch_hz} whistled tune",
    pitch_hz=Span(700, 1600, ("low", "", "high")),
    pace=Span(1.8, 4.5, ("slow", "", "quick")),
)
def whistling(rng: Rng, t: Wave, pitch_hz: float, pace: float) -> Wave:
    """A pure tone that glides from note to note, with a little vibrato and breath."""
    notes = pitch_hz * melody(rng, int(length(t) * pace) + 2)
    place_in_tune = t * pace
    eased = np.floor(place_in_tune) + np.clip((place_in_tune - np.floor(place_in_tune)) * 6 - 5, 0, 1)
    pitch = np.interp(eased, np.arange(len(notes)), notes) * (1 + 0.012 * sine(t, rng.uniform(4.5, 6.5)))
    tongue = 0.25 + 0.75 * gate(t, pace, 0.9, 0.04)
    return sine(t, pitch) * tongue + 0.03 * noise(rng, t, {500: -30, 1500: 0, 6000: -15})


@sound(
    "a {pace} heartbeat",
    "the beating of a {pace} heart",
    "the {pace} thump of a heart heard through a stethoscope",
    "a {pace} human heartbeat, lub-dub",
    pace=Span(0.8, 2, ("calm", "", "racing")),
    pitch_hz=Span(60, 95),
)
def heartbeat(rng: Rng, t: Wave, pace: float, pitch_hz: float) -> Wave:
    """Lub-dub: two soft low thuds, the valves closing, a third of a beat apart."""
    lub, dub = ring([pitch_hz, 1.5 * pitch_hz], 0.05), ring([1.3 * pitch_hz, 2.1 * pitch_hz], 0.035)
    times = beats(rng, t, pace, jitter=0.02)
    return place(t, [(at, lub) for at in times] + [(at + 0.32 / pace**0.5, 0.7 * dub) for at in times])


@sound(
    "{people} clapping {pace}",
    "hands clapping {pace}",
    "{people} applauding, clapping their hands",
    "hand claps of {people}",
    people=Span(1, 6, ("one person", "a few people", "a small audience")),
    pace=Span(2, 5, ("slowly", "", "fast")),
)
def hand_clapping(rng: Rng, t: Wave, people: float, pace: float) -> Wave:
    """Each person claps a beat of their own, with hands of their own size."""

    def claps(loudness: float) -> Wave:
        hands = burst(rng, rng.uniform(0.008, 0.018), {200: -30, rng.uniform(800, 1700): 0, 3500: -14, 9000: -38})
        times = beats(rng, t, pace * rng.uniform(0.9, 1.1), jitter=0.03)
        return place(t, [(at, loudness * rng.uniform(0.7, 1) * hands) for at in times])

    return claps(1) + sum((claps(rng.uniform(0.4, 0.8)) for _ in range(int(people) - 1)), np.zeros(len(t)))


@sound(
    "{pace} footsteps {ground}",
    "the {pace} steps of someone walking {ground}",
    "footsteps {ground}",
    "a person walks {ground} with {pace} steps",
    pace=Span(1.3, 3.2, ("slow", "steady", "hurried")),
    ground=Span(0.06, 1.2, ("on carpet", "on a wooden floor", "on gravel")),
)
def footsteps(rng: Rng, t: Wave, pace: float, ground: float) -> Wave:
    """Heel, then toe: a dull thud and a scuff, louder on looser ground; the two feet differ a little."""

    def step(foot: int) -> Wave:
        heel = unit(ring([75 + 8 * foot, 130, 210], 0.03)) * fade(seconds(0.15), 0.002, 0.02)
        crunch = seconds(rng.uniform(0.12, 0.2))
        scuff = noise(rng, crunch, {400: -25, 1800: -2, 5000: 0, 12000: -8}) * wander(rng, crunch, 120, 0, 1) ** 2
        return place(seconds(0.35), [(0, heel), (0.07, ground * scuff * fade(crunch, 0.02, 0.08))])

    return place(t, [(at, step(count % 2)) for count, at in enumerate(beats(rng, t, pace))])
