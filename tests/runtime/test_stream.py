"""Streams: each answer is that of the last window."""

import numpy as np
import pytest

from tests.support.sounds import RATE, noise
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle


class TestStream:
    @pytest.mark.parametrize("block", [1, 160, 7_777, 100_000])
    def test_each_answer_is_the_last_window(self, bundle: Bundle, block: int) -> None:
        sound = noise(2.6) if block > 1 else noise(0.6)
        blocks = (sound[first : first + block] for first in range(0, len(sound), block))
        heard = list(bundle.stream(blocks, hop_s=0.25))
        hops = [0.25 * (hop + 1) for hop in range(int(len(sound) / 4_000))]
        assert [time_s for time_s, _ in heard] == [*hops, len(sound) / RATE], "and what is left of a hop at the end"
        for time_s, embedding in heard:
            end = round(time_s * RATE)
            expected = bundle.embed(sound[max(0, end - RATE) : end], sample_rate=RATE)[0]
            np.testing.assert_allclose(embedding, expected, atol=1e-6)

    def test_a_hop_longer_than_a_window(self, bundle: Bundle) -> None:
        sound = noise(5.0)
        heard = list(bundle.stream([sound], hop_s=2.0))
        assert [time_s for time_s, _ in heard] == [2.0, 4.0, 5.0]
        np.testing.assert_allclose(
            heard[1][1], bundle.embed(sound[3 * RATE : 4 * RATE], sample_rate=RATE)[0], atol=1e-6
        )

    def test_smoothing_is_exponential(self, bundle: Bundle) -> None:
        plain = [embedding for _, embedding in bundle.stream([noise(5.0)])]
        smooth = plain[0].astype(np.float64)
        for expected, (_, embedding) in zip(plain, bundle.stream([noise(5.0)], smoothing=0.7), strict=True):
            smooth = 0.7 * smooth + 0.3 * expected
            np.testing.assert_allclose(embedding, smooth / np.linalg.norm(smooth), atol=1e-6)

    def test_other_rates_and_channels(self, bundle: Bundle) -> None:
        time = np.arange(3 * 48_000) / 48_000
        tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)
        blocks = np.split(np.stack([tone, 0 * tone], axis=1), 30)
        _, _, (heard_s, last) = bundle.stream(blocks, sample_rate=48_000)
        assert heard_s == 3.0, "the resampler keeps nothing back"
        expected = bundle.embed(0.5 * tone[:48_000], sample_rate=48_000)[0]
        assert last @ expected > 0.99

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"hop_s": 0.0}, "hop_s is 0.0: it must be at least one sample"),
            ({"hop_s": 1e-6}, "hop_s is 1e-06: it must be at least one sample"),
            ({"hop_s": float("nan")}, "hop_s is nan"),
            ({"smoothing": 1.0}, "smoothing is 1.0: it must be at least 0 and below 1"),
        ],
    )
    def test_settings_are_checked_at_once(self, bundle: Bundle, settings: dict[str, float], message: str) -> None:
        with pytest.raises(TinyclapError, match=message):
            bundle.stream([], **settings)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("block", "message"),
        [
            (np.full(900, np.nan), "a block with NaN or infinite samples"),
            (np.full(900, 1e39), "a block with NaN or infinite samples"),  # in float32
            (
                np.full(900, 12_000.0),
                r"a block with a peak of 12000, where floats in .* are expected: divide int16 by 32768",
            ),
            (np.ones(900, np.int16), "a block of int16; .*: divide by 32768"),
            (np.zeros((2, 2, 2)), r"a block of shape \(2, 2, 2\)"),
            (np.zeros((5, 0)), r"a block of shape \(5, 0\)"),
            ([0.0, 0.1], "a block of list"),
        ],
    )
    def test_blocks_that_cannot_be_used(self, bundle: Bundle, block: np.ndarray, message: str) -> None:
        with pytest.raises(TinyclapError, match=f"stream: {message}"):
            list(bundle.stream([block]))
        if isinstance(block, np.ndarray) and block.ndim == 1:
            with pytest.raises(TinyclapError, match=message.replace("a block", "an array")):
                bundle.embed(block, sample_rate=RATE)

    @pytest.mark.parametrize("rate", [0, -1, float("nan")])
    def test_a_sample_rate_that_is_none(self, bundle: Bundle, rate: int) -> None:
        with pytest.raises(TinyclapError, match=r"sample_rate is .*: it must be a number, 1,000 to 1,000,000 Hz"):
            list(bundle.stream([noise(1.0)], sample_rate=rate))
        with pytest.raises(TinyclapError, match=r"sample_rate is .*: it must be a number, 1,000 to 1,000,000 Hz"):
            bundle.embed(noise(1.0), sample_rate=rate)

    def test_where_a_wrong_sample_is_in_the_stream(self, bundle: Bundle) -> None:
        wrong = np.zeros(RATE, np.float32)
        wrong[RATE // 4] = np.nan
        with pytest.raises(TinyclapError, match=r"NaN or infinite samples, the first at 2\.25 s"):
            list(bundle.stream([noise(1.5), noise(0.5), wrong]))

    def test_what_is_left_of_a_hop_is_heard_too(self, bundle: Bundle) -> None:
        times = [time_s for time_s, _ in bundle.stream([noise(0.3)], hop_s=1.0)]
        assert times == [0.3]
        times = [time_s for time_s, _ in bundle.stream([noise(2.5)], hop_s=1.0)]
        assert times == [1.0, 2.0, 2.5]

    def test_labels_that_cannot_be_told_apart(self, bundle: Bundle) -> None:
        for labels, message in ((["dog", "Dog"], "both read 'dog'"), ([], "labels: none given")):
            with pytest.raises(TinyclapError, match=message):
                bundle.classify(noise(1.0), labels, sample_rate=RATE)
