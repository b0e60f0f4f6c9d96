"""How a network's numbers are stored in int8: ranges from calibration clips, and what rounding shifts, taken back.

The range of a map is the one of least mean squared error on the clips (rounding within it, clipping beyond), from the
map's histogram. Rounding does not only add noise: many small numbers rounded the same way shift the means of the next
layer's channels. So layer by layer the mean difference from the float network goes into the biases (Nagel et al.,
arXiv 1906.04721, section 4.2, measured on the clips).
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tinyclap.exporters.c.fixed_point import (
    GATES,
    HARD_SWISH_ZERO,
    HIGHEST,
    LOWEST,
    Affine,
    affine,
    rounded,
)
from tinyclap.exporters.c.layers import Conv, Network
from tinyclap.exporters.c.maps import EXACT_IN_C, corrected_shape, embedded, layers_by_name
from tinyclap.exporters.calibration import CalibrationSet, spread
from tinyclap.exporters.calibration import logmels as logmels_of
from tinyclap.models.student import Student

BINS = 4096
SHRINKING = np.geomspace(0.1, 1.0, 40)  # of a range, that are tried
CORRECTED_ON = 48  # clips, all of whose maps are held at once
IMAGE_MARGIN = 1.25  # louder than the calibration clips


@dataclass(frozen=True)
class Calibration:
    """What the INT8 network needs besides the float network.

    Attributes:
        image_scale: of the normalised image's int16.
        stored: how each map is stored, by its name (see `maps.embedded`).
        biases: float64 (C,), what is added to the bias of a layer, by the name of what it computes.
        largest: what the head's layers compute, regardless of its sign.
    """

    image_scale: float
    stored: dict[str, Affine]
    biases: dict[str, np.ndarray]
    largest: dict[str, float]


def calibrated_on(
    student: Student, network: Network, sounds: CalibrationSet, progress: Callable[[str], None]
) -> Calibration:
    """Ranges and corrections of a student's layers from its training clips; `progress` is told how many."""
    clips = sounds.calibration
    progress(f"calibrating INT8 on {len(clips)} training clips")
    return calibrated(network, list(logmels_of(student, sounds.train, clips)))


def calibrated(network: Network, logmels: Sequence[np.ndarray]) -> Calibration:
    """Ranges and corrections from decibels, arrays (B, 1, frames, n_mels)."""
    with torch.no_grad():
        histograms = _histograms(network, logmels)
        activations = {name: layer.activation for name, layer in layers_by_name(network).items()}
        stored = {name: one.best(activations.get(name, "")) for name, one in histograms.items()}
        for name in stored:
            if name.endswith(".excite"):
                stored[name] = GATES
            elif activations.get(f"{name}.pre") in ("relu", "relu6", "linear"):
                stored[name] = stored[f"{name}.pre"]  # computed with the layer
        image = histograms["image"]
        scale = max(abs(image.low), abs(image.high)) * IMAGE_MARGIN / 32767
        largest = {name: max(-one.low, one.high) for name, one in histograms.items() if name.startswith("head")}
        return Calibration(scale, stored, _corrections(network, logmels, scale, stored), largest)


class _Histogram:
    """Of a map's numbers, between the lowest and the highest."""

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self.counts = np.zeros(BINS)

    def widen(self, values: Tensor) -> None:
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))

    def count(self, values: Tensor) -> None:
        width = max(self.high - self.low, 1e-6)
        self.counts += torch.histc(values.float(), BINS, self.low, self.low + width).numpy()

    def best(self, activation: str) -> Affine:
        """Of the shrunk ranges the one of least mean squared error, for numbers that this activation reads."""
        low, high = self.low, self.high
        values = low + (np.arange(BINS) + 0.5) * max(high - low, 1e-6) / BINS
        if activation == "hardswish":
            low, values = max(low, HARD_SWISH_ZERO), np.maximum(values, HARD_SWISH_ZERO)
        elif activation in ("relu", "relu6"):
            low, high = 0.0, min(high, 6.0) if activation == "relu6" else high
            values = np.clip(values, low, max(high, 0.0))
        best, least = affine(low, high), np.inf
        for share in SHRINKING:
            tried = affine(low if low > HARD_SWISH_ZERO - 1 else share * low, share * high)
            error = float((self.counts * _squared_error(values, tried)).sum())
            if error < least:
                best, least = tried, error
        return best


