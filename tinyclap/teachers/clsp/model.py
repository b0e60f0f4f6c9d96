"""CLSP's two towers: SPEAR's Zipformer and RoBERTa, each with a projection into one space."""

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import RobertaModel

from tinyclap.audio.log_mel.kaldi import KaldiFbank, KaldiSpec
from tinyclap.common.files import whole_folder, write_bytes, write_text
from tinyclap.models.hub import WEIGHTS
from tinyclap.models.long_audio import repeat_pad
from tinyclap.models.zipformer import SHORTEST_FRAMES, Embed, Zipformer, ZipformerConfig, beyond, embedded, fewer
from tinyclap.teachers.base import config_values, tokenizer_text
from tinyclap.teachers.encoder import TextGraph
from tinyclap.teachers.own_length import OwnLengthTeacher

SPEC = KaldiSpec()
WINDOW_S = 30.0  # the longest stretch that is embedded at once; the original takes any, in memory that grows squared
SHORTEST = SHORTEST_FRAMES * SPEC.hop_length - SPEC.hop_length // 2  # samples of a clip
MAX_TOKENS = 512
PROMPTS = ("A speaker in a {} tone.",)
DROPOUT = 0.1


class ClspModel(nn.Module):
    """The towers, named as in the published weights.

    Args:
        config: of the speech encoder.
        text: RoBERTa with its pooler.
        embed_dim: of the shared space.
    """

    def __init__(self, config: ZipformerConfig, text: RobertaModel, embed_dim: int) -> None:
        super().__init__()
        self.config = config
        self.encoder_embed, self.encoder = Embed(config.n_mels, config.width), Zipformer(config)
        self.audio_projection, self.audio_transform = _projection(config.width, embed_dim), _Transform(embed_dim)
        self.text_encoder = text
        text_width: int = text.config.hidden_size
        self.text_projection, self.text_transform = _projection(text_width, embed_dim), _Transform(embed_dim)
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def frames(self, logmel: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Log-mel (B, T, n_mels), of these lengths (B,) or all of T, to the mean of the encoder's frames (B, width)."""
        lengths = None if lengths is None else embedded(lengths)
        padded = None if lengths is None else beyond(lengths, embedded(logmel.shape[1]))
        frames: Tensor = self.encoder(self.encoder_embed(logmel, padded), lengths)
        if lengths is None:
            return frames.mean(dim=1)
        lengths = fewer(lengths, self.config.output_factor)
        frames = frames.masked_fill(beyond(lengths, frames.shape[1]).unsqueeze(-1), 0.0)
        return frames.sum(dim=1) / lengths.unsqueeze(-1)

    def audio(self, logmel: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Log-mel (B, T, n_mels), of these lengths (B,) or all of T, to unit-norm (B, D)."""
        return F.normalize(self.audio_transform(self.audio_projection(self.frames(logmel, lengths))), dim=-1)

    def text(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask (N, T) to unit-norm (N, D)."""
        pooled = self.text_encoder(input_ids=input_ids, attention_mask=attention_mask).pooler_output
        return F.normalize(self.text_transform(self.text_projection(pooled)), dim=-1)


class Clsp(OwnLengthTeacher):
    """CLSP as a teacher.

    Clips of up to WINDOW_S seconds are embedded at their own length, without padding or repetition; longer ones as
    averaged windows. Those shorter than one frame of the encoder, 85 ms, are repeated up to it: the original fails on
    them.

    Args:
        model: the towers.
        tokenizer: RoBERTa's.
        name: for reports.
        licence: of the weights.
    """

    def __init__(self, model: ClspModel, tokenizer: Any, name: str, licence: str) -> None:
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self._tokenizer_text = tokenizer_text(tokenizer)
        self.frontend = KaldiFbank(SPEC)
        self.name, self.licence, self.prompts = name, licence, PROMPTS
        text: Any = model.text_encoder.config
        self.max_tokens = min(MAX_TOKENS, text.max_position_embeddings - 2)  # RoBERTa counts from 2
        self.sample_rate, self.window_s = SPEC.sample_rate, WINDOW_S
        self.embed_dim = model.audio_transform.width

    @property
    def log_scale(self) -> nn.Parameter:
        return self.model.logit_scale

    def text_parameters(self) -> list[nn.Parameter]:
        parts = (self.model.text_encoder, self.model.text_projection, self.model.text_transform)
        return [parameter for part in parts for parameter in part.parameters()]

    def audio_parameters(self) -> list[nn.Parameter]:
        text = {id(parameter) for parameter in (*self.text_parameters(), self.log_scale)}
        return [parameter for parameter in self.parameters() if id(parameter) not in text]

    def encode_lengths(self, logmel: Tensor, lengths: Tensor | None) -> Tensor:
        return self.model.audio(logmel, lengths)

    def encode_text(self, texts: list[str]) -> Tensor:
        longest, most = max(len(ids) for ids in self.tokenizer(texts)["input_ids"]), self.max_tokens
        if longest > most:
            warnings.warn(f"{self.name}: a caption of {longest} tokens is cut to {most}", stacklevel=3)
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=most, return_tensors="pt")
        device = self.log_scale.device
        return self.model.text(tokens["input_ids"].to(device), tokens["attention_mask"].to(device))

    def text_graph(self) -> TextGraph:
        return TextGraph(_TextEncoder(self.model), self.tokenizer, int(self.tokenizer.pad_token_id), self.max_tokens)

    def pad(self, waveform: Tensor) -> Tensor:
        return waveform if len(waveform) >= SHORTEST else repeat_pad(waveform, SHORTEST)

    def preprocessing(self) -> dict[str, Any]:
        parts: dict[str, Any] = {"format": "clsp", "frontend": self.frontend.spec.key(), "window_s": self.window_s}
        parts |= {"speech": asdict(self.model.config), "text": config_values(self.model.text_encoder.config)}
        return parts | {"tokenizer": self._tokenizer_text}

    def save_pretrained(self, folder: Path, card: str, *, half: bool = False) -> None:
        """The published layout: model.safetensors and the tokenizer's files."""
        with whole_folder(folder) as temporary:
            weights = {f"model.{name}": tensor.detach().cpu() for name, tensor in self.model.state_dict().items()}
            plain = {name: (tensor.half() if half else tensor).contiguous() for name, tensor in weights.items()}
            write_bytes(temporary / WEIGHTS, safetensors.torch.save(plain, metadata={"format": "pt"}))
            self.tokenizer.save_pretrained(temporary)
            write_text(temporary / "README.md", card)


def _projection(width: int, embed_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, embed_dim), nn.ReLU(), nn.Linear(embed_dim, embed_dim))


class _Transform(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        parts = (nn.Linear(width, width), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(width, width))
        self.sequential = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.sequential(x)
        return out


class _TextEncoder(nn.Module):
    """Token ids and mask to unit vectors."""

    def __init__(self, model: ClspModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model.text(input_ids, attention_mask)
