"""Sounds of traffic and machines."""

import numpy as np

from tinyclap.data.procedural.synthesis import (
    Rng,
    Span,
    Wave,
    beats,
    burst,
    cycles,
    gate,
    noise,
    place,
    sine,
    sound,
    tone,
    wander,
)


@sound(
    "a siren wailing {pace}",
    "the {pitch_hz} siren of an ambulance",
    "a police car passing with its siren on",
    "an emergency siren rising and falling {pace}",
    pitch_hz=Span(450, 900, ("low", "", "high")),
    pace=Span(0.25, 3, ("slowly", "", "fast")),
    sweep=Span(1.5, 2.2),
)
def siren(rng: Rng, t: Wave, pitch_hz: float, pace: float, sweep: float) -> Wave:
    """A tone whose pitch swings up and down without a stop."""
    swing = 0.5 + 0.5 * sine(t + rng.uniform(0, 1 / pace), pace)
    return tone(t, pitch_hz * sweep**swing, {500: 0, 1500: -8, 3000: -14, 8000: -35})


@sound(
    "a car horn honking",
    "a {pitch_hz} car horn",
    "a driver honks the horn {manner}",
    "a car honking {manner}",
    pitch_hz=Span(300, 480, ("low", "", "high")),
    manner=Span(0.2, 1.5, ("impatiently", "", "for a long time")),
)
def car_horn(rng: Rng, t: Wave, pitch_hz: float, manner: float) -> Wave:
    """Two blaring notes a third apart, held steady."""
    chord = sum(tone(t, note, {200: -10, 800: -2, 2500: 0, 9000: -22}) for note in (pitch_hz, 1.25 * pitch_hz))
    pause = rng.uniform(0.15, 0.5)
    return chord * gate(t, 1 / (manner + pause), manner / (manner + pause), 0.015)


@sound(
    "a {pace} car engine",
    "the engine of a car {pace}",
    "a motor running",
    "a car with its engine {pace}",
    pace=Span(28, 80, ("idling", "running", "revving")),
    roughness=Span(0.05, 0.3),
)
def engine(rng: Rng, t: Wave, pace: float, roughness: float) -> Wave:
    """Low exhaust pulses, a few dozen a second, gliding with the throttle."""
    rate = pace * wander(rng, t, 0.7, 0.75, 1.6) * wander(rng, t, 20, 0.994, 1.006)
    exhaust = tone(t, rate, {40: -6, 90: 0, rng.uniform(200, 400): -1, 900: -12, 4000: -36})
    turns = cycles(t, rate)
    return exhaust + roughness * noise(rng, t, {80: -4, 300: 0, 1200: -14, 5000: -40}) * (turns - np.floor(turns))


@sound(
    "a {distance} helicopter",
    "a {distance} helicopter flying in circles",
    "the {pace} beat of helicopter rotor blades",
    "a helicopter hovering, blades chopping the air",
    distance=Span(0.15, 1, ("distant", "", "nearby")),
    pace=Span(8, 16, ("slow", "", "fast")),
)
def helicopter(rng: Rng, t: Wave, distance: float, pace: float) -> Wave:
    """Blades chop the noise of the air into thuds, over the whine of the turbine."""
    turns = pace * t + rng.random()
    chop = np.exp(-5 * (turns - np.floor(turns)))
    air = noise(rng, t, {50: -2, 120: 0, 500: -8, 2500 * distance: -16, 6000: -34})
    whine = sine(t, rng.uniform(1800, 3200) * wander(rng, t, 2, 0.99, 1.01))
    return (chop + 0.08) * air * wander(rng, t, 0.7, 0.6, 1) + 0.03 * distance * whine


@sound(
    "a {pace} train passing",
    "a {pace} train clattering over the rails",
    "the clickety-clack of a {pace} train",
    "a train rolling along the track",
    pace=Span(0.7, 1.8, ("slow", "", "fast")),
    rumble=Span(0.3, 0.8),
)
def train(rng: Rng, t: Wave, pace: float, rumble: float) -> Wave:
    """Each rail joint is hit by two pairs of wheels, over the rumble of the carriages and the hum of the rails."""
    clack = burst(rng, 0.022, {90: -4, 250: -4, rng.uniform(700, 1300): 0, 3500: -14, 9000: -35})
    wheels = ((0, 1), (0.13, 0.85), (0.42, 0.9), (0.55, 0.75))
    clatter = [(at + delay / pace, size * clack) for at in beats(rng, t, pace, 0.01) for delay, size in wheels]
    rails = noise(rng, t, {40: -4, 110: 0, 300: -8, 900: -18, 3000: -38}) * wander(rng, t, 5, 0.6, 1)
    return place(t, clatter) + rumble * rails


@sound(
    "a chainsaw {effort}",
    "a chainsaw cutting down a tree",
    "someone working with a chainsaw",
    "a chainsaw {effort} in the forest",
    effort=Span(85, 150, ("biting into wood", "running", "screaming at full throttle")),
    revs=Span(0.5, 1.3),
)
def chainsaw(rng: Rng, t: Wave, effort: float, revs: float) -> Wave:
    """A small two-stroke engine, bright and rasping, that is revved and let go."""
    throttle = gate(t + rng.random(), revs, 0.7, 0.18)
    pitch = effort * (0.55 + 0.5 * throttle) * wander(rng, t, 25, 0.97, 1.03)
    rasp = tone(t, pitch, {100: -8, 300: 0, 1200: -2, 3500: -3, 9000: -14})
    chain = noise(rng, t, {800: -20, 3000: 0, 8000: -4}) * (0.3 + throttle)
    return rasp * (0.35 + throttle) + 0.4 * chain


@sound(
    "a {pitch_hz} vacuum cleaner",
    "someone vacuuming the carpet",
    "the {pitch_hz} whine of a vacuum cleaner",
    "a vacuum cleaner {state}",
    pitch_hz=Span(420, 900, ("deep", "", "shrill")),
    state=Span(1, 100, ("starting up", "running", "running")),
)
def vacuum_cleaner(rng: Rng, t: Wave, pitch_hz: float, state: float) -> Wave:
    """Rushing air and the whine of the motor, which spins up and then stays; moving the nozzle colours the air."""
    spin = 1 - np.exp(-t * state)
    air = noise(rng, t, {100: -14, 400: -4, rng.uniform(900, 1800): 0, 5000: -6, 14000: -18})
    whine = tone(t, np.maximum(20, pitch_hz * spin), {pitch_hz: 0, 2 * pitch_hz: -3, 8 * pitch_hz: -16})
    return spin**2 * (air * wander(rng, t, 1.5, 0.75, 1) + rng.uniform(0.35, 0.9) * whine)


@sound(
    "a {brightness} electric hum",
    "the mains hum of a transformer",
    "electricity buzzing and humming steadily",
    "a {brightness} steady hum from an electrical cabinet",
    brightness=Span(0.5, 2, ("dull", "", "buzzing")),
)
def electric_hum(rng: Rng, t: Wave, brightness: float) -> Wave:
    """Twice the mains frequency of 50 or 60 Hz and its multiples, perfectly steady."""
    mains_hz = float(rng.choice([50, 60]))
    hum = tone(t, 2 * mains_hz, {100: 0, 300: -5, 800: -14 / brightness, 2500: -28 / brightness, 9000: -70})
    return hum + 0.3 * sine(t, mains_hz)
