"""Writing captions: a small decoder that reads the patches of a sound (SLAP, arXiv 2601.12594; CoCa, 2205.01917)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.training.options import CaptioningOptions


class Captioner(nn.Module):
    """A transformer decoder over dense features, taught by the words before each (teacher forcing).

    Args:
        width: of the features.
        tokenizer: of `transformers`, that begins and ends a text with tokens of its own.
        max_tokens: to which captions are cut.
        options: its shape.
    """

    def __init__(self, width: int, tokenizer: Any, max_tokens: int, options: CaptioningOptions) -> None:
        super().__init__()
        self.tokenizer, self.max_tokens = tokenizer, max_tokens
        self.memory = nn.Linear(width, options.width)
        self.words = nn.Embedding(len(tokenizer), options.width)
        self.places = nn.Embedding(max_tokens, options.width)
        for table in (self.words, self.places):
            nn.init.normal_(table.weight, std=0.02)
        shape: dict[str, Any] = {"dropout": options.dropout, "batch_first": True, "norm_first": True}
        layer = nn.TransformerDecoderLayer(options.width, options.heads, 4 * options.width, **shape)
        self.decoder = nn.TransformerDecoder(layer, options.layers, nn.LayerNorm(options.width))
        for parameter in self.decoder.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)  # else all layers, copies of the first, begin alike

    def forward(self, dense: Tensor, valid: Tensor | None, texts: list[str]) -> Tensor:
        """Features (B, N, width), valid (B, N) or all, and their captions to the mean loss of a token, (B,)."""
        read: dict[str, Any] = {"padding": True, "truncation": True, "max_length": self.max_tokens}
        tokens = self.tokenizer(texts, return_tensors="pt", **read).to(dense.device)
        before, after = tokens["input_ids"][:, :-1], tokens["input_ids"][:, 1:]
        is_word = tokens["attention_mask"][:, 1:].bool()
        length = before.shape[1]
        written = self.decoder(
            self.words(before) + self.places.weight[:length],
            self.memory(dense),
            tgt_mask=torch.ones(length, length, dtype=torch.bool, device=dense.device).triu(1),
            tgt_key_padding_mask=~tokens["attention_mask"][:, :-1].bool(),
            memory_key_padding_mask=None if valid is None else ~valid,
            tgt_is_causal=True,
        )
        logits = (written @ self.words.weight.T).float()
        losses = F.cross_entropy(logits.transpose(1, 2), after, reduction="none") * is_word
        return losses.sum(1) / is_word.sum(1)
