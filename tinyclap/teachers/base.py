"""Teachers made of torch modules: an audio tower behind a log-mel front end, a text tower, one shared space.

They are trained through `encode_*` and used frozen through `embed_*`. Long clips are embedded as averaged fixed
windows, never as random crops; short ones are padded as the original does.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import torch
import yaml
from huggingface_hub import hf_hub_download, metadata_load
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.data.dataset import Dataset
from tinyclap.errors import TinyclapError
from tinyclap.hardware.traced_costs import count_macs
from tinyclap.models.long_audio import embed_long, embed_pieces
from tinyclap.teachers.encoder import AudioGraph, TextGraph, TextTarget, token_table

Part = Literal["audio", "text", "head"]
TEXT_BATCH = 64
PROBES = ("dog", "rain")  # words that any tokenizer tells apart
BOOKKEEPING = ("dtype", "torch_dtype", "_name_or_path", "transformers_version", "architectures")


def config_values(config: Any) -> dict[str, Any]:
    """A transformers configuration without what changes no embedding: where and in what precision it was stored."""

    def without_bookkeeping(values: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in values.items() if key not in BOOKKEEPING}
        return {key: without_bookkeeping(value) if isinstance(value, dict) else value for key, value in kept.items()}

    return without_bookkeeping(config.to_dict())


def hash_weights(total: Any, module: nn.Module) -> None:
    """Add a module's weights to a hash."""
    for name, tensor in sorted(module.state_dict().items()):
        total.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def tokenizer_text(tokenizer: Any) -> str:
    """All that a tokenizer does, as text for a fingerprint; taken before it is used, as every call sets its padding."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    return fast.to_str() if fast is not None else repr(sorted(tokenizer.get_vocab().items()))


def check_tokenizer(name: str, tokenizer: Any) -> None:
    """Raises TinyclapError for a tokenizer that reads all words alike.

    Where a tokenizer's files are missing, transformers makes one up that knows the special tokens only.
    """
    first, second = tokenizer(list(PROBES))["input_ids"]
    if first == second:
        raise TinyclapError(
            f"{name}: its tokenizer, of {len(tokenizer)} tokens, reads '{PROBES[0]}' and '{PROBES[1]}' both as {first};"
            " copy the tokenizer's files (tokenizer.json and tokenizer_config.json, or vocab.json and merges.txt) there"
        )


def licence_of(source: str) -> str:
    """The licence that the model card's front matter states, by its name if that is "other"; "unknown" without one."""
    try:
        card = Path(source) / "README.md" if Path(source).is_dir() else hf_hub_download(source, "README.md")
        matter = metadata_load(card) or {}
    except (OSError, ValueError, yaml.YAMLError):  # no card, or offline with only the weights in the cache; no YAML
        return "unknown"
    licence = str(matter.get("license") or "unknown")
    return str(matter.get("license_name") or licence) if licence == "other" else licence


class AudioTower(nn.Module, ABC):
    """An audio encoder behind a log-mel front end.

    Attributes:
        name: what a report calls it (hub id or folder name).
        frontend: its front end.
        sample_rate: of the waveforms, Hz.
        embed_dim: size D of its space.
        window_s: the fixed stretch that it takes at once, seconds.
        licence: of the weights, which a student inherits.
    """

    name: str
    frontend: LogMel
    sample_rate: int
    embed_dim: int
    window_s: float
    licence: str

    @abstractmethod
    def encode_logmel(self, logmel: Tensor) -> Tensor:
        """Log-mel windows (B, 1, frames, mels) of `frontend` -> unit-norm (B, D), with gradients."""

    def encode_audio(self, waveforms: Tensor) -> Tensor:
        """Windows (B, round(window_s * sample_rate)) -> unit-norm (B, D), with gradients."""
        return self.encode_logmel(self.frontend(waveforms))

    def audio_parameters(self) -> list[nn.Parameter]:
        """Parameters of the encoder."""
        return list(self.parameters())

    @property
    def window(self) -> int:
        """Samples in one window."""
        return round(self.window_s * self.sample_rate)

    def costs(self) -> dict[str, int | None]:
        """`parameters` of the encoder, and `macs` of one window without the front end."""
        spec = self.frontend.spec
        logmel = torch.zeros(1, 1, spec.n_frames(self.window), spec.n_mels)
        return {
            "parameters": sum(parameter.numel() for parameter in self.audio_parameters()),
            "macs": count_macs(self.cpu(), self.encode_logmel, logmel),
        }

    def audio_graph(self) -> AudioGraph:
        """The tower in a form that can be traced."""
        self.eval().cpu()
        return AudioGraph(self.frontend, LogMelEncoder(self, self.before_tracing()), self.window, self.encode_audio)

    def before_tracing(self) -> nn.Module | None:
        """What a traced tower's spectrograms pass first, where it cannot be traced as it is."""
        return None


class LogMelEncoder(nn.Module):
    """A tower from spectrograms on; `before` is applied to them first."""

    def __init__(self, tower: AudioTower, before: nn.Module | None = None) -> None:
        super().__init__()
        self.tower, self.before = tower, before or nn.Identity()

    def forward(self, logmel: Tensor) -> Tensor:
        return self.tower.encode_logmel(self.before(logmel))


