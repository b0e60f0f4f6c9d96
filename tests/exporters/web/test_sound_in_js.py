"""What the page does to samples before the network gets them, beside numpy and soxr."""

import itertools

import numpy as np
import pytest
import soxr

from tests.support.pages.node import run_js
from tinyclap.audio import channels, level
from tinyclap.audio.windows import of_stream, timed

RESAMPLE = """
    const { Resampler } = await lib("tinyclap/resample.js");
    return given.map(([samples, from, to, block]) => {
        const resampler = new Resampler(from, to), out = [];
        for (let at = 0; at < samples.length; at += block)
            out.push(...resampler.push(Float32Array.from(samples.slice(at, at + block))));
        return [...out, ...resampler.end()];
    });
"""
# From, to, and how far white noise of level 0.1 may differ, at whose top filters do.
RATES = (
    (48_000, 16_000, 1e-6),
    (48_000, 32_000, 1e-6),
    (16_000, 32_000, 1e-4),
    (96_000, 16_000, 1e-4),
    (44_100, 16_000, 3e-4),
    (44_100, 32_000, 3e-4),
    (22_050, 32_000, 3e-4),
    (44_100, 48_000, 3e-4),
)


def noise(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, length).astype(np.float32)


def test_resampled_as_soxr_does() -> None:
    samples = noise(4_001)
    samples[:400] *= np.linspace(0, 1, 400, dtype=np.float32)  # soxr has no past for what begins at once
    given = [(samples.tolist(), rate, own, block) for rate, own, _ in RATES for block in (4_001, 777)]
    found = run_js(RESAMPLE, given)
    for (rate, own, allowed), whole, pieces in zip(RATES, found[::2], found[1::2], strict=True):
        expected = soxr.resample(samples, rate, own, quality="HQ")
        assert whole == pieces
        assert len(whole) == len(expected)
        assert np.abs(whole - expected).max() < allowed, (rate, own)


def test_tones_are_resampled_as_soxr_does() -> None:
    """What lies below the top: nothing is left of the difference."""
    for rate, own in ((44_100, 16_000), (44_100, 32_000), (22_050, 32_000), (8_000, 16_000)):
        at = np.arange(rate // 16) / rate
        samples = 0.3 * np.sin(2 * np.pi * 440 * at) + 0.2 * np.sin(2 * np.pi * 0.35 * min(rate, own) * at)
        samples = (samples * np.hanning(len(samples))).astype(np.float32)
        (found,) = run_js(RESAMPLE, [(samples.tolist(), rate, own, 2_048)])
        np.testing.assert_allclose(found, soxr.resample(samples, rate, own, quality="HQ"), atol=2e-4)


def test_sounds_shorter_than_the_filter() -> None:
    lengths = (1, 30, 480)
    given = [(noise(length).tolist(), 48_000, 16_000, 64) for length in lengths]
    for length, found in zip(lengths, run_js(RESAMPLE, given), strict=True):
        expected = soxr.resample(noise(length), 48_000, 16_000, quality="HQ")
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_windows_of_a_sound() -> None:
    code = """
        const { windowsOf } = await lib("tinyclap/sound.js");
        const listed = ([start, end, window]) => [start, end, [...window]];
        return given.map(([samples, hop]) => [...windowsOf(Float32Array.from(samples), 100, hop)].map(listed));
    """
    cases = [(noise(length), hop) for length in (1, 99, 100, 101, 250, 300, 301, 350, 1_000) for hop in (100, 37, 1)]
    found = run_js(code, [(samples.tolist(), hop) for samples, hop in cases])
    for (samples, hop), windows in zip(cases, found, strict=True):
        expected = [(start, end, window.tolist()) for start, end, window in timed([samples], 100, hop)]
        assert [tuple(one) for one in windows] == expected


def test_windows_of_a_stream() -> None:
    code = """
        const { LastWindows } = await lib("tinyclap/sound.js");
        return given.map(([blocks, window, hop]) => {
            const windows = new LastWindows(window, hop), found = [];
            for (const block of blocks) found.push(...windows.push(Float32Array.from(block)));
            return [...found, ...windows.end()].map(([position, samples]) => [position, [...samples]]);
        });
    """
    cases, rng = [], np.random.default_rng(1)
    for window, hop, length in [(100, 30, 333), (100, 250, 900), (64, 64, 640), (100, 30, 7), (1_000, 1_000, 3_001)]:
        samples, cuts = noise(length), sorted({0, length, *rng.integers(0, length, 5).tolist()})
        cases.append(([samples[a:b] for a, b in itertools.pairwise(cuts)], window, hop))
    given = [([block.tolist() for block in blocks], window, hop) for blocks, window, hop in cases]
    for (blocks, window, hop), found in zip(cases, run_js(code, given), strict=True):
        assert [tuple(one) for one in found] == [(at, one.tolist()) for at, one in of_stream(blocks, window, hop)]


def test_levels_and_channels() -> None:
    one, other = noise(500), noise(500, 1)
    pairs = [(one, other), (one, -0.5 * one), (one, one), (0 * one, 0 * one), (0.2 * other, -other)]
    code = """
        const { inDbfs, mixed, rms } = await lib("tinyclap/sound.js");
        return given.map((pair) => {
            const mono = mixed(pair.map((channel) => Float32Array.from(channel)));
            return [[...mono], inDbfs(rms(mono))];
        });
    """
    for pair, (mono, dbfs) in zip(pairs, run_js(code, [[x.tolist() for x in pair] for pair in pairs]), strict=True):
        frames = np.stack(pair, axis=1).astype(np.float32)
        expected = channels.mixed(frames, channels.louder_of_opposite(frames))
        np.testing.assert_allclose(mono, expected, atol=1e-7)
        assert dbfs == pytest.approx(level.level_dbfs(expected), abs=1e-4)


def test_what_cannot_be_heard_is_refused() -> None:
    code = """
        const { refuseUnusable } = await lib("tinyclap/sound.js");
        const said = (samples, rate) => {
            try { refuseUnusable(samples, rate); return "fine"; } catch (error) { return error.message; }
        };
        return [said([0, 1], 16000), said(new Float32Array(99), 16000), said(new Float32Array(200).fill(NaN), 16000),
            said(new Float32Array(200), 0), said(new Float32Array(200), 16000)];
    """
    kind, short, odd, rate, fine = run_js(code)
    assert "Float32Array" in kind
    assert "10 ms" in short
    assert "NaN" in odd
    assert "sample rate is 0" in rate
    assert fine == "fine"
