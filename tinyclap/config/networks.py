"""Recipe sections on networks: the student, and the towers of a teacher trained from scratch. Never imports torch."""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, WrapValidator
from pydantic_core import PydanticCustomError

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.config.sections import Count, Dropout, Section, Text, Width
from tinyclap.errors import TinyclapError
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student_config import StudentConfig


def _frontend(value: Any, build: Callable[[Any], FrontendSpec]) -> FrontendSpec:
    try:
        return build(value)
    except TinyclapError as error:
        # bundle.require's form: "frontend: f_max = 9000 is not allowed; it must be at most ..."
        parts = re.fullmatch(r".*?: (\w+) = (.*) is not allowed; it must be (.*)", str(error), re.DOTALL)
        found = (parts[1], f"got {parts[2]}, allowed: {parts[3]}") if parts else ("", str(error))
        raise PydanticCustomError("conflicts", "{found}", {"found": [found]}) from error


Frontend = Annotated[FrontendSpec, WrapValidator(_frontend)]
Activation = Literal["hardswish", "relu6", "relu"]
Stride = Literal[1, 2, 4]
Blocks = tuple[Annotated[int, Field(ge=0)], ...]


class PhiNet(Section):
    """Shape of a PhiNet trunk; null takes the variant's own value.

    The fields of phinet_config.PhiNetConfig with ranges, so that all faults are found at once; a test compares the two.
    """

    alpha: Annotated[float, Field(gt=0, le=10)] = 0.334
    beta: Annotated[float, Field(gt=0, le=10)] = 1.0
    t0: Annotated[float, Field(gt=0, le=20)] = 5.0
    depth: Annotated[int, Field(ge=3, le=30)] = 7
    squeeze_excite: bool | None = None
    activation: Activation | None = None
    dropout: Dropout | None = None
    stem_stride: tuple[Stride, Stride] = (2, 2)
    time_strides: Blocks = (1, 3, 5, 7)
    mel_strides: Blocks = (1, 3, 5, 7)
    compatibility: bool = False

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Strides beyond the last block; what the reference variant excludes."""
        for key in ("time_strides", "mel_strides"):
            beyond = [block for block in getattr(self, key) if block > self.depth]
            if beyond:
                yield key, f"got block {beyond[0]}, allowed: 0 to depth = {self.depth}"
        if self.compatibility and self.squeeze_excite:
            yield "squeeze_excite", "got true, allowed: false or null with compatibility: true"
        if self.compatibility and self.activation not in (None, "relu6"):
            yield "activation", f'got "{self.activation}", allowed: "relu6" or null with compatibility: true'


class Encoder(Section):
    """An audio encoder (student.StudentConfig): front end, trunk, 1x1 convolution (`features` wide), pooling, head."""

    frontend: Frontend = FrontendSpec()
    phinet: PhiNet = PhiNet()
    head: Literal["linear", "projection"] = "linear"
    features: Annotated[int, Field(ge=0, le=8192)] = 512
    pooling: Literal["mean", "mean_max", "mels"] = "mean"
    dropout: Dropout = 0.0

    def config(self, embed_dim: int, window_s: float) -> StudentConfig:
        """The encoder that this section describes."""
        return StudentConfig(
            frontend=self.frontend,
            phinet=PhiNetConfig(**self.phinet.model_dump()),
            head=self.head,
            embed_dim=embed_dim,
            features=self.features,
            pooling=self.pooling,
            dropout=self.dropout,
            window_s=window_s,
        )


class Student(Encoder):
    """The encoder that learns; its embedding dimension is the teacher's."""


class PhiNetTower(Encoder):
    """The student's architecture as a teacher's audio tower."""

    kind: Literal["phinet"]


class Cnn14Tower(Section):
    """CNN14, the audio tower of Microsoft's CLAP 2022; `width` multiplies its channels."""

    kind: Literal["cnn14"]
    frontend: Frontend = FrontendSpec()
    width: Annotated[float, Field(gt=0, le=2)] = 1.0


class HtsatTower(Section):
    """HTSAT, the audio tower of a transformers ClapModel, with LAION's front end; names as in ClapAudioConfig."""

    kind: Literal["htsat"]
    patch_size: Literal[4, 8, 16] = 4
    patch_embeds_hidden_size: Width = 96
    depths: Annotated[tuple[Count, ...], Field(min_length=1)] = (2, 2, 6, 2)
    num_attention_heads: Annotated[tuple[Count, ...], Field(min_length=1)] = (4, 8, 16, 32)
    dropout: Dropout = 0.1

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Heads that do not match the stages."""
        given = len(self.num_attention_heads)
        if given != len(self.depths):
            yield "num_attention_heads", f"got {given} stages, allowed: as many as depths has, {len(self.depths)}"
        for stage, heads in enumerate(self.num_attention_heads):
            width = self.patch_embeds_hidden_size * 2**stage
            if width % heads:
                yield f"num_attention_heads.{stage}", f"got {heads}, allowed: a divisor of the stage's width {width}"


class TransformersText(Section):
    """Any transformers encoder as text tower, with its own tokenizer."""

    kind: Literal["transformers"]
    source: Text
    freeze: bool = True


class ScratchText(Section):
    """A small text encoder and tokenizer from scratch; the vocabulary starts with 256 bytes and 5 special tokens."""

    kind: Literal["scratch"]
    vocab_size: Annotated[int, Field(ge=261, le=1_000_000)] = 1000
    hidden_size: Width = 64
    layers: Annotated[int, Field(ge=1, le=48)] = 2
    heads: Annotated[int, Field(ge=1, le=64)] = 2

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.hidden_size % self.heads:
            yield "heads", f"got {self.heads}, allowed: a divisor of hidden_size = {self.hidden_size}"
