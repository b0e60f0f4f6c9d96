"""A CLAP made here from two towers: an audio encoder and any text encoder of `transformers`.

On disk: `config.json`, `audio/` (a Student folder, or CNN14 weights), `text/` (a Hugging Face folder with its
tokenizer) and `shared.safetensors` (text projection and temperature).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.files import parse_json, refuse_pointer, whole_folder, write_json, write_text
from tinyclap.errors import TinyclapError
from tinyclap.models import checkpoints, hub
from tinyclap.models.cnn14 import Cnn14
from tinyclap.models.heads import Projection
from tinyclap.models.long_audio import repeat_pad
from tinyclap.models.student import Student
from tinyclap.teachers.base import Part, TrainableTeacher, check_tokenizer, config_values, tokenizer_text
from tinyclap.teachers.encoder import TextGraph
from tinyclap.teachers.sentence_encoder import mean_over_tokens

FORMAT = "tinyclap-dual-1"
SHARED, CNN14 = "shared.safetensors", "cnn14.safetensors"
REMEMBERED_TEXTS = 50_000
MAX_TEXT_TOKENS = 128


@dataclass(frozen=True)
class Head:
    """How a tower's output is mapped into the shared space.

    Attributes:
        kind: `linear`, one matrix, or `projection`, Microsoft CLAP's (`models.heads.Projection`).
        dropout: inside a projection.
    """

    kind: str = "linear"
    dropout: float = 0.5

    def build(self, width: int, embed_dim: int) -> nn.Module:
        """The map itself, (B, width) -> (B, embed_dim)."""
        if self.kind == "projection":
            return Projection(width, embed_dim, self.dropout)
        return nn.Linear(width, embed_dim, bias=False)


LINEAR = Head()


class Cnn14Tower(nn.Module):
    """CNN14 and a head, with its front end."""

    def __init__(self, frontend: FrontendSpec, width: float, embed_dim: int, head: Head = LINEAR) -> None:
        super().__init__()
        self.width, self.embed_dim, self.head_spec = width, embed_dim, head
        self.sample_rate = frontend.sample_rate
        self.spec = frontend
        self.frontend = LogMel(frontend)
        self.base = Cnn14(n_mels=frontend.n_mels, width=width)
        self.projection = head.build(self.base.out_channels, embed_dim)

    def encode(self, logmel: Tensor) -> Tensor:
        """(B, 1, frames, mels) -> unit-norm (B, embed_dim)."""
        return F.normalize(self.projection(self.base(logmel)), dim=-1)


class TextTower(nn.Module):
    """A text encoder, mean pooling over its tokens, and a head into the shared space.

    Args:
        encoder: any `transformers` encoder.
        tokenizer: its tokenizer.
        embed_dim: of the shared space; a linear head is the identity if a frozen encoder already has this width.
        frozen: encoder weights stay as they are.
        head: into the shared space.
        max_tokens: of a text, at most what the encoder has positions for; longer ones are cut.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        embed_dim: int,
        *,
        frozen: bool,
        head: Head = LINEAR,
        max_tokens: int = MAX_TEXT_TOKENS,
    ) -> None:
        super().__init__()
        self.encoder, self.tokenizer, self.frozen, self.head_spec = encoder, tokenizer, frozen, head
        width = encoder.config.hidden_size
        is_identity = frozen and width == embed_dim and head.kind == "linear"
        self.projection = nn.Identity() if is_identity else head.build(width, embed_dim)
        self.max_tokens = min(max_tokens, int(getattr(encoder.config, "max_position_embeddings", MAX_TEXT_TOKENS)) - 2)
        self.tokenizer_text = tokenizer_text(tokenizer)
        self._memory: dict[str, Tensor] = {}
        if frozen:
            encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> "TextTower":
        super().train(mode)
        if self.frozen:
            self.encoder.eval()  # a frozen tower has no dropout either
        return self

    def forward(self, texts: list[str]) -> Tensor:
        pooled = torch.cat([self._remembered(text) for text in texts]) if self.frozen else self._pooled(texts)
        return F.normalize(self.projection(pooled), dim=-1)

    def _remembered(self, text: str) -> Tensor:
        """A frozen encoder's output for one text, (1, width); computed alone, so no batch changes its last bits."""
        if text not in self._memory:
            if len(self._memory) >= REMEMBERED_TEXTS:
                self._memory.clear()
            with torch.no_grad():
                self._memory[text] = self._pooled([text]).cpu()
        return self._memory[text].to(self.encoder.device)

    def _pooled(self, texts: list[str]) -> Tensor:
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt")
        return self.pool(**tokens.to(self.encoder.device))

    def pool(self, attention_mask: Tensor, **tokens: Tensor) -> Tensor:
        """Tokens (N, L) and their mask -> the mean of the encoder's outputs, (N, width)."""
        hidden = self.encoder(attention_mask=attention_mask, **tokens).last_hidden_state
        return mean_over_tokens(hidden, attention_mask)


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
        audio: `Student` or `Cnn14Tower`.
        text: maps N texts to unit-norm (N, D).
        window_s: stretch that the audio tower is trained on, seconds.
        prompts: templates to evaluate with.
        logit_scale: initial factor between cosine and logits.
    """

    def __init__(
        self,
        audio: Student | Cnn14Tower,
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
        heard: list[nn.Module] = (
            [audio.base] if isinstance(audio, Cnn14Tower) else [audio.norm, audio.trunk, audio.last_conv]
        )
        head = audio.projection if isinstance(audio, Cnn14Tower) else audio.head
        return {"audio": heard, "text": [text.encoder], "head": [head, text.projection]}

    def text_parameters(self) -> list[nn.Parameter]:
        return list(self.text.parameters())

    def encode_logmel(self, logmel: Tensor) -> Tensor:
        return self.audio.encode(logmel)

    def encode_text(self, texts: list[str]) -> Tensor:
        return self.text(texts)

    def text_graph(self) -> TextGraph:
        return TextGraph(
            _TextEncoder(self.text), self.text.tokenizer, int(self.text.tokenizer.pad_token_id), self.text.max_tokens
        )

    def pad(self, waveform: Tensor) -> Tensor:
        return repeat_pad(waveform, self.window)

    def preprocessing(self) -> dict[str, Any]:
        audio = self.audio.config.key() if isinstance(self.audio, Student) else self.audio.spec.key()
        text = {"config": config_values(self.text.encoder.config), "tokenizer": self.text.tokenizer_text}
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
        if isinstance(self.audio, Student):
            audio: dict[str, Any] = {"kind": "phinet"}
            self.audio.save_pretrained(folder / "audio")
        else:
            audio = {
                "kind": "cnn14",
                "frontend": self.audio.spec.key(),
                "width": self.audio.width,
                "embed_dim": self.embed_dim,
                "head": asdict(self.audio.head_spec),
            }
            save_file(self.audio.state_dict(), folder / CNN14)
        shared = {f"projection.{key}": value for key, value in self.text.projection.state_dict().items()}
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
            },
        }
        write_json(folder / "config.json", config)


def load_dual(source: str) -> DualTeacher:
    """Load a teacher that `tinyclap pretrain` made.

    Raises:
        TinyclapError: no such folder, another format, or weights that do not fit.
    """
    folder = Path(source)
    if not (folder / "config.json").is_file():
        raise TinyclapError(
            f"teacher.source: no teacher in {folder} (config.json is missing); make one with "
            "`tinyclap pretrain RECIPE` and give the folder `teacher` of its run"
        )
    for name in ("config.json", SHARED):
        refuse_pointer(folder / name)
    try:
        config = parse_json((folder / "config.json").read_bytes())
    except ValueError as error:
        raise TinyclapError(f"teacher {folder}: config.json is damaged: {error}") from error
    if config.get("format") != FORMAT:
        hint = "; it looks like a ClapModel: use teacher.kind=hf" if config.get("model_type") == "clap" else ""
        raise TinyclapError(f"teacher {folder}: format is {config.get('format')!r}, expected {FORMAT!r}{hint}")
    try:
        shared = load_file(folder / SHARED)
        audio = _load_audio(folder, config["audio"])
        encoder, _ = checkpoints.pretrained(AutoModel, folder / "text", f"teacher {folder / 'text'}")
        tokenizer = AutoTokenizer.from_pretrained(folder / "text")
        check_tokenizer(f"teacher {folder / 'text'}", tokenizer)
        text = TextTower(
            encoder,
            tokenizer,
            config["embed_dim"],
            frozen=config["text"]["frozen"],
            head=Head(**config["text"].get("head", {})),  # older folders have linear heads and do not say so
            max_tokens=config["text"].get("max_tokens", MAX_TEXT_TOKENS),
        )
        prefix = "projection."
        projection = {key.removeprefix(prefix): value for key, value in shared.items() if key.startswith(prefix)}
        hub.load_exact(text.projection, projection, str(folder / SHARED))
        teacher = DualTeacher(
            audio,
            text,
            window_s=config["window_s"],
            prompts=tuple(config["prompts"]),
            logit_scale=shared["log_logit_scale"].exp().item(),
            name=config["name"],
            licence=config["licence"],
        )
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise TinyclapError(f"teacher {folder}: damaged or incomplete: {error}") from error
    teacher.requires_grad_(False)
    return teacher.eval()


def _load_audio(folder: Path, config: dict[str, Any]) -> Student | Cnn14Tower:
    if config["kind"] == "phinet":
        return Student.from_pretrained(folder / "audio")
    head = Head(**config.get("head", {}))
    tower = Cnn14Tower(FrontendSpec(**config["frontend"]), config["width"], config["embed_dim"], head)
    refuse_pointer(folder / CNN14)
    hub.load_exact(tower, load_file(folder / CNN14), str(folder / CNN14))
    return tower
