"""A CLAP made here from two towers: an audio encoder and any text encoder of `transformers`.

On disk: `config.json`, the audio tower (a Student folder `audio/`, or its weights), `text/` (a Hugging Face folder with
its tokenizer) and `shared.safetensors` (what is behind the text encoder, and the temperature).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from tinyclap.common.files import whole_folder, write_json, write_text
from tinyclap.errors import TinyclapError
from tinyclap.models.long_audio import repeat_pad
from tinyclap.models.student import Student
from tinyclap.teachers.base import Part, TrainableTeacher, config_values
from tinyclap.teachers.dual.towers import Cnn14Tower, TextTower
from tinyclap.teachers.dual.vit import VitTower
from tinyclap.teachers.encoder import TextGraph

FORMAT = "tinyclap-dual-1"
SHARED = "shared.safetensors"
WEIGHTS = "{kind}.safetensors"  # of an audio tower that is no Student
TEXT_PARTS = ("projection", "attention_pool")  # of the text tower, behind its encoder

AnyTower = Student | Cnn14Tower | VitTower


class _TextEncoder(nn.Module):
    """Token ids and mask to unit vectors."""

    def __init__(self, text: TextTower) -> None:
        super().__init__()
        self.text = text

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        pooled = self.text.pool(input_ids=input_ids, attention_mask=attention_mask)
        return F.normalize(self.text.projection(pooled), dim=-1)


class DualTeacher(TrainableTeacher):
    """An audio tower and a text tower.

    Args:
        audio: hears windows of one length, or, a `VitTower`, clips of any.
        text: maps N texts to unit-norm (N, D).
        window_s: stretch that the audio tower is trained on, seconds.
        prompts: templates to evaluate with.
        logit_scale: initial factor between cosine and logits.
    """

    def __init__(
        self,
        audio: AnyTower,
        text: TextTower,
        *,
        window_s: float,
        prompts: tuple[str, ...],
        logit_scale: float = 1 / 0.07,
        name: str = "dual",
        licence: str = "unknown",
    ) -> None:
        super().__init__()
        self.audio, self.text, self.frontend = audio, text, audio.frontend
        self.log_logit_scale = nn.Parameter(torch.tensor(math.log(logit_scale)))
        self.sample_rate, self.window_s = audio.sample_rate, window_s
        self.prompts, self.name, self.licence = prompts, name, licence
        self.embed_dim = audio.embed_dim

    @property
    def log_scale(self) -> nn.Parameter:
        return self.log_logit_scale

    def parts(self) -> Mapping[Part, Sequence[nn.Module]]:
        audio, text = self.audio, self.text
        heard: list[nn.Module]
        heads: list[nn.Module]
        if isinstance(audio, Student):
            heard, heads = [audio.norm, audio.trunk, audio.last_conv], [audio.head]
        elif isinstance(audio, Cnn14Tower):
            heard, heads = [audio.base], [audio.projection]
        else:
            heard, heads = [audio.encoder], [audio.attention_pool, audio.projection]
        return {"audio": heard, "text": [text.encoder], "head": [*heads, *text.head_parts]}

    @property
    def any_length(self) -> bool:
        return isinstance(self.audio, VitTower)

    def text_parameters(self) -> list[nn.Parameter]:
        return list(self.text.parameters())

    def encode_logmel(self, logmel: Tensor) -> Tensor:
        return self.audio.encode(logmel)

    def encode_clips(self, clips: Sequence[Tensor]) -> Tensor:
        if not isinstance(self.audio, VitTower):
            return super().encode_clips(clips)
        clips = self.audio.ready(clips)
        if len({len(clip) for clip in clips}) == 1:
            return self.encode_audio(torch.stack(clips))
        patches = self.audio.patches(clips)
        return self.audio.pooled(self.audio.encoder(patches), patches)

    def encode_text(self, texts: list[str]) -> Tensor:
        return self.text(texts)

    def text_graph(self) -> TextGraph:
        return TextGraph(
            _TextEncoder(self.text), self.text.tokenizer, int(self.text.tokenizer.pad_token_id), self.text.max_tokens
        )

    def pad(self, waveform: Tensor) -> Tensor:
        return (
            self.audio.ready([waveform])[0] if isinstance(self.audio, VitTower) else repeat_pad(waveform, self.window)
        )

    def preprocessing(self) -> dict[str, Any]:
        audio = self.audio.config.key() if isinstance(self.audio, Student) else self.audio.spec.key()
        if isinstance(self.audio, VitTower):
            audio = audio | {"vit": asdict(self.audio.config)}
        text = {"config": config_values(self.text.encoder.config), "tokenizer": self.text.tokenizer_text}
        if self.text.pooling != "mean":
            text["pooling"] = self.text.pooling
        return {"window_s": self.window_s, "audio": audio, "text": text, "format": FORMAT}

    def save_pretrained(self, folder: Path, card: str, *, half: bool = False) -> None:
        if half:
            raise TinyclapError("float16 weights are for teachers in ClapModel format")
        with whole_folder(folder) as temporary:
            self._write(temporary)
            write_text(temporary / "README.md", card)

    def _write(self, folder: Path) -> None:
        self.text.encoder.save_pretrained(folder / "text")
        self.text.tokenizer.save_pretrained(folder / "text")
        audio = self._write_audio(folder)
        text = self.text.state_dict()
        shared = {key: value for key, value in text.items() if key.split(".")[0] in TEXT_PARTS}
        save_file(shared | {"log_logit_scale": self.log_logit_scale.detach()}, folder / SHARED)
        config = {
            "format": FORMAT,
            "name": self.name,
            "licence": self.licence,
            "embed_dim": self.embed_dim,
            "window_s": self.window_s,
            "prompts": list(self.prompts),
            "audio": audio,
            "text": {
                "frozen": self.text.frozen,
                "head": asdict(self.text.head_spec),
                "max_tokens": self.text.max_tokens,
                "pooling": self.text.pooling,
            },
        }
        write_json(folder / "config.json", config)

    def _write_audio(self, folder: Path) -> dict[str, Any]:
        """The audio tower; returns what the configuration says of it."""
        audio = self.audio
        if isinstance(audio, Student):
            audio.save_pretrained(folder / "audio")
            return {"kind": "phinet"}
        told: dict[str, Any] = {"kind": "cnn14" if isinstance(audio, Cnn14Tower) else "vit"}
        save_file(audio.state_dict(), folder / WEIGHTS.format(**told))
        told |= {"frontend": audio.spec.key(), "embed_dim": self.embed_dim, "head": asdict(audio.head_spec)}
        return told | ({"width": audio.width} if isinstance(audio, Cnn14Tower) else {"vit": asdict(audio.config)})
