"""Microsoft CLAP, versions 2022 and 2023, from the published checkpoints.

2022 is CNN14 beside BERT, 2023 HTSAT beside GPT-2, each tower with a projection. What differs from the original code
(msclap): clips are mixed to mono (the original concatenates stereo channels), long clips become averaged fixed windows
(it takes a random crop), captions that are too long are cut with a warning (its batches fail), and embeddings have unit
norm. The mel filterbank is read from the checkpoint: that of 2023 was made for 32 kHz and is applied at 44.1 kHz.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model
from transformers.models.clap.modeling_clap import ClapAudioEncoder

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.files import whole_folder, write_text
from tinyclap.data.dataset import Dataset
from tinyclap.errors import TinyclapError
from tinyclap.models import checkpoints
from tinyclap.models.cnn14 import Cnn14
from tinyclap.models.heads import Projection
from tinyclap.models.long_audio import repeat_pad
from tinyclap.teachers import laion
from tinyclap.teachers.base import Part, TrainableTeacher, check_tokenizer, config_values, tokenizer_text
from tinyclap.teachers.encoder import TextGraph
from tinyclap.teachers.htsat import stretching
from tinyclap.teachers.msclap_audio import AsMsclap


@dataclass(frozen=True)
class Version:
    """What tells the versions apart.

    Attributes:
        file: of the weights on the hub.
        tokenizer: on the hub.
        window_s: of the audio tower, seconds.
        max_tokens: of a caption.
        ending: of a caption.
        size, sha256: of the file, as far as they are known.
    """

    file: str
    tokenizer: str
    window_s: float
    max_tokens: int
    ending: str = ""
    size: int | None = None
    sha256: str = ""


REPOSITORY = "microsoft/msclap"
VERSIONS = {
    "2022": Version("CLAP_weights_2022.pth", "bert-base-uncased", 5.0, 100, size=2_333_972_488, sha256="5b917c47"),
    "2023": Version("CLAP_weights_2023.pth", "gpt2", 7.0, 77, " <|endoftext|>"),
}
LICENCE = "ms-pl"
PROMPTS = ("this is the sound of {}",)
SPEC = FrontendSpec(44_100, 1024, 1024, 320, 64, f_min=50.0, f_max=14_000.0)  # but for the filterbank
HEAD_WIDTH = 64
AUDIO, TEXT, HTSAT = "audio_encoder.base.", "caption_encoder.base.", "audio_encoder.base.htsat."
PROJECTIONS = {
    "audio_encoder.projection.": "audio_projection.",
    "caption_encoder.projection.": "text_projection.",
}
LEFT_OUT = tuple(f"{AUDIO}{part}." for part in ("spectrogram_extractor", "logmel_extractor", "fc_audioset"))
OLD = ("position_ids", ".attn.bias", ".attn.masked_bias")  # that older versions of transformers wrote
FOLLOWING = ("relative_position_index",)


class MSClap(TrainableTeacher):
    """Microsoft CLAP (2022: arXiv 2206.04769, the teacher of tinyCLAP; 2023: arXiv 2309.05767).

    Args:
        version: a key of VERSIONS.
        audio: log-mel windows to features: `Cnn14` or `ClapAudioEncoder`.
        text: BERT or GPT-2.
        tokenizer: of the text tower.
        widths: of the features of both towers.
        embed_dim: of the shared space.
        name: for reports.
        original: keep to msclap where that is deterministic: see `load_msclap`.
    """

    def __init__(
        self,
        version: str,
        audio: nn.Module,
        text: Any,
        tokenizer: Any,
        widths: tuple[int, int],
        embed_dim: int,
        name: str,
        *,
        original: bool = False,
    ) -> None:
        super().__init__()
        self.version, self.settings, self.original = version, VERSIONS[version], original
        self.max_tokens = text.config.max_position_embeddings if original else self.settings.max_tokens
        self.audio, self.text, self.tokenizer = audio, text, tokenizer
        self._tokenizer_text = tokenizer_text(tokenizer)
        self.audio_projection = Projection(widths[0], embed_dim, dropout=0.5)
        self.text_projection = Projection(widths[1], embed_dim, dropout=0.5)
        self.scale = nn.Parameter(torch.zeros(()))
        self.frontend = LogMel(SPEC)
        self.name, self.licence, self.prompts = name, LICENCE, PROMPTS
        self.sample_rate, self.embed_dim, self.window_s = SPEC.sample_rate, embed_dim, self.settings.window_s

    @property
    def log_scale(self) -> nn.Parameter:
        return self.scale

    def parts(self) -> Mapping[Part, Sequence[nn.Module]]:
        return {"audio": [self.audio], "text": [self.text], "head": [self.audio_projection, self.text_projection]}

    def text_parameters(self) -> list[nn.Parameter]:
        return [*self.text.parameters(), *self.text_projection.parameters()]

    def encode_logmel(self, logmel: Tensor) -> Tensor:
        features = self.audio(logmel)
        features = features if isinstance(features, Tensor) else features.pooler_output
        return F.normalize(self.audio_projection(features), dim=-1)

    def encode_text(self, texts: list[str]) -> Tensor:
        whole, most = [f"{text}{self.settings.ending}" for text in texts], self.max_tokens
        longest = max(len(ids) for ids in self.tokenizer(whole)["input_ids"])
        if longest > most:
            warnings.warn(f"{self.name}: a caption of {longest} tokens is cut to {most}", stacklevel=3)
        tokens = self.tokenizer(whole, padding=True, truncation=True, max_length=most, return_tensors="pt")
        return self.encode_tokens(tokens["input_ids"], tokens["attention_mask"])

    def encode_tokens(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask (N, T) -> unit-norm (N, D).

        BERT's output at the first token; GPT-2's at the last one that is not 0, its padding (and the word "!").
        """
        return self.text_encoder(input_ids.to(self.scale.device), attention_mask.to(self.scale.device))

    @property
    def text_encoder(self) -> "_TextEncoder":
        """The text tower from tokens on."""
        return _TextEncoder(self.text, self.text_projection, self.version)

    def before_tracing(self) -> nn.Module | None:
        return stretching(self.audio)

    def text_graph(self) -> TextGraph:
        return TextGraph(
            self.text_encoder, self.tokenizer, int(self.tokenizer.pad_token_id), self.max_tokens, self.settings.ending
        )

    def pad(self, waveform: Tensor) -> Tensor:
        return repeat_pad(waveform, self.window)

    def prepare_dataset(self, dataset: Dataset) -> Dataset:
        return AsMsclap(dataset, self.sample_rate) if self.original else dataset

    def preprocessing(self) -> dict[str, Any]:
        mel = float(self.frontend.filterbank.double().sum())
        config, tokenizer = config_values(self.text.config), self._tokenizer_text
        parts = {"format": f"msclap-{self.version}", "mel": mel, "config": config, "tokenizer": tokenizer}
        return parts | ({"original": True} if self.original else {})

    def save_pretrained(self, folder: Path, card: str, *, half: bool = False) -> None:
        """A checkpoint as Microsoft's, under its file's name, with the tokenizer beside it."""
        if half:
            raise TinyclapError("float16 weights are for teachers in ClapModel format")
        with whole_folder(folder) as temporary:
            torch.save({"model": _published(self)}, temporary / self.settings.file)
            self.tokenizer.save_pretrained(temporary)
            write_text(temporary / "README.md", card)