def _squared_error(values: np.ndarray, stored: Affine) -> np.ndarray:
    """Of storing numbers: rounding's mean within the range, the distance to it beyond."""
    low, high = (stored.scale * (bound - stored.zero) for bound in (LOWEST, HIGHEST))
    beyond = np.maximum(np.maximum(values - high, low - values), 0.0)
    return np.where(beyond > 0, beyond**2, stored.scale**2 / 12)


def _histograms(network: Network, logmels: Sequence[np.ndarray]) -> dict[str, _Histogram]:
    found: dict[str, _Histogram] = {}

    def widen(name: str, x: Tensor) -> Tensor:
        found.setdefault(name, _Histogram()).widen(x)
        return x

    def count(name: str, x: Tensor) -> Tensor:
        found[name].count(x)
        return x

    for through in (widen, count):
        for batch in logmels:
            embedded(network, torch.from_numpy(batch), through)
    return found


def _corrections(
    network: Network, logmels: Sequence[np.ndarray], image_scale: float, stored: dict[str, Affine]
) -> dict[str, np.ndarray]:
    """What is added to each bias, layer by layer, with the maps before it rounded and corrected already."""
    clips = torch.from_numpy(np.concatenate(logmels))
    clips = clips[spread(len(clips), CORRECTED_ON)]
    layers, found = layers_by_name(network), dict[str, np.ndarray]()
    exact = _Steps(network, clips)

    def through(name: str, x: Tensor) -> Tensor:
        expected = exact.next(name)
        if name in layers:
            shift = (expected - x).mean((0, 2, 3)).double().numpy()
            found[name] = shift
            x = x + corrected_shape(shift.astype(np.float32))
        return fake_rounded(name, x, image_scale, stored)

    embedded(rounded_weights(network), clips, through)
    return found


class _Steps:
    """The float network's maps one at a time: a generator cannot be had from callbacks, so they are kept."""

    def __init__(self, network: Network, clips: Tensor) -> None:
        self._maps: dict[str, Tensor] = {}

        def keep(name: str, x: Tensor) -> Tensor:
            self._maps[name] = x
            return x

        embedded(network, clips, keep)

    def next(self, name: str) -> Tensor:
        return self._maps.pop(name)


def fake_rounded(name: str, x: Tensor, image_scale: float, stored: dict[str, Affine]) -> Tensor:
    """A map's numbers as int8, or the image's as int16, stand for them in C."""
    if name == "image":
        return (x / image_scale).round().clamp(-32768, 32767) * image_scale
    if name in EXACT_IN_C:
        return x
    one = stored[name]
    return ((x / one.scale).round() + one.zero).clamp(LOWEST, HIGHEST).sub(one.zero) * one.scale


def rounded_weights(network: Network) -> Network:
    """The network with weights as int8 stand for them."""

    blocks = [
        dataclasses.replace(
            block,
            expand=block.expand and _rounded(block.expand),
            depthwise=_rounded(block.depthwise),
            squeeze=block.squeeze and _rounded(block.squeeze),
            excite=block.excite and _rounded(block.excite),
            project=_rounded(block.project),
        )
        for block in network.blocks
    ]
    stem = dataclasses.replace(network.stem, conv=_rounded(network.stem.conv))
    last = network.last and _rounded(network.last)
    return dataclasses.replace(network, stem=stem, blocks=tuple(blocks), last=last)


def _rounded(layer: Conv) -> Conv:
    weights, scales = rounded(layer.weights)
    shaped = scales.reshape(-1, *(1,) * (weights.ndim - 1))
    return dataclasses.replace(layer, weights=(weights * shaped).astype(np.float32))
