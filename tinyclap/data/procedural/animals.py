"""Sounds of animals."""

import numpy as np

from tinyclap.data.procedural.synthesis import (
    Rng,
    Span,
    Wave,
    beats,
    bouts,
    fade,
    formants,
    gate,
    noise,
    place,
    seconds,
    sine,
    sound,
    tone,
    wander,
)


@sound(
    "{pitch_hz} birdsong",
    "a small bird chirping {pace}",
    "the {pitch_hz} song of a bird in a tree",
    "birds tweeting in the morning",
    pitch_hz=Span(2300, 5500, ("low", "", "high")),
    pace=Span(4, 11, ("slowly", "", "fast")),
)
def birdsong(rng: Rng, t: Wave, pitch_hz: float, pace: float) -> Wave:
    """Phrases of one repeated syllable each, whose pitch slides or warbles."""

    def syllable() -> Wave:
        """One chirp: up, down, up and down, or a warble."""
        s = seconds(rng.uniform(0.4, 0.8) / pace)
        along = s / s[-1]
        warble = np.sin(2 * np.pi * rng.integers(2, 5) * along)
        bend = (along, 1 - along, np.sin(np.pi * along), warble)[rng.integers(4)]
        return sine(s, pitch_hz * rng.uniform(0.8, 1.3) * (1 + rng.uniform(0.1, 0.35) * bend)) * np.sin(np.pi * along)

    phrases = bouts(rng, t, int(rng.integers(3, 8)), 1 / pace, 0.4)
    return place(t, [(at, grain) for phrase in phrases for grain in [syllable()] for at in phrase])


@sound(
    "{pace} chirping of crickets",
    "a cricket chirping in the grass",
    "crickets chirping on a summer night",
    "the {pace} chirps of a cricket",
    pace=Span(0.8, 3.5, ("slow", "", "quick")),
    pitch_hz=Span(3800, 5800),
    wing_hz=Span(22, 45),
)
def crickets(rng: Rng, t: Wave, pace: float, pitch_hz: float, wing_hz: float) -> Wave:
    """One high pitch, switched by the strokes of the wings, in chirps; a second cricket sits farther away."""
    near, far = (
        sine(t, pitch_hz * detune) * np.maximum(0, sine(t, wing_hz * detune)) * gate(t + delay, pace * detune, 0.5)
        for detune, delay in ((1, 0), (rng.uniform(0.93, 1.07), 1))
    )
    return near + rng.uniform(0, 0.3) * far


@sound(
    "a {depth} frog croaking",
    "frogs croaking by a pond",
    "the {depth} croak of a frog",
    "a frog calls again and again",
    depth=Span(500, 1500, ("deep", "", "small")),
    pace=Span(0.8, 2.2),
    rattle_hz=Span(28, 60),
)
def frog_croak(rng: Rng, t: Wave, depth: float, pace: float, rattle_hz: float) -> Wave:
    """A quick rattle of pulses that make the throat resonate, swelling until it stops."""
    s = seconds(rng.uniform(0.35, 0.55) / pace)
    croak = tone(s, rattle_hz * (1 + 0.3 * s / s[-1]), formants(depth, 2.3 * depth)) * (s / s[-1]) * fade(s, 0.02, 0.02)
    return place(t, [(at, croak * rng.uniform(0.6, 1)) for at in beats(rng, t, pace, jitter=0.06)])


@sound(
    "a {pitch_hz} fly buzzing around",
    "an insect flying past with a {pitch_hz} buzz",
    "a bee buzzing close to the ear",
    "the buzzing of a fly in a room",
    pitch_hz=Span(140, 330, ("deep", "", "high")),
    restlessness=Span(1.5, 5),
)
def buzzing_fly(rng: Rng, t: Wave, pitch_hz: float, restlessness: float) -> Wave:
    """Wing beats whose pitch and loudness never stand still, as the insect comes and goes."""
    pitch = pitch_hz * wander(rng, t, restlessness, 0.8, 1.25) * wander(rng, t, 40, 0.98, 1.02)
    return tone(t, pitch, {100: -6, 300: 0, 900: -4, 4000: -30}) * wander(rng, t, restlessness, 0.05, 1) ** 2


@sound(
    "a {size} dog barking",
    "the barking of a {size} dog",
    "a dog barks {pace}",
    "a {size} dog is barking outside",
    size=Span(260, 700, ("large", "", "small")),
    pace=Span(1.8, 4, ("slowly", "", "rapidly")),
)
def dog_bark(rng: Rng, t: Wave, size: float, pace: float) -> Wave:
    """Short hoarse shouts, the pitch jumping up and falling."""
    barks = bouts(rng, t, int(rng.integers(1, 4)), 1 / pace, 0.7)
    return place(t, [(at, bark(rng, size)) for bout in barks for at in bout])


def bark(rng: Rng, size: float) -> Wave:
    """One bark of a dog of this size."""
    s = seconds(rng.uniform(0.12, 0.2))
    voice = tone(s, size * (0.7 + 0.5 * np.sin(np.pi * (s / s[-1]) ** 0.7)), formants(2 * size, 4.5 * size))
    return (voice + 0.5 * noise(rng, s, formants(2 * size, 5 * size))) * fade(s, 0.015, 0.09)


@sound(
    "a {pitch_hz} cat meowing",
    "a cat meows",
    "the {pitch_hz} meow of a cat",
    "a {pitch_hz} cat crying for food with a long meow",
    pitch_hz=Span(480, 850, ("big", "", "little")),
    length_s=Span(0.6, 1.2),
)
def cat_meow(rng: Rng, t: Wave, pitch_hz: float, length_s: float) -> Wave:
    """Me-ow: the mouth opens and closes while the pitch makes an arc."""

    def meow() -> Wave:
        """One call, as a blend of the closed and the open mouth."""
        s = seconds(length_s * rng.uniform(0.8, 1.2))
        along = s / s[-1]
        pitch = pitch_hz * (0.75 + 0.45 * np.sin(np.pi * along**0.6))
        closed, opened = (tone(s, pitch, formants(*mouth)) for mouth in ((550, 2600), (1300, 3800)))
        open_share = np.sin(np.pi * along**0.8)
        return (closed * (1 - open_share) + opened * open_share) * fade(s, 0.08, 0.25)

    return place(t, [(at, meow()) for at in beats(rng, t, 0.55 / length_s, jitter=0.05)])


@sound(
    "a {pitch_hz} cow mooing",
    "a cow moos in a field",
    "the {pitch_hz} moo of a cow",
    "cattle lowing, a {pitch_hz} long moo",
    pitch_hz=Span(95, 190, ("deep", "", "young")),
    length_s=Span(1.2, 2.2),
)
def cow_moo(rng: Rng, t: Wave, pitch_hz: float, length_s: float) -> Wave:
    """A long low call that opens from "m" to "oo", with a rough throat."""
    s = seconds(length_s)
    along = s / s[-1]
    pitch = pitch_hz * (0.8 + 0.3 * np.sin(np.pi * along**0.7)) * wander(rng, s, 30, 0.98, 1.02)
    hum, call = tone(s, pitch, formants(220)), tone(s, pitch, formants(450, 800))
    opening = np.clip(along * 3, 0, 1)
    moo = (hum * (1 - opening) + call * opening) * fade(s, 0.15, 0.4)
    return place(t, [(at, moo) for at in beats(rng, t, 0.65 / length_s)])
