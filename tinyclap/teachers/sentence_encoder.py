"""Any text encoder of `transformers` as an encoder of sentences: pooled outputs of unit norm.

How outputs are pooled is what `1_Pooling/config.json` beside the weights says (sentence-transformers writes it): the
mean over tokens, or the first token; the mean where nothing is said.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from huggingface_hub import hf_hub_download
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tinyclap.common.files import parse_json
from tinyclap.errors import TinyclapError
from tinyclap.models import checkpoints
from tinyclap.teachers.base import check_tokenizer, config_values, hash_weights, licence_of, tokenizer_text

TEXT_BATCH = 64
MOST_TOKENS = 128
MODULES = ("Transformer", "Pooling", "Normalize")  # of sentence-transformers, that are computed here

Pooling = Literal["mean", "cls"]


def load_transformer(source: str, key: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A text encoder and its tokenizer.

    Args:
        source: hub id or folder.
        key: of the recipe that names it, for messages.

    Raises:
        TinyclapError: it cannot be loaded, or its tokenizer is missing, cannot pad or reads all words alike.
    """
    try:
        encoder, _ = checkpoints.pretrained(AutoModel, source, f"{key} {source}")
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise TinyclapError(
            f"{key} {source}: neither a folder with a transformers encoder nor on the hub: {first_line}"
        ) from error
    if tokenizer.pad_token is None:
        raise TinyclapError(
            f"{key} {source}: its tokenizer has no padding token, which a batch of captions needs; give an "
            "encoder such as sentence-transformers/all-MiniLM-L6-v2"
        )
    check_tokenizer(f"{key} {source}", tokenizer)
    return encoder, tokenizer


def mean_over_tokens(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The mean of outputs (N, L, D) where the mask (N, L) is 1: (N, D)."""
    weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


class SentenceEncoder(nn.Module):
    """A frozen text encoder.

    Attributes:
        name: what a report calls it.
        licence: of its weights.
        embed_dim: size D of its space.
        tokenizer: of `transformers`.
        max_tokens: to which texts are cut.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        pooling: Pooling = "mean",
        name: str = "text encoder",
        licence: str = "unknown",
    ) -> None:
        super().__init__()
        self.encoder, self.tokenizer, self.pooling = encoder, tokenizer, pooling
        self._tokenizer_text = tokenizer_text(tokenizer)
        self._fingerprint: str | None = None
        self.name, self.licence = name, licence
        config: Any = encoder.config
        self.embed_dim = int(config.hidden_size)
        self.max_tokens = min(MOST_TOKENS, int(getattr(config, "max_position_embeddings", MOST_TOKENS)) - 2)
        self.requires_grad_(False).eval()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Tokens (N, L) and their mask to unit-norm (N, D)."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = hidden[:, 0] if self.pooling == "cls" else mean_over_tokens(hidden, attention_mask)
        return F.normalize(pooled, dim=-1)

    @torch.no_grad()
    def embed(self, texts: list[str]) -> Tensor:
        """N texts to unit-norm (N, D)."""
        batches = [self._embed(texts[first : first + TEXT_BATCH]) for first in range(0, len(texts), TEXT_BATCH)]
        return torch.cat(batches)

    def _embed(self, texts: list[str]) -> Tensor:
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt")
        device = next(self.encoder.parameters()).device
        return self(tokens["input_ids"].to(device), tokens["attention_mask"].to(device))

    @property
    def fingerprint(self) -> str:
        """Hex hash of weights and preprocessing: two encoders with the same one give the same embeddings."""
        if self._fingerprint is None:
            settings = [config_values(self.encoder.config), self._tokenizer_text, self.pooling]
            total = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=16)
            hash_weights(total, self)
            self._fingerprint = total.hexdigest()
        return self._fingerprint


def load_sentence_encoder(source: str, key: str = "teacher.text") -> SentenceEncoder:
    """Load a text encoder by hub id or folder.

    Raises:
        TinyclapError: as `load_transformer`, or a pooling or a layer behind it that is not computed here.
    """
    encoder, tokenizer = load_transformer(source, key)
    modules = _json_beside(source, "modules.json")
    others = [entry["type"] for entry in modules or [] if entry["type"].rpartition(".")[2] not in MODULES]
    if others:
        raise TinyclapError(f"{key} {source}: it ends with {others[0]}, which is not computed here; choose one without")
    name = Path(source).name if Path(source).is_dir() else source
    return SentenceEncoder(encoder, tokenizer, pooling=_pooling(source, key), name=name, licence=licence_of(source))


def _pooling(source: str, key: str) -> Pooling:
    stated = _json_beside(source, "1_Pooling/config.json") or {"pooling_mode_mean_tokens": True}
    chosen = [name for name, is_used in stated.items() if name.startswith("pooling_mode_") and is_used is True]
    if chosen == ["pooling_mode_mean_tokens"]:
        return "mean"
    if chosen == ["pooling_mode_cls_token"]:
        return "cls"
    raise TinyclapError(f"{key} {source}: pools by {', '.join(chosen)}; computed here are the mean and the first token")


def _json_beside(source: str, file: str) -> Any:
    """What a JSON file of the model holds; None without such a file."""
    try:
        path = Path(source) / file if Path(source).is_dir() else Path(hf_hub_download(source, file))
        return parse_json(path.read_bytes())
    except (OSError, ValueError):  # not there, or offline with only the weights in the cache
        return None
