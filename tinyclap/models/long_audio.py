"""One embedding per clip of any length: fixed windows, averaged, made unit norm again."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tinyclap.audio import windows
from tinyclap.audio.checks import LOUDEST, REMEDIES, wrong_samples
from tinyclap.audio.level import FAINTEST
from tinyclap.errors import TinyclapError
from tinyclap.models.threads import in_threads

Encode = Callable[[Tensor], Tensor]
EncodePieces = Callable[[list[Tensor]], Tensor]


def embed_long(
    waveforms: Tensor, lengths: Tensor | None, encode: Encode, *, window: int, pad: Encode, batch_size: int = 8
) -> Tensor:
    """Embed clips of any length with an encoder of fixed windows.

    A clip longer than a window is cut into consecutive windows, the last one aligned to the clip's end so that none
    holds padding; their embeddings are averaged, each by its `level.weight`, and normalised. A shorter clip is padded
    by `pad`. Every window is encoded on its own terms, so a result does not depend on the neighbours in the batch.

    Args:
        waveforms: float32 (B, T) in [-1, 1]; beyond `lengths` anything.
        lengths: int (B,), samples of each clip; None means T for all.
        encode: (n, window) -> unit-norm (n, D).
        window: samples in a window.
        pad: (t,) with t < window -> (window,).
        batch_size: windows encoded at a time, on the CPU in several threads; bounds memory on long clips.

    Returns:
        Unit-norm embeddings (B, D).

    Raises:
        TinyclapError: wrong shapes, an empty clip, or samples that are no floats in [-1, 1].
    """

    def encode_pieces(pieces: list[Tensor]) -> Tensor:
        return encode(torch.stack([piece if len(piece) == window else pad(piece) for piece in pieces]))

    return embed_pieces(waveforms, lengths, encode_pieces, window=window, batch_size=batch_size)


def embed_pieces(
    waveforms: Tensor, lengths: Tensor | None, encode: EncodePieces, *, window: int, batch_size: int = 8
) -> Tensor:
    """Embed clips of any length with an encoder of any lengths up to a window: as `embed_long`, without padding.

    Args:
        waveforms: float32 (B, T) in [-1, 1]; beyond `lengths` anything.
        lengths: int (B,), samples of each clip; None means T for all.
        encode: pieces (t,), t <= window -> unit-norm (n, D).
        window: samples of the longest piece.
        batch_size: as there.

    Returns:
        Unit-norm embeddings (B, D).

    Raises:
        TinyclapError: as `embed_long`.
    """
    if waveforms.ndim != 2 or (lengths is not None and lengths.shape != waveforms.shape[:1]):
        got = tuple(waveforms.shape), None if lengths is None else tuple(lengths.shape)
        raise TinyclapError(f"expected waveforms (B, T) and lengths (B,), got {got[0]} and {got[1]}")
    sizes = [waveforms.shape[1]] * len(waveforms) if lengths is None else [int(length) for length in lengths]
    if not sizes or min(sizes) < 1 or max(sizes) > waveforms.shape[1]:
        raise TinyclapError(f"clip lengths must lie in 1..{waveforms.shape[1]} samples, got {sizes}")
    _refuse_wrong(waveforms, sizes)
    places = [(clip, start) for clip, size in enumerate(sizes) for start in windows.window_starts(size, window)]
    weights = _weights(waveforms, sizes, places, window)

    def encode_chunk(first: int) -> Tensor:
        chunk = places[first : first + batch_size]
        return encode([waveforms[clip, start : min(start + window, sizes[clip])] for clip, start in chunk])

    firsts = range(0, len(places), batch_size)
    embeddings = torch.cat(in_threads(encode_chunk, firsts) if waveforms.is_cpu else [*map(encode_chunk, firsts)])
    clips = torch.tensor([clip for clip, _ in places], device=embeddings.device)
    sums = embeddings.new_zeros(len(sizes), embeddings.shape[1])
    sums.index_add_(0, clips, embeddings * weights[:, None].to(embeddings))
    return F.normalize(sums, dim=-1)


def _weights(waveforms: Tensor, sizes: list[int], places: list[tuple[int, int]], window: int) -> Tensor:
    """What each window weighs beside the loudest one of its clip: float32 (windows,)."""
    levels = FAINTEST + torch.stack(
        [waveforms[clip, start : min(start + window, sizes[clip])].double().std(correction=0) for clip, start in places]
    )
    clips = torch.tensor([clip for clip, _ in places], device=levels.device)
    loudest = levels.new_zeros(len(sizes)).scatter_reduce(0, clips, levels, "amax")
    return (levels / loudest[clips]).float()


def _refuse_wrong(waveforms: Tensor, sizes: list[int]) -> None:
    """Raise a TinyclapError for integers, and for samples that are not finite or far outside [-1, 1]."""
    if not waveforms.is_floating_point():
        kind = str(waveforms.dtype).removeprefix("torch.")
        raise TinyclapError(f"waveforms of {kind}; expected floats in [-1, 1]{REMEDIES.get(kind, '')}")
    if waveforms.numel() and waveforms.abs().amax() <= LOUDEST:  # not so for NaN
        return
    for clip, size in enumerate(sizes):
        wrong = wrong_samples(waveforms[clip, :size].detach().cpu().float().numpy())
        if wrong:
            raise TinyclapError(f"waveform {clip}: {wrong}")


def repeat_pad(waveform: Tensor, length: int) -> Tensor:
    """Repeat (t,) whole and truncate to exactly (length,)."""
    return waveform.repeat(-(-length // len(waveform)))[:length]
