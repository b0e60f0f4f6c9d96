"""What a student can learn from: the protocols of encoders and teachers.

Nothing here asks for torch modules, log-mel spectrograms or gradients: a graph in ONNX Runtime, a tagger with a
sentence encoder or a speech model is a teacher if it offers this. `base.TrainableTeacher` is the base of those that are
made of torch modules and can be trained here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import onnx
import torch
from torch import Tensor, nn

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.data.dataset import Dataset
from tinyclap.models.placement import Placement


class AudioModel(Protocol):
    """What is said of an audio encoder.

    Attributes:
        name: what a report calls it (hub id or folder name).
        licence: of the weights, which a student inherits.
        sample_rate: of the waveforms, Hz.
        embed_dim: size D of its space.
        window_s: the stretch that it takes at once, seconds; longer clips are cut into windows that are averaged.
    """

    name: str
    licence: str
    sample_rate: int
    embed_dim: int
    window_s: float

    def costs(self) -> dict[str, int | None]:
        """`parameters` of the audio encoder, and `macs` of one window; None for what is not known."""
        ...


class ExportableModel(AudioModel, Protocol):
    """An audio encoder that tells its own graph."""

    def audio_graph(self) -> "AudioGraph":
        """The audio side in a form that can be traced; raises TinyclapError where there is none."""
        ...


class Encoder(AudioModel, Protocol):
    """Embeds sound. Deterministic: the same clip always gives the same vector, bit for bit."""

    @property
    def fingerprint(self) -> str:
        """Hex hash of weights and preprocessing: two encoders with the same one give the same embeddings."""
        ...

    def embed_audio(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed clips of any length.

        Args:
            waveforms: float32 (B, T) in [-1, 1] at `sample_rate`, on any device.
            lengths: samples of each clip, int (B,); None means T for all.

        Returns:
            Unit-norm (B, D).
        """
        ...

    def to(self, device: str | torch.device) -> Any:
        """Compute on this device from now on, where the encoder can."""
        ...


class Teacher(Encoder, ExportableModel, Protocol):
    """Embeds sound and text in one space.

    Attributes:
        prompts: templates with `{}` that its authors evaluate with.
    """

    prompts: tuple[str, ...]

    @property
    def logit_scale(self) -> float:
        """The factor between cosine similarity and logits."""
        ...

    def embed_text(self, texts: list[str]) -> Tensor:
        """Embed N texts: unit-norm (N, D)."""
        ...

    def text_target(self) -> "TextTarget":
        """What a text student learns of it."""
        ...

    def prepare_dataset(self, dataset: Dataset) -> Dataset:
        """A data set as this teacher reads its files in an evaluation: mixed to mono, unless its original does not."""
        ...

    def text_graph(self) -> "TextGraph":
        """The text side in a form that can be traced; raises TinyclapError where there is none."""
        ...


@dataclass(frozen=True)
class AudioGraph:
    """An audio tower in a form that can be traced.

    Attributes:
        frontend: waveforms to log-mel spectrograms.
        encoder: log-mel windows (B, 1, frames, mels) -> unit-norm (B, D).
        window: samples in one window.
        encode: windows (B, samples) -> unit-norm (B, D) as the tower itself computes it, to compare with.
    """

    frontend: LogMel
    encoder: nn.Module
    window: int
    encode: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TextGraph:
    """A text side in a form that can be exported.

    Attributes:
        encoder: token ids and mask (N, L) -> unit-norm (N, D), to be traced; or a graph of `input_ids` and whatever of
            `attention_mask` and `token_type_ids` it takes, to one output (N, D) of any length.
        tokenizer: of `transformers`, or with a graph of `tokenizers`.
        pad_id: token that fills up shorter texts.
        max_tokens: to which texts are cut.
        ending: added to every text.
    """

    encoder: nn.Module | onnx.ModelProto
    tokenizer: Any
    pad_id: int
    max_tokens: int
    ending: str = ""


@dataclass(frozen=True)
class TextTarget:
    """What a text student learns of a teacher.

    Attributes:
        embed: N texts to unit-norm (N, E).
        embed_dim: E.
        fingerprint: two targets with the same one give the same embeddings.
        placement: from there to the teacher's space; None where it is the same.
        tokenizer: of `transformers` or `tokenizers`, and `table`, the embeddings (V, d) of its tokens, to begin with;
            None where there is no telling.
        name, licence: of what embeds the texts; the name is its hub id where it has one.
        parameters: of the same; None where there is no telling.
    """

    embed: Callable[[list[str]], Tensor]
    embed_dim: int
    fingerprint: str
    placement: Placement | None = None
    tokenizer: Any = None
    table: Tensor | None = None
    name: str = ""
    licence: str = "unknown"
    parameters: int | None = None


def token_table(encoder: nn.Module, tokenizer: Any) -> Tensor | None:
    """The embeddings of a tokenizer's tokens in an encoder, (V, d); None where it has no table for so many.

    Tables of positions may have enough rows too: those of the tokens are as many as there are tokens, or a few more.
    """
    tables = [module.weight for module in encoder.modules() if isinstance(module, nn.Embedding)]
    large = [table for table in tables if len(table) >= len(tokenizer)]
    return min(large, key=len).detach() if large else None
