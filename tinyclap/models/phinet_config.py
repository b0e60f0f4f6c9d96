"""The shape of a PhiNet (Paissan et al., arXiv 2110.00337), from its equations."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

from tinyclap.common.settings import Conflicts, Settings

Activation = Literal["hardswish", "relu6", "relu"]
Stride = Literal[1, 2, 4]
Block = Annotated[int, Ge(0)]
STEM_WIDTH = 48
BLOCK_WIDTHS = {0: 24, 3: 48, 5: 96, 7: 192}  # before scaling by alpha; a block has the last one at or before it
SQUEEZE_RATIO = 6
MIN_DEPTH = 3


def _variant_defaults(compatibility: bool) -> dict[str, Any]:
    """What None stands for in the fields of a PhiNetConfig."""
    if compatibility:
        return {"squeeze_excite": False, "activation": "relu6", "dropout": 0.05}
    return {"squeeze_excite": True, "activation": "hardswish", "dropout": 0.0}


@dataclass(frozen=True)
class PhiNetConfig(Settings):
    """Shape of a PhiNet.

    Attributes:
        alpha: width multiplier.
        beta: shape factor, the last block's expansion relative to t0.
        t0: base expansion factor.
        depth: number N of expanding blocks; block 0, which does not expand, comes before them.
        squeeze_excite: channel gates in the expanding blocks. None: the variant's own, on (off with compatibility).
        activation: "hardswish", "relu6" or "relu". None: hardswish (relu6 with compatibility).
        dropout: channel dropout before every depthwise convolution. None: 0 (0.05 with compatibility).
        stem_stride: (time, mel) stride of the first convolution; 1, 2 or 4.
        time_strides: blocks that halve the frames; those above depth have no effect.
        mel_strides: blocks that halve the mel axis; those above depth have no effect.
        compatibility: exactly the network of the tinyCLAP reference: a separable stem padded at one side, and
            batch normalisation whose running statistics are the last batch's (momentum 0.999).

    Raises:
        NotAllowedError: naming the first bad field, its value and what is allowed.
    """

    place: ClassVar[str] = "phinet"
    left_open: ClassVar[frozenset[str]]
    """The fields that were None, which took the variant's own value."""

    alpha: Annotated[float, Gt(0), Le(10)] = 0.334
    beta: Annotated[float, Gt(0), Le(10)] = 1.0
    t0: Annotated[float, Gt(0), Le(20)] = 5.0
    depth: Annotated[int, Ge(MIN_DEPTH), Le(30)] = 7
    squeeze_excite: bool | None = None
    activation: Activation | None = None
    dropout: Annotated[float, Ge(0), Lt(1)] | None = None
    stem_stride: tuple[Stride, Stride] = (2, 2)
    time_strides: tuple[Block, ...] = (1, 3, 5, 7)
    mel_strides: tuple[Block, ...] = (1, 3, 5, 7)
    compatibility: bool = False

    def __post_init__(self) -> None:
        own = _variant_defaults(self.compatibility is True)
        left_open = frozenset(name for name in own if getattr(self, name) is None)
        object.__setattr__(self, "left_open", left_open)
        for name in left_open:
            object.__setattr__(self, name, own[name])
        super().__post_init__()

    def conflicts(self) -> Conflicts:
        """What the reference variant excludes."""
        if self.compatibility:
            if self.squeeze_excite:
                yield "squeeze_excite", "false or null with compatibility: true"
            if self.activation != "relu6":
                yield "activation", '"relu6" or null with compatibility: true'
            if 4 in self.stem_stride:
                yield "stem_stride", "two of 1 or 2 with compatibility: true"

    @property
    def out_channels(self) -> int:
        """Channels of the feature map."""
        return block_channels(self, self.depth)


@dataclass(frozen=True)
class BlockShape:
    """The sizes of one block: all that counting its parameters and operations needs."""

    in_channels: int
    hidden_channels: int
    out_channels: int
    squeeze_channels: int  # 0: no squeeze-excite
    stride: tuple[int, int]  # (time, mel)
    expands: bool
    residual: bool


def stem_channels(config: PhiNetConfig) -> int:
    """Channels after the stem: ⌊48·alpha⌋."""
    return max(1, int(STEM_WIDTH * config.alpha))


def stem_kernel(config: PhiNetConfig) -> tuple[int, int]:
    """Kernel (time, mel) of the stem: 3, or 7 along an axis of stride 4, so that no frame and no band is skipped."""
    time, mel = config.stem_stride
    return max(3, 2 * time - 1), max(3, 2 * mel - 1)


def block_channels(config: PhiNetConfig, block: int) -> int:
    """Channels after a block: ⌊24·alpha⌋ for 0 to 2, ⌊48·alpha⌋ for 3 and 4, doubled at 5 and again at 7."""
    width = BLOCK_WIDTHS[max(first for first in BLOCK_WIDTHS if first <= block)]
    return max(1, int(width * config.alpha))


def expansion_factor(config: PhiNetConfig, block: int) -> float:
    """t(k) = t0·[(N - k) + beta·k] / N of block k."""
    # Summed in the reference's order: ⌊t(k)·channels⌋ must come out alike, or its checkpoints would not load.
    share = config.t0 * config.beta * block / config.depth
    return share + config.t0 * (config.depth - block) / config.depth


def block_shapes(config: PhiNetConfig) -> tuple[BlockShape, ...]:
    """The blocks 0 to depth, in order."""
    shapes = []
    in_channels = stem_channels(config)
    for block in range(config.depth + 1):
        hidden = max(1, int(expansion_factor(config, block) * in_channels)) if block else in_channels
        stride = (2 if block in config.time_strides else 1, 2 if block in config.mel_strides else 1)
        shape = BlockShape(
            in_channels=in_channels,
            hidden_channels=hidden,
            out_channels=block_channels(config, block),
            squeeze_channels=max(1, hidden // SQUEEZE_RATIO) if config.squeeze_excite and block else 0,
            stride=stride,
            expands=block > 0,
            residual=stride == (1, 1) and in_channels == block_channels(config, block),
        )
        shapes.append(shape)
        in_channels = shape.out_channels
    return tuple(shapes)


def map_size(config: PhiNetConfig, frames: int, n_mels: int) -> tuple[int, int]:
    """Height and width of the feature map made of a (frames, n_mels) input."""
    height, width = stem_size(config, frames, n_mels)
    for shape in block_shapes(config):
        height, width = (height - 1) // shape.stride[0] + 1, (width - 1) // shape.stride[1] + 1
    return height, width


def stem_size(config: PhiNetConfig, frames: int, n_mels: int) -> tuple[int, int]:
    """Height and width after the stem."""
    lost = 2 if config.compatibility else 1  # padded at one side only
    return (frames - lost) // config.stem_stride[0] + 1, (n_mels - lost) // config.stem_stride[1] + 1


def shaped(base: PhiNetConfig, **changes: Any) -> PhiNetConfig:
    """A trunk with other values; strides of blocks that it does not have are left out."""
    depth = changes.get("depth", base.depth)
    changes["time_strides"] = tuple(block for block in base.time_strides if block <= depth)
    changes["mel_strides"] = tuple(block for block in base.mel_strides if block <= depth)
    return dataclasses.replace(base, **changes)
