"""The text student: word pieces to a unit-norm embedding in the teacher's space.

It learns the teacher's text embeddings from captions alone, as `Student` learns those of sounds. A tagger's texts are
sentences that are placed among the names of its classes (`placement`): the student learns the sentences, which say more
than their places, and the placement follows as it is.
"""

import dataclasses
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from huggingface_hub import ModelCardData
from tokenizers import Tokenizer
from torch import Tensor, nn

from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.errors import TinyclapError
from tinyclap.models import hub
from tinyclap.models.heads import LinearHead, unit_norm
from tinyclap.models.placement import empty_placement
from tinyclap.models.recompute import Recomputing, recomputed
from tinyclap.models.text_student_config import TextStudentConfig
from tinyclap.runtime.text_encoder import padded, read_tokenizer

FORMAT, FORMAT_VERSION = "tinyclap-text-student", 1
PAD, UNKNOWN = 0, 1  # word pieces
TEXTS_AT_ONCE = 256


class TextStudent(nn.Module):
    """A small text encoder: N texts to unit-norm embeddings (N, D).

    Args:
        config: its shape.
        tokenizer: its word pieces, of which 0 fills up shorter texts and 1 stands for what is unknown.

    Raises:
        TinyclapError: a tokenizer of another number of word pieces.
    """

    def __init__(self, config: TextStudentConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        pieces = tokenizer.get_vocab()
        if sorted(pieces.values()) != list(range(config.vocabulary)):
            raise TinyclapError(f"a tokenizer of {len(pieces)} word pieces for a text student of {config.vocabulary}")
        self.config, self.tokenizer = config, tokenizer
        self.card: str | None = None
        self.embed_dim = config.embed_dim
        self.table = nn.Embedding(config.vocabulary, config.table_dim)
        self.trunk: nn.Module = _Static(config) if config.kind == "static" else _Transformer(config)
        self.head = LinearHead(_width(config), config.embed_dim)
        placed = config.placement
        self.placement = (
            None if placed is None else empty_placement(config.embed_dim, placed.classes, placed.temperature)
        )

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """N texts to their word pieces, int64 (N, L); L is at least 1. Raises TinyclapError for what is no text."""
        try:
            read = self.tokenizer.encode_batch(list(texts))
        except Exception as error:  # tokenizers raises nothing more exact
            raise TinyclapError(f"the tokenizer of the text student cannot read {texts[0]!r} ... ({error})") from error
        tokens, _ = padded([entry.ids[: self.config.max_tokens] for entry in read], PAD)
        return torch.from_numpy(tokens)

    def encode(self, tokens: Tensor) -> Tensor:
        """Word pieces (N, L) to what is learned, unit-norm (N, embed_dim), float32."""
        pooled = self.trunk(self.table(tokens), tokens, tokens != PAD)
        return unit_norm(self.head(pooled).float())

    def forward(self, tokens: Tensor) -> Tensor:
        """Word pieces (N, L) to the teacher's space, unit-norm (N, D)."""
        encoded = self.encode(tokens)
        if self.placement is None:
            return encoded
        placed: Tensor = self.placement(encoded)
        return placed

    @torch.no_grad()
    def embed_text(self, texts: str | Sequence[str]) -> Tensor:
        """N texts, or a single one, to the teacher's space, unit-norm (N, D).

        Raises:
            TinyclapError: no text, or the student is in training mode.
        """
        texts = [texts] if isinstance(texts, str) else texts
        if self.training or not len(texts):
            raise TinyclapError("TextStudent.embed_text takes one text at least, in evaluation mode; call eval() first")
        return self._in_batches(self, texts)

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """N texts, N > 0, to what is learned, unit-norm (N, embed_dim)."""
        return self._in_batches(self.encode, texts)

    def _in_batches(self, compute: Callable[[Tensor], Tensor], texts: Sequence[str]) -> Tensor:
        batches = [texts[first : first + TEXTS_AT_ONCE] for first in range(0, len(texts), TEXTS_AT_ONCE)]
        return torch.cat([compute(self.tokens(batch).to(self.table.weight.device)) for batch in batches])

    def save_pretrained(self, folder: str | Path, card: str | None = None, *, overwrite: bool = False) -> None:
        """Write config.json, model.safetensors, tokenizer.json and README.md, whole or not at all.

        Args:
            folder: new or empty; with `overwrite` it may hold a saved model.
            card: the model card; None writes the one it was loaded with, or else a minimal one.
            overwrite: replace the model in the folder.

        Raises:
            TinyclapError: the folder is taken or cannot be written.
        """
        config = {"format": FORMAT, "format_version": FORMAT_VERSION, **dataclasses.asdict(self.config)}
        text, tokenizer = card or self.card or _card(self), self.tokenizer.to_str()
        hub.save(Path(folder), config, self.state_dict(), text, tokenizer=tokenizer, overwrite=overwrite)

    @classmethod
    def from_pretrained(cls, source: str | Path) -> "TextStudent":
        """Load a saved text student in evaluation mode.

        Args:
            source: a local folder or the id of a Hugging Face repository.

        Raises:
            TinyclapError: nothing there, an unknown format or version, or weights or a tokenizer that do not fit.
        """
        saved = hub.load(source)
        config = saved.configured(FORMAT, FORMAT_VERSION, "text student")
        tokenizer = read_tokenizer(Path(saved.place) / hub.TOKENIZER)
        try:
            student = cls(TextStudentConfig.from_dict(config), tokenizer)
        except TinyclapError as error:
            raise TinyclapError(f"{saved.place}: {error}") from error
        hub.load_exact(student, saved.weights, saved.place)
        student.card = saved.card
        return student.eval()

    def push_to_hub(self, repo_id: str, card: str | None = None, *, private: bool = False) -> str:
        """Upload to the Hugging Face Hub (created if need be) and return the address. Raises TinyclapError."""
        return hub.push(lambda folder: self.save_pretrained(folder, card), repo_id, private=private)


class _Static(nn.Module):
    """The mean of word pieces, each by a weight of its own, which begins as 1 (SIF, Arora et al., ICLR 2017)."""

    def __init__(self, config: TextStudentConfig) -> None:
        super().__init__()
        self.log_weight = nn.Embedding(config.vocabulary, 1)
        nn.init.zeros_(self.log_weight.weight)
        widths = [config.table_dim, *[config.dim] * config.layers]
        layers = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.GELU())]
        self.layers = nn.Sequential(*layers)

    def forward(self, vectors: Tensor, tokens: Tensor, known: Tensor) -> Tensor:
        weights = self.log_weight(tokens).exp() * known[..., None]
        mean = (vectors * weights).sum(1) / weights.sum(1).clamp_min(1e-6)
        pooled: Tensor = self.layers(mean)
        return pooled


