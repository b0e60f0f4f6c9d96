"""Sounds of things handled in the house and the workshop."""

import numpy as np

from tinyclap.data.procedural.synthesis import (
    Rng,
    Span,
    Wave,
    beats,
    bouts,
    burst,
    cycles,
    fade,
    filtered,
    formants,
    length,
    noise,
    place,
    ring,
    scatter,
    seconds,
    sine,
    sound,
    unit,
    wander,
)


@sound(
    "a {pace} knock on a wooden door",
    "{pace} knocking on a wooden door",
    "someone knocking at the door",
    "{pace} knocks on a heavy door",
    pace=Span(2.8, 6.5, ("slow", "", "fast")),
    panel_hz=Span(140, 330),
)
def door_knock(rng: Rng, t: Wave, pace: float, panel_hz: float) -> Wave:
    """A few knuckle raps on a panel that resonates like wood, then waiting."""
    groups = bouts(rng, t, int(rng.integers(3, 6)), 1 / pace, 0.9)
    return place(t, [(at, knock(rng, panel_hz)) for group in groups for at in group])


def knock(rng: Rng, panel_hz: float) -> Wave:
    """One knock on a panel of this pitch."""
    panel = ring(panel_hz * np.array([1, 1.6, 2.3, 3.9]) * rng.uniform(0.98, 1.02), 0.028)
    return rng.uniform(0.7, 1) * place(
        seconds(0.15), [(0, panel), (0, burst(rng, 0.005, {300: 0, 1800: -3, 5000: -30}))]
    )


@sound(
    "a door creaking {pace}",
    "the creak of a wooden door",
    "an old door creaks on its hinges",
    "a squeaky door opening {pace}",
    pace=Span(0.5, 1.3, ("slowly", "", "quickly")),
    panel_hz=Span(450, 900),
)
def door_creak(rng: Rng, t: Wave, pace: float, panel_hz: float) -> Wave:
    """The hinge sticks and slips: a rattle of pulses that speeds up into a groan and slows down again."""

    def creak() -> Wave:
        """One swing of the door, a click for each slip of the hinge."""
        s = seconds(1.1 / pace * rng.uniform(0.8, 1.2))
        slips = np.exp(np.interp(s / s[-1], [0, 0.35, 0.7, 1], np.log([25, 120, 160, 30]))) * wander(
            rng, s, 25, 0.8, 1.25
        )
        resonances = formants(panel_hz, 2.2 * panel_hz, 4.7 * panel_hz)
        clicks = np.diff(np.floor(cycles(s, slips)), prepend=0)
        return filtered(clicks, resonances) * fade(s, 0.05, 0.1)

    return place(t, [(at, creak()) for at in beats(rng, t, 0.6 * pace, 0.1)])


@sound(
    "glass breaking",
    "a {size} glass shattering on the floor",
    "a {size} window being smashed, glass breaking",
    "the crash of breaking glass",
    size=Span(8, 50, ("small", "", "large")),
    pitch_hz=Span(2200, 3800),
)
def glass_breaking(rng: Rng, t: Wave, size: float, pitch_hz: float) -> Wave:
    """A crash, then shards that fall and ring, each high and out of tune with the rest."""

    def shard() -> Wave:
        partials = pitch_hz * rng.uniform(0.8, 1.6) * np.array([1, rng.uniform(1.5, 2), rng.uniform(2.2, 3)])
        return rng.uniform(0.1, 0.8) * ring(partials.clip(max=12000), rng.uniform(0.015, 0.09))

    crash = rng.uniform(0, 0.35) * length(t)
    shards = [(crash + rng.exponential(0.35), shard()) for _ in range(int(size))]
    return place(t, [(crash, 0.8 * burst(rng, 0.06, {700: -25, 4000: 0, 12000: -3})), *shards])


