"""Sounds of telephones, clocks and bells."""

import numpy as np

from tinyclap.data.procedural.synthesis import (
    Rng,
    Span,
    Wave,
    beats,
    burst,
    fade,
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
)


@sound(
    "a telephone dial tone",
    "the steady dial tone of a phone off the hook",
    "a continuous dial tone on a {line} line",
    "a phone waiting for a number to be dialled, dial tone",
    line=Span(0.02, 0.2, ("clear", "telephone", "noisy")),
)
def dial_tone(rng: Rng, t: Wave, line: float) -> Wave:
    """Two steady low tones, 350 + 440 Hz in America, 425 + 450 Hz elsewhere, over a noisy line of 300-3400 Hz."""
    low, high = ((350, 440), (425, 450), (400, 450))[rng.integers(3)]
    return sine(t, low) + sine(t, high) + line * noise(rng, t, {200: -40, 350: 0, 3300: 0, 4500: -40})


@sound(
    "an old telephone ringing",
    "a telephone rings with a {pitch_hz} bell",
    "the {pitch_hz} bell of a telephone ringing",
    "a phone ringing in an office",
    pitch_hz=Span(900, 1900, ("low", "", "high")),
    pause_s=Span(0.4, 1.2),
)
def telephone_ring(rng: Rng, t: Wave, pitch_hz: float, pause_s: float) -> Wave:
    """A clapper swings between two little bells about twenty times a second, and pauses."""
    hammer = rng.uniform(17, 25) * t
    partials = ((1, 1), (1.23, 0.8), (2.71, 0.4), (3.4, 0.35), (5.1, 0.2))
    bells = sum(level * sine(t, pitch_hz * ratio) for ratio, level in partials)
    period = pause_s + rng.uniform(0.8, 1.5)
    return bells * (0.35 + np.exp(-3 * (hammer - np.floor(hammer)))) * gate(t, 1 / period, 1 - pause_s / period, 0.05)


@sound(
    "an alarm clock beeping {pace}",
    "the {pitch_hz} beeps of an alarm clock",
    "a digital alarm beeping",
    "{pitch_hz} electronic alarm beeps {pace}",
    pitch_hz=Span(1000, 2800, ("low", "", "high")),
    pace=Span(4, 9, ("slowly", "", "fast")),
)
def alarm_clock(rng: Rng, t: Wave, pitch_hz: float, pace: float) -> Wave:
    """Groups of short beeps of one square-wave pitch, exactly alike."""
    s = seconds(0.6 / pace)
    beep = (tone(s, pitch_hz, {pitch_hz: 0, 9 * pitch_hz: -25}) - 0.4 * sine(s, 2 * pitch_hz)) * fade(s, 0.003, 0.003)
    group = int(rng.integers(2, 5))
    starts = np.arange(0, length(t), (group + rng.uniform(1.5, 3)) / pace)
    return place(t, [(start + beat / pace, beep) for start in starts for beat in range(group)])


@sound(
    "a clock ticking",
    "the {pace} tick-tock of a clock",
    "a {pace} ticking clock on the wall",
    "{pace} ticking of a clock",
    pace=Span(1, 4.5, ("slow", "", "rapid")),
    pitch_hz=Span(2200, 5000),
)
def clock_ticking(rng: Rng, t: Wave, pace: float, pitch_hz: float) -> Wave:
    """Tick, tock: two dry clicks that differ a little, dead on time."""
    case = rng.uniform(300, 700)
    tick, tock = (
        burst(rng, 0.003, {300: -20, hertz: 0, 12000: -10})
        + 0.7 * place(seconds(0.015), [(0, ring([hertz, case], 0.012))])
        for hertz in (pitch_hz, 0.8 * pitch_hz)
    )
    return place(t, [(at, (tick, 0.8 * tock)[count % 2]) for count, at in enumerate(beats(rng, t, pace, 0.003))])


@sound(
    "a {pitch_hz} church bell ringing",
    "church bells tolling {pace}",
    "the {pitch_hz} bell of a church tolls {pace}",
    "a bell ringing from a church tower",
    pitch_hz=Span(160, 420, ("large", "", "small")),
    pace=Span(0.45, 1.1, ("slowly", "", "quickly")),
)
def church_bell(rng: Rng, t: Wave, pitch_hz: float, pace: float) -> Wave:
    """Hum, prime, minor third, fifth, octave and above: the partials of a tuned bell, ringing into each other."""
    bell, clapper = bell_stroke(rng, pitch_hz)
    strikes = [(at, rng.uniform(0.7, 1)) for at in beats(rng, t, pace)]
    return place(t, [(at, size * bell) for at, size in strikes] + [(at, clapper) for at, _ in strikes])


def bell_stroke(rng: Rng, pitch_hz: float) -> tuple[Wave, Wave]:
    """What a stroke of a church bell consists of: the bell and its clapper."""
    ratios = np.array([1, 2, 2.4, 3, 4, 5.02, 6.1, 8.2]) * rng.uniform(0.995, 1.005, 8)
    bell = ring(pitch_hz * ratios, 0.7)
    return bell, 0.3 * burst(rng, 0.01, {600: -15, 2500: 0, 9000: -20})


@sound(
    "a music box playing a {pace} tune",
    "the {pitch_hz} tinkling of a music box",
    "a {pace} music box melody",
    "a toy music box plays a lullaby",
    pitch_hz=Span(700, 1600, ("low", "", "high")),
    pace=Span(2.5, 6, ("slow", "", "quick")),
)
def music_box(rng: Rng, t: Wave, pitch_hz: float, pace: float) -> Wave:
    """Plucked steel tongues: every note rings on while the next ones are played."""
    times = beats(rng, t, pace, 0.03)
    notes = pitch_hz * melody(rng, len(times))
    return place(t, [(at, ring([note, 2 * note, 5.4 * note], 0.22)) for at, note in zip(times, notes, strict=True)])