class _Transformer(Recomputing):
    """Layers of attention over word pieces and their places, and the mean of what comes out."""

    def __init__(self, config: TextStudentConfig) -> None:
        super().__init__()
        same = config.table_dim == config.dim
        self.widen: nn.Module = nn.Identity() if same else nn.Linear(config.table_dim, config.dim, bias=False)
        self.places = nn.Embedding(config.max_tokens, config.dim)
        nn.init.normal_(self.places.weight, std=0.02)
        self.first_norm = nn.LayerNorm(config.dim)
        self.layers = nn.ModuleList(_Layer(config.dim, config.heads) for _ in range(config.layers))
        self.last_norm = nn.LayerNorm(config.dim)

    def forward(self, vectors: Tensor, tokens: Tensor, known: Tensor) -> Tensor:
        x = self.first_norm(self.widen(vectors) + self.places.weight[: tokens.shape[1]])
        seen = torch.zeros_like(known, dtype=x.dtype).masked_fill(~known, -1e4)[:, None, None]
        for layer in self.layers:
            x = recomputed(layer, x, seen) if self.recompute and self.training else layer(x, seen)
        weights = known.to(x.dtype)[..., None]
        return (self.last_norm(x) * weights).sum(1) / weights.sum(1).clamp_min(1.0)


class _Layer(nn.Module):
    """Attention and two matrices, each behind a norm and beside a way around."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.rise, self.fall = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        n, length, dim = x.shape
        parts = self.qkv(self.attention_norm(x)).view(n, length, 3, self.heads, dim // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        x = x + self.out(mixed.transpose(1, 2).reshape(n, length, dim))
        risen: Tensor = x + self.fall(F.gelu(self.rise(self.norm(x))))
        return risen


def student_texts(words: TextStudent, texts: Sequence[str], latent_map: LatentMap | None = None) -> np.ndarray:
    """Text embeddings of a text student, unit-norm float32 (N, D); raises as `TextStudent.embed_text` does.

    `latent_map` takes them into the space of a pruned student.
    """
    embeddings: np.ndarray = words.embed_text(texts).cpu().numpy()
    return embeddings if latent_map is None else latent_map.apply(embeddings)


def _width(config: TextStudentConfig) -> int:
    return config.table_dim if config.kind == "static" and not config.layers else config.dim


def _card(student: TextStudent) -> str:
    total = sum(parameter.numel() for parameter in student.parameters())
    matter = ModelCardData(library_name="tinyclap", pipeline_tag="sentence-similarity", tags=["text", "clap"])
    return f"""---
{matter.to_yaml()}
---
# A tinyclap text student

A text encoder of {total:,} parameters and {student.config.vocabulary:,} word pieces: texts to
{student.config.space_dim} dimensions.

```python
from tinyclap import TextStudent

student = TextStudent.from_pretrained("path/or/hub-id")
embeddings = student.embed_text(["a dog barks"])  # float32 (1, {student.config.space_dim}), unit norm
```
"""