class TrainableTeacher(AudioTower):
    """An audio tower and a text tower in one space: a `Teacher` (see `encoder`) whose towers can be trained here.

    Attributes:
        prompts: templates with `{}` that its authors evaluate with.
    """

    prompts: tuple[str, ...]
    _fingerprint: str | None = None
    _frozen: frozenset[Part] = frozenset()

    def prepare_dataset(self, dataset: Dataset) -> Dataset:
        """A data set as this teacher reads its files in an evaluation: mixed to mono, unless its original does not."""
        return dataset

    @property
    def any_length(self) -> bool:
        """Whether its audio tower hears clips shorter than a window at their own length."""
        return False

    def encode_clips(self, clips: Sequence[Tensor]) -> Tensor:
        """Clips (t,), windows unless it hears `any_length` -> unit-norm (B, D), with gradients."""
        return self.encode_audio(torch.stack(list(clips)))

    @abstractmethod
    def encode_text(self, texts: list[str]) -> Tensor:
        """N texts -> unit-norm (N, D), with gradients."""

    @abstractmethod
    def pad(self, waveform: Tensor) -> Tensor:
        """A clip (t,) shorter than a window -> one window, as the original code does it."""

    @abstractmethod
    def preprocessing(self) -> dict[str, Any]:
        """Everything besides the weights that changes an embedding, for the fingerprint (JSON-ready)."""

    @property
    @abstractmethod
    def log_scale(self) -> nn.Parameter:
        """The learnable logarithm of `logit_scale`."""

    def text_graph(self) -> TextGraph:
        """The text side in a form that can be traced; raises TinyclapError where a kind has none."""
        raise TinyclapError(f"teacher {self.name}: its text side cannot be exported; leave out --text")

    def text_target(self) -> TextTarget:
        """Its text embeddings, which a text student learns as they are."""
        tokenizer, table = None, None
        try:
            graph = self.text_graph()
        except TinyclapError:  # a kind that has none
            pass
        else:
            assert isinstance(graph.encoder, nn.Module)
            tokenizer, table = graph.tokenizer, token_table(graph.encoder, graph.tokenizer)
        return TextTarget(
            self.embed_text,
            self.embed_dim,
            self.fingerprint,
            tokenizer=tokenizer,
            table=table,
            name=Path(self.name).name if Path(self.name).exists() else self.name,
            licence=self.licence,
            parameters=sum(parameter.numel() for parameter in self.text_parameters()),
        )

    def parts(self) -> Mapping[Part, Sequence[nn.Module]]:
        """What it is made of: the towers, and as `head` what takes their outputs into the shared space.

        Raises TinyclapError where a kind does not tell them apart.
        """
        raise TinyclapError(f"teacher {self.name}: a {type(self).__name__} is trained as a whole; it has no parts")

    def freeze(self, parts: Iterable[Part]) -> None:
        """Leave these parts as they are in trainings: their weights, without dropout, norms by what they have seen."""
        self._frozen |= frozenset(parts)
        for part in self._frozen:
            for module in self.parts()[part]:
                module.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for part in self._frozen:
            for module in self.parts()[part]:
                module.eval()
        for norm in self.modules() if mode else ():
            if isinstance(norm, _BatchNorm) and norm.weight is not None and not norm.weight.requires_grad:
                norm.eval()
        return self

    @abstractmethod
    def text_parameters(self) -> list[nn.Parameter]:
        """Parameters of the text side, which may train at a rate of its own."""

    def audio_parameters(self) -> list[nn.Parameter]:
        """Parameters of the audio side: all but the text side's and the scalars."""
        text = {id(parameter) for parameter in self.text_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in text and parameter.ndim]

    @abstractmethod
    def save_pretrained(self, folder: Path, card: str, *, half: bool = False) -> None:
        """Write the teacher and its model card into a new folder; `half` writes the weights as float16."""

    @property
    def logit_scale(self) -> float:
        """The factor between cosine similarity and logits."""
        return self.log_scale.exp().item()

    def weights_changed(self) -> None:
        """Called when a training has ended, or anything else changed the weights."""
        self._fingerprint = None

    @torch.no_grad()
    def round_to_half(self) -> None:
        """Round the weights, not the front end's constants, to what float16 holds."""
        for tensor in self.state_dict().values():
            if tensor.dtype.is_floating_point:
                tensor.copy_(tensor.half())
        self.weights_changed()

    @property
    def fingerprint(self) -> str:
        """Hex hash of weights and preprocessing: two teachers with the same one give the same embeddings."""
        if self._fingerprint is None:
            total = hashlib.blake2b(json.dumps(self.preprocessing(), sort_keys=True).encode(), digest_size=16)
            hash_weights(total, self)
            self._fingerprint = total.hexdigest()
        return self._fingerprint

    @torch.no_grad()
    def embed_audio(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (B, T), of these lengths (B,), to unit-norm (B, D); see `Encoder.embed_audio`."""
        self.eval()
        waveforms = waveforms.to(next(self.parameters()).device)
        if self.any_length:
            return embed_pieces(waveforms, lengths, self.encode_clips, window=self.window)
        return embed_long(waveforms, lengths, self.encode_audio, window=self.window, pad=self.pad)

    @torch.no_grad()
    def embed_text(self, texts: list[str]) -> Tensor:
        """Embed N texts: unit-norm (N, D)."""
        self.eval()
        batches = [self.encode_text(texts[first : first + TEXT_BATCH]) for first in range(0, len(texts), TEXT_BATCH)]
        return torch.cat(batches) if batches else torch.zeros(0, self.embed_dim)
