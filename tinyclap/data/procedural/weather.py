"""Sounds of weather, fire and water."""

import numpy as np

from tinyclap.data.procedural.synthesis import (
    Rng,
    Span,
    Wave,
    beats,
    burst,
    fade,
    filtered,
    length,
    noise,
    place,
    scatter,
    seconds,
    sine,
    sound,
    wander,
)


@sound(
    "{density} rain falling",
    "{density} rain pattering on a roof",
    "the steady hiss of {density} rain",
    "raindrops falling during a {density} shower of rain",
    density=Span(150, 1500, ("light", "", "heavy")),
    brightness=Span(0.7, 1.4),
)
def rain(rng: Rng, t: Wave, density: float, brightness: float) -> Wave:
    """A hiss of far drops, and near drops one by one."""
    drops = np.zeros(len(t))
    size = max(1, int(density * length(t)))
    drops[rng.integers(0, len(t), size)] = rng.exponential(1, size) ** 2
    patter = filtered(drops, {500: -40, 2500 * brightness: 0, 9000: -3})
    return noise(rng, t, {150: -35, 900: -14, 4500 * brightness: 0, 14000: -6}) + 0.8 * patter


@sound(
    "{closeness} thunder rumbling",
    "a {closeness} clap of thunder",
    "thunder rolling across the sky",
    "{closeness} thunder in a storm",
    closeness=Span(0.2, 2, ("distant", "", "close")),
    roll_s=Span(0.7, 2),
)
def thunder(rng: Rng, t: Wave, closeness: float, roll_s: float) -> Wave:
    """A crack, then the rumble of ever farther parts of the lightning; distance eats the high frequencies."""
    first = rng.uniform(0, 0.15) * length(t)
    claps = first + np.append(0, rng.exponential(0.7, 6).cumsum())
    rolling = np.exp(-seconds(4 * roll_s) / roll_s)
    envelope = place(t, [(clap, rolling * rng.uniform(0.2, 1)) for clap in claps])
    rumble = noise(rng, t, {30: -6, 80: 0, 250: -8, 1500: -45}) * envelope * wander(rng, t, 9, 0.3, 1)
    crack = burst(rng, 0.12, {60: -5, 600: 0, 6000: -14})
    return rumble + closeness * place(t, [(first + rng.exponential(0.03), crack * 0.7**echo) for echo in range(5)])


@sound(
    "{gusts} wind blowing",
    "the howling of {gusts} wind",
    "wind whistling around a house",
    "gusts of {gusts} wind",
    gusts=Span(0.4, 2, ("gentle", "", "stormy")),
    howl_hz=Span(300, 800),
)
def wind(rng: Rng, t: Wave, gusts: float, howl_hz: float) -> Wave:
    """Low noise in gusts; edges whistle, higher when the wind is faster."""
    gust = wander(rng, t, gusts, 0.1, 1)
    howl = sine(t, howl_hz * (0.6 + 0.8 * gust)) * wander(rng, t, 60, -1, 1)
    return gust * noise(rng, t, {50: -3, 150: 0, 500: -14, 2000: -45}) + 0.5 * gust**2 * howl


@sound(
    "{pace} waves breaking on a beach",
    "sea waves rolling onto the shore",
    "the surf of the sea, {pace} waves coming and going",
    "ocean waves washing ashore",
    pace=Span(0.2, 0.6, ("slow", "", "quick")),
    foam=Span(0.3, 1.5),
)
def sea_waves(rng: Rng, t: Wave, pace: float, foam: float) -> Wave:
    """Each wave swells, breaks into white foam and runs out."""
    wave = t * pace + rng.uniform(0.2, 0.9)
    swell = np.interp(wave - np.floor(wave), [0, 0.3, 0.45, 1], [0.02, 0.3, 1, 0.02]) ** 1.5
    surf = noise(rng, t, {80: -8, 400: 0, 2000: -6 / foam, 10000: -22 / foam})
    return swell * surf + 0.05 * noise(rng, t, {60: 0, 300: -6, 1500: -40})


@sound(
    "a {crackles} crackling fire",
    "wood crackling in a {crackles} fire",
    "a campfire burning and popping",
    "the crackle of burning logs in a fireplace",
    crackles=Span(6, 35, ("calm", "", "lively")),
    roar=Span(0.2, 0.8),
)
def crackling_fire(rng: Rng, t: Wave, crackles: float, roar: float) -> Wave:
    """Pops of bursting sap, few loud and many soft, over the low roar of the flames."""
    pops = [burst(rng, decay_s, {300: -25, hertz: 0, 12000: -6}) for decay_s, hertz in ((0.002, 1500), (0.006, 4000))]
    times = scatter(rng, t, crackles)
    sizes = rng.pareto(1.3, len(times)).clip(0.05, 6)
    crackle = place(t, [(at, size * pops[rng.integers(2)]) for at, size in zip(times, sizes, strict=True)])
    return crackle + roar * noise(rng, t, {40: -4, 120: 0, 400: -16, 2000: -42}) * wander(rng, t, 6, 0.4, 1)


@sound(
    "water dripping {pace}",
    "drops of water falling {pace} into a sink",
    "a leaking tap dripping water",
    "water drops falling one by one",
    pace=Span(1, 6, ("slowly", "", "quickly")),
    pitch_hz=Span(700, 2200),
)
def water_drops(rng: Rng, t: Wave, pace: float, pitch_hz: float) -> Wave:
    """Each drop traps an air bubble, which sings higher as it rises to the surface."""
    return place(t, [(at, drop(rng, pitch_hz)) for at in beats(rng, t, pace, jitter=0.2)])


def drop(rng: Rng, pitch_hz: float) -> Wave:
    """One drop of water falling into water."""
    s = seconds(0.25)
    rising = pitch_hz * rng.uniform(0.7, 1.5) * (1 + rng.uniform(2, 8) * s)
    return rng.uniform(0.4, 1) * sine(s, rising) * np.exp(-s / rng.uniform(0.02, 0.05)) * fade(s, 0.002, 0.01)


@sound(
    "water being poured into a {size} glass",
    "pouring water, the tone rising as the {size} glass fills",
    "someone pours water",
    "a {size} bottle being filled with water",
    size=Span(0.6, 2, ("large", "", "small")),
    splash=Span(0.1, 0.4),
)
def pouring_water(rng: Rng, t: Wave, size: float, splash: float) -> Wave:
    """Bubbling noise around the resonance of the air column, which shortens as the vessel fills."""
    resonance = 450 * size * (1 + 2.5 * (t / length(t)) ** 1.5)
    bubbles = [
        sine(t, overtone * resonance * wander(rng, t, 70, 0.85, 1.15)) * wander(rng, t, 110, -1, 1) / overtone
        for overtone in (1, 3)
    ]
    return sum(bubbles) + splash * noise(rng, t, {600: -30, 3000: 0, 9000: -6}) * wander(rng, t, 15, 0.4, 1)
