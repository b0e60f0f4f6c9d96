"""One embedding per clip: a brute-force reference, and independence of batch size and neighbours."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tinyclap.audio import windows
from tinyclap.audio.level import weight
from tinyclap.errors import TinyclapError
from tinyclap.models.long_audio import _weights, embed_long, repeat_pad

WINDOW = 10
MATRIX = torch.randn(WINDOW, 6, generator=torch.Generator().manual_seed(1))


def encode(windows: Tensor) -> Tensor:
    assert windows.shape[1] == WINDOW
    return F.normalize(torch.tanh(windows @ MATRIX), dim=-1)


def pad(waveform: Tensor) -> Tensor:
    assert 0 < len(waveform) < WINDOW
    return repeat_pad(waveform, WINDOW)


def embed(waveforms: Tensor, lengths: Tensor | None = None, batch_size: int = 8) -> Tensor:
    return embed_long(waveforms, lengths, encode, window=WINDOW, pad=pad, batch_size=batch_size)


def reference(waveform: Tensor) -> Tensor:
    """One clip, window by window."""
    if len(waveform) < WINDOW:
        return encode(torch.stack([waveform[i % len(waveform)] for i in range(WINDOW)])[None])[0]
    starts = [*range(0, len(waveform) - WINDOW, WINDOW), len(waveform) - WINDOW]
    windows = [waveform[start : start + WINDOW] for start in starts]
    total = sum(
        ((window - window.mean()).square().mean().sqrt() + 1e-6) * encode(window[None])[0] for window in windows
    )
    assert isinstance(total, Tensor)
    return total / total.norm()


@pytest.mark.parametrize("length", [1, 3, 9, 10, 11, 19, 20, 21, 30, 37, 100])
def test_a_clip_of_any_length_as_window_by_window(length: int) -> None:
    clip = torch.randn(1, length, generator=torch.Generator().manual_seed(length))
    torch.testing.assert_close(embed(clip)[0], reference(clip[0]), atol=1e-6, rtol=0)


def batch() -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([37, 1, 10, 20, 9, 11, 37])
    waveforms = torch.randn(7, 37, generator=torch.Generator().manual_seed(0))
    for row, length in enumerate(lengths):
        waveforms[row, length:] = torch.nan  # beyond its length a clip may hold anything
    return waveforms, lengths


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8, 1000])
def test_independent_of_batch_size_and_neighbours(batch_size: int) -> None:
    waveforms, lengths = batch()
    expected = torch.stack([reference(row[:length]) for row, length in zip(waveforms, lengths, strict=True)])
    torch.testing.assert_close(embed(waveforms, lengths, batch_size), expected, atol=1e-6, rtol=0)
    backwards = embed(waveforms.flip(0), lengths.flip(0), batch_size).flip(0)
    torch.testing.assert_close(backwards, expected, atol=1e-6, rtol=0)


def test_at_most_a_batch_of_windows_at_once() -> None:
    sizes: list[int] = []

    def counting(windows: Tensor) -> Tensor:
        sizes.append(len(windows))
        return encode(windows)

    embed_long(torch.randn(3, 95), None, counting, window=WINDOW, pad=pad, batch_size=4)
    assert sizes == [4] * 7 + [2]  # 3 clips of 10 windows


def test_embeddings_are_unit_vectors() -> None:
    torch.testing.assert_close(embed(*batch()).norm(dim=-1), torch.ones(7))


@pytest.mark.parametrize("lengths", [[37, 0], [38, 5], [-1, 5]])
def test_impossible_lengths_are_refused(lengths: list[int]) -> None:
    with pytest.raises(TinyclapError, match=r"clip lengths must lie in 1\.\.37 samples, got \["):
        embed(torch.zeros(2, 37), torch.tensor(lengths))


@pytest.mark.parametrize(
    ("shape", "lengths"),
    [((37,), None), ((2, 1, 37), None), ((2, 37), torch.tensor([37])), ((2, 37), torch.tensor(37))],
)
def test_wrong_shapes_are_refused(shape: tuple[int, ...], lengths: Tensor | None) -> None:
    with pytest.raises(TinyclapError, match=r"expected waveforms \(B, T\) and lengths \(B,\), got \("):
        embed(torch.zeros(shape), lengths)


@pytest.mark.parametrize("shape", [(0, 37), (2, 0)])
def test_nothing_to_embed_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(TinyclapError, match="clip lengths must lie in"):
        embed(torch.zeros(shape))


def test_silence_says_nothing() -> None:
    sound = torch.randn(1, WINDOW, generator=torch.Generator().manual_seed(2))
    with_silence = F.pad(sound, (0, 5 * WINDOW))
    torch.testing.assert_close(embed(with_silence), embed(sound), atol=1e-4, rtol=0)


def test_an_offset_says_nothing() -> None:
    sound = torch.randn(1, WINDOW, generator=torch.Generator().manual_seed(3))
    with_offset = F.pad(0.01 * sound, (0, 5 * WINDOW), value=0.5)
    torch.testing.assert_close(embed(with_offset), embed(0.01 * sound), atol=2e-3, rtol=0)


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_torch_weighs_as_numpy(offset: float) -> None:
    loudness = torch.tensor([1e-7, 1e-4, 0.01, 0.3]).repeat_interleave(WINDOW)
    sound = offset + loudness * torch.randn(4 * WINDOW, generator=torch.Generator().manual_seed(4))
    starts = [(0, start) for start in range(0, 4 * WINDOW, WINDOW)]
    levels = [weight(part.numpy()) for part in sound.split(WINDOW)]
    ours = _weights(sound[None], [4 * WINDOW], starts, WINDOW)
    np.testing.assert_allclose(ours.numpy(), np.array(levels) / max(levels), rtol=1e-6)


def test_a_sound_that_is_silent_throughout_has_an_embedding() -> None:
    torch.testing.assert_close(embed(torch.zeros(1, 3 * WINDOW)), encode(torch.zeros(1, WINDOW)))


@pytest.mark.parametrize("length", [1, 3, 9, 10, 11, 20, 37, 100])
@pytest.mark.parametrize("hop", [1, 4, 10, 13, 30])
@pytest.mark.parametrize("piece", [1, 7, 10, 64])
def test_windows_every_hop_and_at_the_end(length: int, hop: int, piece: int) -> None:
    sound, window = np.arange(length, dtype=np.float32), 10
    found = list(windows.timed((sound[at : at + piece] for at in range(0, length, piece)), window, hop))
    starts = [start for start in range(0, length, hop) if start + window <= length]
    if not starts or starts[-1] + window < length:
        starts.append(max(0, length - window))
    assert [(start, end) for start, end, _ in found] == [(start, min(start + window, length)) for start in starts]
    for start, _, samples in found:
        np.testing.assert_array_equal(samples, windows.fit(sound[start:], window))


@pytest.mark.parametrize("length", [1, 10, 15, 30, 31])
def test_without_overlap_windows_are_those_of_torch(length: int) -> None:
    starts = [start for start, _, _ in windows.timed([np.zeros(length, np.float32)], 10, 10)]
    assert starts == windows.window_starts(length, 10)


class TestStreams:
    def test_opposite_channels_do_not_cancel(self) -> None:
        tone = np.sin(np.arange(300, dtype=np.float32))
        blocks = [np.zeros((7, 2)), *(np.stack([0.5 * part, -0.5 * part], axis=1) for part in np.split(tone, 3))]
        with pytest.warns(UserWarning, match="opposite in polarity and would cancel; channel 1 is taken"):
            heard = np.concatenate(list(windows.at_rate(blocks, 16_000, 16_000)))
        np.testing.assert_allclose(heard[7:], 0.5 * tone, rtol=1e-6)

    def test_a_last_block_of_one_frame(self) -> None:
        frames = np.random.default_rng(0).uniform(-0.5, 0.5, (5, 2)).astype(np.float32)
        heard = np.concatenate(list(windows.at_rate([frames[:4], frames[:0], frames[4:]], 16_000, 16_000, channel=2)))
        np.testing.assert_array_equal(heard, frames[:, 1])

    @pytest.mark.parametrize(
        ("blocks", "shape"),
        [([np.zeros((8, 2)), np.zeros((8, 3))], r"\(8, 3\)"), ([np.zeros((2, 8000))], r"\(2, 8000\)")],
        ids=["another number of channels", "channels first"],
    )
    def test_blocks_of_other_channels(self, blocks: list[np.ndarray], shape: str) -> None:
        with pytest.raises(TinyclapError, match=f"a block of shape {shape} has .* channels; allowed"):
            list(windows.at_rate(blocks, 16_000, 16_000))

    def test_one_channel(self) -> None:
        blocks = [np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)]
        [heard] = windows.at_rate(blocks, 16_000, 16_000, channel=2)
        assert heard.tolist() == pytest.approx([0.2, 0.4])
        with pytest.raises(TinyclapError, match="stream: channel is 3; it has 2 channels, counted from 1"):
            list(windows.at_rate(blocks, 16_000, 16_000, channel=3))


def test_a_rest_that_is_next_to_nothing_is_no_window() -> None:
    for length, starts in ((5000, [0]), (5010, [0]), (5011, [0, 11]), (10_010, [0, 5000]), (10_011, [0, 5000, 5011])):
        assert windows.window_starts(length, 5000) == starts
        assert [start for start, _, _ in windows.timed([np.zeros(length, np.float32)], 5000, 5000)] == starts
    assert [end for end, _ in windows.of_stream([np.zeros(5010, np.float32)], 5000, 5000)] == [5000]
    assert [end for end, _ in windows.of_stream([np.zeros(7, np.float32)], 5000, 5000)] == [7]
