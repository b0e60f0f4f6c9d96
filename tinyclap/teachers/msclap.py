"""Microsoft CLAP 2022: CNN14 and BERT, each with a projection, from the published checkpoint.

What differs from the original code (msclap): clips are mixed to mono (the original concatenates stereo channels), long
clips become averaged fixed windows (it takes a random crop), captions beyond 100 tokens are cut with a warning (its
batches fail), and embeddings have unit norm. The mel filterbank is read from the checkpoint.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from tinyclap.errors import TinyclapError
from tinyclap.frontend import LogMel
from tinyclap.frontend_spec import FrontendSpec
from tinyclap.heads import Projection
from tinyclap.teachers import checkpoint
from tinyclap.teachers.base import Teacher, config_values, refuse_deaf_tokenizer, tokenizer_text
from tinyclap.teachers.cnn14 import Cnn14
from tinyclap.windows import repeat_pad

REPOSITORY = "microsoft/msclap"
VERSIONS = {"2022": "CLAP_weights_2022.pth"}
TOKENIZER = "bert-base-uncased"
LICENCE = "ms-pl"
PROMPTS = ("this is the sound of {}",)
SPEC = FrontendSpec(44_100, 1024, 1024, 320, 64, f_min=50.0, f_max=14_000.0)
WINDOW_S, MAX_TOKENS, HEAD_WIDTH = 5.0, 100, 64
NAMES = {
    "audio_encoder.base.": "audio.",
    "audio_encoder.projection.": "audio_projection.",
    "caption_encoder.base.": "text.",
    "caption_encoder.projection.": "text_projection.",
}
MEL = "audio_encoder.base.logmel_extractor.melW"
LEFT_OUT = tuple(f"audio_encoder.base.{part}." for part in ("spectrogram_extractor", "logmel_extractor", "fc_audioset"))
OLD = ("position_ids",)  # that older versions of transformers wrote


class MSClap2022(Teacher):
    """The teacher that tinyCLAP was distilled from (arXiv 2206.04769).

    Args:
        text: its BERT.
        tokenizer: of its BERT.
        embed_dim: of the shared space, 1024.
        name: for reports.
    """

    def __init__(self, text: BertModel, tokenizer: Any, embed_dim: int, name: str) -> None:
        super().__init__()
        self.audio = Cnn14()
        self.audio_projection = Projection(self.audio.out_channels, embed_dim, dropout=0.5)
        self.text = text
        self.text_projection = Projection(text.config.hidden_size, embed_dim, dropout=0.5)
        self.scale = nn.Parameter(torch.zeros(()))
        self.tokenizer = tokenizer
        self.frontend = LogMel(SPEC)
        self.name, self.licence, self.prompts = name, LICENCE, PROMPTS
        self.sample_rate, self.embed_dim, self.window_s = SPEC.sample_rate, embed_dim, WINDOW_S

    @property
    def log_scale(self) -> nn.Parameter:
        return self.scale

    def text_parameters(self) -> list[nn.Parameter]:
        return [*self.text.parameters(), *self.text_projection.parameters()]

    def encode_logmel(self, logmel: Tensor) -> Tensor:
        return F.normalize(self.audio_projection(self.audio(logmel)), dim=-1)

    def encode_text(self, texts: list[str]) -> Tensor:
        longest = max(len(ids) for ids in self.tokenizer(texts)["input_ids"])
        if longest > MAX_TOKENS:
            warnings.warn(f"{self.name}: a caption of {longest} tokens is cut to {MAX_TOKENS}", stacklevel=3)
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        return self.encode_tokens(tokens["input_ids"], tokens["attention_mask"])

    def encode_tokens(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask (N, T) -> unit-norm (N, D): BERT's output at the first token, projected."""
        device = self.scale.device
        states = self.text(input_ids=input_ids.to(device), attention_mask=attention_mask.to(device)).last_hidden_state
        return F.normalize(self.text_projection(states[:, 0]), dim=-1)

    def pad(self, waveform: Tensor) -> Tensor:
        return repeat_pad(waveform, self.window)

    def preprocessing(self) -> dict[str, Any]:
        mel = float(self.frontend.filterbank.double().sum())
        config, tokenizer = config_values(self.text.config), tokenizer_text(self.tokenizer)
        return {"format": "msclap-2022", "mel": mel, "config": config, "tokenizer": tokenizer}

    def save_pretrained(self, folder: Path, card: str, *, half: bool = False) -> None:
        raise TinyclapError(f"teacher {self.name} is kept as its checkpoint; copy that")


