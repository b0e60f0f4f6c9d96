"""NaFlexClap as a teacher: its towers, and what takes them into one space."""

import warnings
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.common.files import whole_folder, write_bytes, write_json, write_text
from tinyclap.models.naflexclap.modern_text import ModernText
from tinyclap.models.naflexclap.vit import Vit
from tinyclap.runtime.bundle_contents import TOKENIZER
from tinyclap.runtime.text_encoder import padded
from tinyclap.teachers.base import tokenizer_text
from tinyclap.teachers.encoder import TextGraph
from tinyclap.teachers.naflexclap.settings import Settings
from tinyclap.teachers.naflexclap.words import Words
from tinyclap.teachers.own_length import OwnLengthTeacher

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
PROMPTS = ("This is a sound of {}.",)


class NaflexClapModel(nn.Module):
    """The towers, named as in the published weights.

    Args:
        settings: their shapes.
        scale_shape: of logit_scale.
        has_bias: whether logits were trained with a bias, which no embedding depends on.
    """

    def __init__(self, settings: Settings, scale_shape: tuple[int, ...] = (), *, has_bias: bool = False) -> None:
        super().__init__()
        self.audio = _Audio(settings)
        self.text = ModernText(settings.text, settings.embed_dim)
        self.logit_scale = nn.Parameter(torch.zeros(scale_shape))
        self.logit_bias = nn.Parameter(torch.zeros(scale_shape)) if has_bias else None


class _Audio(nn.Module):
    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width, embed_dim = settings.vit.embed_dim, settings.embed_dim
        self.pre_norm = settings.pre_norm
        self.encoder = nn.Module()
        self.encoder.vit = Vit(settings.vit)
        activation = nn.ReLU() if settings.proj_act == "relu" else nn.GELU()
        self.proj = nn.Sequential(nn.Linear(width, embed_dim), activation, nn.Linear(embed_dim, embed_dim))

    def forward(self, logmel: Tensor, lengths: Tensor | None) -> Tensor:
        """Log-mel (B, T, mel_bins), of these lengths (B,) or all of T, to unit-norm (B, D)."""
        assert isinstance(self.encoder.vit, Vit)
        features: Tensor = self.encoder.vit(logmel, lengths)
        return F.normalize(self.proj(F.normalize(features, dim=-1) if self.pre_norm else features), dim=-1)


class NaflexClap(OwnLengthTeacher):
    """NaFlexClap as a teacher.

    Clips up to a window are embedded at their own length, without padding or repetition; longer ones as averaged
    windows. Those shorter than a frame of the spectrogram are filled up with zeros to it. All as OpenCLIP does, but
    for long clips, of which its evaluation keeps the first window alone.

    Args:
        model: the towers.
        settings: of the towers and the front end.
        words: its tokenizer.
        name: for reports.
        licence: of the weights.
    """

    def __init__(self, model: NaflexClapModel, settings: Settings, words: Words, name: str, licence: str) -> None:
        super().__init__()
        self.model, self.settings, self.tokenizer = model, settings, words
        self._tokenizer_text = tokenizer_text(words)
        self.frontend = LogMel(settings.spec)
        self.name, self.licence, self.prompts = name, licence, PROMPTS
        self.max_tokens, self.pad_id = settings.text.context_length, settings.text.pad_id
        self.sample_rate, self.window_s = settings.spec.sample_rate, settings.window_s
        self.embed_dim = settings.embed_dim

    @property
    def log_scale(self) -> nn.Parameter:
        return self.model.logit_scale

    def text_parameters(self) -> list[nn.Parameter]:
        return list(self.model.text.parameters())

    def audio_parameters(self) -> list[nn.Parameter]:
        return list(self.model.audio.parameters())

    def encode_lengths(self, logmel: Tensor, lengths: Tensor | None) -> Tensor:
        embedded: Tensor = self.model.audio(logmel, lengths)
        return embedded

    def encode_text(self, texts: list[str]) -> Tensor:
        rows, most = self.tokenizer(texts)["input_ids"], self.max_tokens
        longest = max(len(ids) for ids in rows)
        if longest > most:
            warnings.warn(f"{self.name}: a caption of {longest} tokens is cut to {most}", stacklevel=3)
        cut = [ids if len(ids) <= most else [*ids[: most - 1], ids[-1]] for ids in rows]
        ids, mask = (torch.from_numpy(part).to(self.log_scale.device) for part in padded(cut, self.pad_id))
        return F.normalize(self.model.text(ids, mask), dim=-1)

    def text_graph(self) -> TextGraph:
        return TextGraph(_TextEncoder(self.model.text), self.tokenizer, self.pad_id, self.max_tokens)

    def pad(self, waveform: Tensor) -> Tensor:
        missing = self.settings.spec.n_fft - len(waveform)
        return F.pad(waveform, (0, missing)) if missing > 0 else waveform

    def preprocessing(self) -> dict[str, Any]:
        return {"format": "naflexclap", "tokenizer": self._tokenizer_text, **self.settings.key()}

    def save_pretrained(self, folder: Path, card: str, *, half: bool = False) -> None:
        """The published layout, with the tokenizer that OpenCLIP leaves out."""
        with whole_folder(folder) as temporary:
            weights = {name: tensor.detach().cpu() for name, tensor in self.model.state_dict().items()}
            plain = {name: (tensor.half() if half else tensor).contiguous() for name, tensor in weights.items()}
            write_bytes(temporary / WEIGHTS, safetensors.torch.save(plain, metadata={"format": "pt"}))
            write_json(temporary / CONFIG, {"model_cfg": self.settings.given})
            write_text(temporary / TOKENIZER, self._tokenizer_text)
            write_text(temporary / "README.md", card)


class _TextEncoder(nn.Module):
    """Token ids and mask to unit vectors."""

    def __init__(self, text: ModernText) -> None:
        super().__init__()
        self.text = text

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return F.normalize(self.text(input_ids, attention_mask), dim=-1)