@sound(
    "{pace} typing on a keyboard",
    "someone typing on a computer keyboard",
    "the {pace} clicking of keyboard keys",
    "{pace} keyboard typing in an office",
    pace=Span(4, 11, ("slow", "", "fast")),
    pitch_hz=Span(2000, 4500),
)
def keyboard_typing(rng: Rng, t: Wave, pace: float, pitch_hz: float) -> Wave:
    """Every key clicks twice, going down and, softer, coming up; words are separated by short breaks."""

    def key() -> Wave:
        click = burst(rng, 0.004, {150: -35, 500: -20, pitch_hz * rng.uniform(0.8, 1.25): 0, 12000: -8})
        return rng.uniform(0.5, 1) * place(seconds(0.16), [(0, click), (rng.uniform(0.06, 0.11), 0.4 * click)])

    typed = [at for at in beats(rng, t, pace, 0.2) if rng.random() < 0.85] or [0.0]
    return place(t, [(at, key()) for at in typed])


@sound(
    "{pace} sawing of wood by hand",
    "a hand saw cutting wood with {pace} strokes",
    "a carpenter sawing a plank by hand",
    "the {pace} back and forth of a saw in wood",
    pace=Span(0.8, 2, ("slow", "steady", "quick")),
    teeth_hz=Span(70, 160),
)
def hand_saw(rng: Rng, t: Wave, pace: float, teeth_hz: float) -> Wave:
    """Each push rasps, each pull is softer and duller; the teeth make the noise rattle, fastest in mid-stroke."""
    stroke = sine(t, pace)
    speed = np.abs(stroke)
    teeth = 0.35 + 0.65 * np.maximum(0, sine(t, 20 + teeth_hz * speed))
    push = noise(rng, t, {300: -25, 900: -8, rng.uniform(2500, 5000): 0, 10000: -10}) * (stroke > 0)
    pull = noise(rng, t, {200: -25, 700: -4, 1800: 0, 5000: -14}) * (stroke < 0)
    return teeth * np.clip(1.5 * speed - 0.3, 0, 1) * (push + 0.5 * pull)


@sound(
    "{pace} hammering on a nail",
    "{pace} hammer blows on metal",
    "someone hammering in a workshop",
    "the {pace} strokes of a hammer",
    pace=Span(1.2, 3.2, ("slow", "", "quick")),
    pitch_hz=Span(1300, 2600),
)
def hammering(rng: Rng, t: Wave, pace: float, pitch_hz: float) -> Wave:
    """Steel on steel: a hard thud and a clang of partials that are no multiples of each other."""
    blow = hammer_blow(rng, pitch_hz)
    blows = [(at, rng.uniform(0.7, 1)) for at in beats(rng, t, pace, 0.05)]
    return place(t, [(at, size * part) for part in blow for at, size in blows])


def hammer_blow(rng: Rng, pitch_hz: float) -> tuple[Wave, Wave]:
    """What a blow of a hammer on steel consists of: its clang and its thud."""
    clang = unit(ring(pitch_hz * np.array([1, 1.47, 2.09, 2.56, 3.9]) * rng.uniform(0.95, 1.05, 5), 0.07))
    return clang, 2 * burst(rng, 0.02, {80: 0, 250: -4, 1500: -12, 6000: -18})


@sound(
    "fireworks, {size} rockets exploding",
    "a {size} firework rocket whistling up and bursting",
    "fireworks banging and crackling in the sky",
    "the whistle and bang of {size} fireworks",
    size=Span(0.25, 0.7, ("small", "", "big")),
    climb_s=Span(0.5, 1.1),
)
def fireworks(rng: Rng, t: Wave, size: float, climb_s: float) -> Wave:
    """A rocket whistles up, bursts with a bang, and its stars crackle."""
    s = seconds(climb_s)
    whistle = 0.25 * sine(s, 1300 * 2.2 ** (s / climb_s) * (1 + 0.01 * sine(s, 30))) * fade(s, 0.2, 0.05)
    bang = burst(rng, size / 2, {50: 0, 200: -2, 1500: -16, 8000: -34})
    pop = burst(rng, 0.004, {800: -20, 3000: 0, 9000: -3})
    events: list[tuple[float, Wave]] = []
    for start in beats(rng, t, 1 / (climb_s + 1.2), 0.1):
        stars = start + climb_s + 0.25 + scatter(rng, seconds(0.8), 40)
        events += [(start, whistle), (start + climb_s, bang), *((at, rng.uniform(0.05, 0.6) * pop) for at in stars)]
    return place(t, events)