def load_msclap(source: str) -> MSClap2022:
    """Load Microsoft CLAP 2022.

    Args:
        source: "2022" (from the hub), or the file CLAP_weights_2022.pth. BERT's tokenizer is read from the file's
            folder if it lies there, else from the hub.

    Raises:
        TinyclapError: no such file, another format or version, or weights that are missing or unknown.
    """
    path = checkpoint.located(VERSIONS.get(source, source), REPOSITORY, ".pth")
    weights = _weights(path)
    tokenizer = checkpoint.tokenizer(path.parent, TOKENIZER)
    refuse_deaf_tokenizer(f"teacher {source}", tokenizer)
    embed_dim = weights["audio_encoder.projection.linear1.weight"].shape[0]
    teacher = MSClap2022(BertModel(_bert(weights)), tokenizer, embed_dim, Path(path).stem)
    _fill(teacher, weights)
    return teacher.requires_grad_(False).eval()


def _weights(path: Path) -> dict[str, Tensor]:
    held = checkpoint.read(path)
    weights = held.get("model", held) if isinstance(held, Mapping) else {}
    if any(str(name).startswith("audio_encoder.base.htsat.") for name in weights):
        raise TinyclapError(f"{path} is Microsoft CLAP 2023; so far its 2022 version can be read")
    needed = ("audio_encoder.projection.linear1.weight", "caption_encoder.base.embeddings.word_embeddings.weight", MEL)
    absent = [name for name in needed if not isinstance(weights.get(name), Tensor)]
    if absent:
        found = ", ".join(list(map(str, weights))[:3]) or type(held).__name__
        raise TinyclapError(f"{path} is no checkpoint of Microsoft CLAP 2022: {absent[0]} is missing, found {found}")
    return dict(weights)


def _bert(weights: Mapping[str, Tensor]) -> BertConfig:
    """The shape of the text tower, as its weights tell it."""
    prefix = "caption_encoder.base."
    words = weights[f"{prefix}embeddings.word_embeddings.weight"]
    layers = {int(name.split(".")[4]) for name in weights if name.startswith(f"{prefix}encoder.layer.")}
    return BertConfig(
        vocab_size=words.shape[0],
        hidden_size=words.shape[1],
        num_hidden_layers=len(layers),
        num_attention_heads=max(1, words.shape[1] // HEAD_WIDTH),
        intermediate_size=weights[f"{prefix}encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=weights[f"{prefix}embeddings.position_embeddings.weight"].shape[0],
        type_vocab_size=weights[f"{prefix}embeddings.token_type_embeddings.weight"].shape[0],
    )


def _fill(teacher: MSClap2022, weights: Mapping[str, Tensor]) -> None:
    named = {}
    for name, tensor in weights.items():
        if name.startswith(LEFT_OUT) or name.endswith(OLD):
            continue
        prefix = next((prefix for prefix in NAMES if name.startswith(prefix)), "")
        named["scale" if name == "logit_scale" else NAMES.get(prefix, "") + name.removeprefix(prefix)] = tensor
    own = teacher.state_dict()
    checkpoint.refuse_misfit(
        teacher.name,
        "Microsoft CLAP 2022",
        {
            "missing": [key for key in own if key not in named],
            "unknown": [key for key in named if key not in own],
            "of another shape": [key for key in named if key in own and named[key].shape != own[key].shape],
        },
    )
    teacher.load_state_dict(named)
    teacher.frontend.filterbank.copy_(weights[MEL])
