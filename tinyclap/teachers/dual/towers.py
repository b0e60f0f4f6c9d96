"""The towers of a pair: CNN14 and any text encoder of `transformers`, each with a head into the shared space."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.models.cnn14 import Cnn14
from tinyclap.models.heads import AttentionPool, Projection
from tinyclap.teachers.base import tokenizer_text
from tinyclap.teachers.sentence_encoder import mean_over_tokens

REMEMBERED_TEXTS = 50_000
MAX_TEXT_TOKENS = 128
Pooling = Literal["mean", "attention"]


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
    """A text encoder, pooling over its tokens, and a head into the shared space.

    Args:
        encoder: any `transformers` encoder.
        tokenizer: its tokenizer.
        embed_dim: of the shared space; a linear head is the identity if a frozen encoder already has this width.
        frozen: encoder weights stay as they are.
        head: into the shared space.
        max_tokens: of a text, at most what the encoder has positions for; longer ones are cut.
        pooling: `mean` over the tokens, or learned `attention`, for an encoder that is not frozen.
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
        pooling: Pooling = "mean",
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.encoder, self.tokenizer, self.frozen, self.head_spec = encoder, tokenizer, frozen, head
        width = encoder.config.hidden_size
        is_identity = frozen and width == embed_dim and head.kind == "linear"
        self.projection = nn.Identity() if is_identity else head.build(width, embed_dim)
        heads = int(getattr(encoder.config, "num_attention_heads", 1))
        self.attention_pool = AttentionPool(width, heads) if pooling == "attention" else None
        self.max_tokens = min(max_tokens, int(getattr(encoder.config, "max_position_embeddings", MAX_TEXT_TOKENS)) - 2)
        self.tokenizer_text = tokenizer_text(tokenizer)
        self._memory: dict[str, Tensor] = {}
        if frozen:
            encoder.requires_grad_(False)

    @property
    def head_parts(self) -> list[nn.Module]:
        """What takes the encoder's outputs into the shared space."""
        return [self.projection] if self.attention_pool is None else [self.attention_pool, self.projection]

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
        """Tokens (N, L) and their mask -> the encoder's outputs as one, (N, width)."""
        hidden = self.encoder(attention_mask=attention_mask, **tokens).last_hidden_state
        if self.attention_pool is None:
            return mean_over_tokens(hidden, attention_mask)
        pooled: Tensor = self.attention_pool(hidden, attention_mask.bool())
        return pooled