class _TextEncoder(nn.Module):
    """Token ids and mask to unit vectors."""

    def __init__(self, text: nn.Module, projection: nn.Module, version: str) -> None:
        super().__init__()
        self.text, self.projection, self.version = text, projection, version

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states = self.text(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return F.normalize(self.projection(pooled(states, input_ids, self.version)), dim=-1)


def pooled(states: Tensor, input_ids: Tensor, version: str) -> Tensor:
    """The state (N, width) that stands for a caption among those of its tokens (N, T, width)."""
    if version == "2022":
        return states[:, 0]
    last = (input_ids != 0).sum(1) - 1
    return states[torch.arange(states.shape[0], device=states.device), last]


def load_msclap(source: str, *, original: bool = False) -> MSClap:
    """Load Microsoft CLAP.

    Args:
        source: "2022" or "2023" (from the hub), the file CLAP_weights_2022.pth or CLAP_weights_2023.pth, or a folder
            with one of these. The text tower's tokenizer is read from the file's folder if it lies there, else from
            the hub.
        original: as msclap reads: in evaluations the channels of a file follow one another instead of being mixed, and
            torchaudio resamples; captions are as long as the text tower has positions. Its random crops of long clips
            cannot be had again: they are fixed windows here too.

    Raises:
        TinyclapError: no such file, another format, or weights that are missing or unknown.
    """
    held = [Path(source) / version.file for version in VERSIONS.values() if (Path(source) / version.file).is_file()]
    source = str(held[0]) if held else source
    known = VERSIONS.get(source)
    size, sha256 = (known.size, known.sha256) if known else (None, "")
    path = checkpoints.located(known.file if known else source, REPOSITORY, ".pth", size=size, sha256=sha256)
    version, weights = _weights(path)
    tokenizer = checkpoints.tokenizer(path.parent, VERSIONS[version].tokenizer)
    check_tokenizer(f"teacher {source}", tokenizer)
    if version == "2023":
        tokenizer.add_special_tokens({"pad_token": "!"})
        if tokenizer.pad_token_id != 0:
            raise TinyclapError(
                f"teacher {source}: the tokenizer beside it is not GPT-2's, whose '!' is 0; put that there"
            )
    widths = tuple(weights[f"{tower}_encoder.projection.linear1.weight"].shape[1] for tower in ("audio", "caption"))
    embed_dim = weights["audio_encoder.projection.linear1.weight"].shape[0]
    audio = Cnn14() if version == "2022" else ClapAudioEncoder(laion.htsat_config(_htsat(weights), embed_dim))
    text: Any = BertModel(_bert(weights)) if version == "2022" else GPT2Model(_gpt2(weights))
    teacher = MSClap(version, audio, text, tokenizer, (widths[0], widths[1]), embed_dim, path.stem, original=original)
    _fill(teacher, weights)
    return teacher.requires_grad_(False).eval()


def _weights(path: Path) -> tuple[str, dict[str, Tensor]]:
    """The version and the weights of a checkpoint."""
    held = checkpoints.read(path)
    weights = held.get("model", held) if isinstance(held, Mapping) else {}
    version = "2023" if any(str(name).startswith(HTSAT) for name in weights) else "2022"
    words = {"2022": "embeddings.word_embeddings.weight", "2023": "wte.weight"}[version]
    needed = ("audio_encoder.projection.linear1.weight", f"{TEXT}{words}", _mel_name(version))
    absent = [name for name in needed if not isinstance(weights.get(name), Tensor)]
    if absent:
        found = ", ".join(list(map(str, weights))[:3]) or type(held).__name__
        raise TinyclapError(
            f"{path} is no checkpoint of Microsoft CLAP {version}: {absent[0]} is missing, found {found}"
        )
    return version, dict(weights)


def _mel_name(version: str) -> str:
    return f"{AUDIO if version == '2022' else HTSAT}logmel_extractor.melW"


def _htsat(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The audio tower of 2023 under the names that LAION's has."""
    return {
        f"{laion.AUDIO}{name.removeprefix(HTSAT)}": tensor for name, tensor in weights.items() if name.startswith(HTSAT)
    }


def _bert(weights: Mapping[str, Tensor]) -> BertConfig:
    """The shape of the text tower of 2022, as its weights tell it."""
    words = weights[f"{TEXT}embeddings.word_embeddings.weight"]
    return BertConfig(
        vocab_size=words.shape[0],
        hidden_size=words.shape[1],
        num_hidden_layers=len({name.split(".")[4] for name in weights if name.startswith(f"{TEXT}encoder.layer.")}),
        num_attention_heads=max(1, words.shape[1] // HEAD_WIDTH),
        intermediate_size=weights[f"{TEXT}encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=weights[f"{TEXT}embeddings.position_embeddings.weight"].shape[0],
        type_vocab_size=weights[f"{TEXT}embeddings.token_type_embeddings.weight"].shape[0],
    )


def _gpt2(weights: Mapping[str, Tensor]) -> GPT2Config:
    """The shape of the text tower of 2023, as its weights tell it."""
    words = weights[f"{TEXT}wte.weight"]
    return GPT2Config(
        vocab_size=words.shape[0],
        n_embd=words.shape[1],
        n_layer=len({name.split(".")[3] for name in weights if name.startswith(f"{TEXT}h.")}),
        n_head=max(1, words.shape[1] // HEAD_WIDTH),
        n_positions=weights[f"{TEXT}wpe.weight"].shape[0],
    )


def _published(teacher: MSClap) -> dict[str, Tensor]:
    """The weights under the names of Microsoft's checkpoint: what `_fill` reads."""
    own, audio = teacher.state_dict(), "audio."
    prefixes = {"text.": TEXT, **{mine: theirs for theirs, mine in PROJECTIONS.items()}}
    heard = {name.removeprefix(audio): tensor for name, tensor in own.items() if name.startswith(audio)}
    base = AUDIO if teacher.version == "2022" else HTSAT
    original = heard if teacher.version == "2022" else dict(laion.as_published(heard))
    named = {f"{base}{name}": tensor for name, tensor in original.items() if not name.endswith(FOLLOWING)}
    for name, tensor in own.items():
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        if prefix is not None:
            named[prefixes[prefix] + name.removeprefix(prefix)] = tensor
    held = {**named, "logit_scale": teacher.scale.detach(), _mel_name(teacher.version): teacher.frontend.filterbank}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in held.items()}


def _fill(teacher: MSClap, weights: Mapping[str, Tensor]) -> None:
    named = {}
    for name, tensor in laion.converted(_htsat(weights)):
        named[f"audio.{name.removeprefix('audio_model.audio_encoder.')}"] = tensor
    for name, tensor in weights.items():
        if name.startswith((*LEFT_OUT, HTSAT)) or name.endswith(OLD):
            continue
        prefixes = {AUDIO: "audio.", TEXT: "text.", **PROJECTIONS}
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        own_name = "scale" if name == "logit_scale" else prefixes.get(prefix, "") + name.removeprefix(prefix)
        named[own_name] = tensor
    checkpoints.load_published(teacher, named, teacher.name, f"Microsoft CLAP {teacher.version}", FOLLOWING)
    teacher.frontend.filterbank.copy_(weights[_mel_name(teacher.version)])
