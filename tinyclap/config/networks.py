"""Recipe sections on networks: the student, and the towers of a teacher trained from scratch."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.models.student_config import EncoderConfig
from tinyclap.models.vit.config import SLAP, SLAP_FRONTEND, VitConfig
from tinyclap.strict_yaml.sections import Count, Dropout, PathText, Section, Width

Pooling = Literal["mean", "attention"]


@dataclass(frozen=True)
class PhiNetTower(EncoderConfig):
    """The student's architecture as a teacher's audio tower."""

    kind: Literal["phinet"] = field(kw_only=True)


def _written(encoder: EncoderConfig) -> dict[str, Any]:
    """As it was written: null where the value was left to the PhiNet's variant."""
    values = asdict(encoder)
    values["phinet"] |= dict.fromkeys(encoder.phinet.left_open)
    return values


Encoder = Annotated[EncoderConfig, PlainSerializer(_written)]
AnyPhiNetTower = Annotated[PhiNetTower, PlainSerializer(_written)]


def stride_conflicts(place: str, encoder: EncoderConfig) -> Iterator[tuple[str, str]]:
    """Strides beyond the last block, which a recipe gives by mistake."""
    for key in ("time_strides", "mel_strides"):
        beyond = [block for block in getattr(encoder.phinet, key) if block > encoder.phinet.depth]
        if beyond:
            yield f"{place}.phinet.{key}", f"got block {beyond[0]}, allowed: 0 to depth = {encoder.phinet.depth}"


class Headed(Section):
    """A tower with a head into the shared space: one matrix (`linear`), or Microsoft CLAP's `projection`."""

    head: Literal["linear", "projection"] = "linear"
    head_dropout: Dropout = 0.5


class Cnn14Tower(Headed):
    """CNN14, the audio tower of Microsoft's CLAP 2022; `width` multiplies its channels."""

    kind: Literal["cnn14"]
    frontend: FrontendSpec = FrontendSpec()
    width: Annotated[float, Field(gt=0, le=2)] = 1.0


class VitTower(Headed):
    """A transformer over patches of the spectrogram, which hears clips of any length; the defaults are SLAP's."""

    kind: Literal["vit"]
    frontend: FrontendSpec = SLAP_FRONTEND
    vit: VitConfig = SLAP

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Bands that do not make whole patches."""
        if self.frontend.n_mels % self.vit.patch_mels:
            yield "vit.patch_mels", f"got {self.vit.patch_mels}, allowed: a divisor of n_mels = {self.frontend.n_mels}"


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


class TransformersText(Headed):
    """Any transformers encoder as text tower, with its own tokenizer; texts are cut to `max_tokens`."""

    kind: Literal["transformers"]
    source: PathText
    freeze: bool = True
    max_tokens: Annotated[int, Field(ge=3, le=512)] = 128
    pooling: Pooling = "mean"

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.freeze and self.pooling == "attention":
            yield "pooling", 'got "attention", allowed: "mean" with freeze: true, which keeps a vector for each text'


class ScratchText(Headed):
    """A small text encoder and tokenizer from scratch; the vocabulary starts with 256 bytes and 5 special tokens."""

    kind: Literal["scratch"]
    vocab_size: Annotated[int, Field(ge=261, le=1_000_000)] = 1000
    hidden_size: Width = 64
    layers: Annotated[int, Field(ge=1, le=48)] = 2
    heads: Annotated[int, Field(ge=1, le=64)] = 2
    pooling: Pooling = "mean"

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.hidden_size % self.heads:
            yield "heads", f"got {self.heads}, allowed: a divisor of hidden_size = {self.hidden_size}"
