"""A block: attention that turns queries and keys by their places, and a gated feed-forward; no biases."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.models.vit.config import VitConfig

LONGEST_TURN = 10_000.0  # of the slowest pair, as RoFormer has it


class Turns:
    """Rotary positions in two dimensions (RoFormer, arXiv 2104.09864; axial: half of a head by time, half by pitch).

    A query at place m and a key at place n meet by m - n alone, so that nothing ends where the training clips ended.

    Args:
        columns, rows: places in time and pitch, int (N,).
        head_dim: of a head; a multiple of 4.
    """

    def __init__(self, columns: Tensor, rows: Tensor, head_dim: int, dtype: torch.dtype) -> None:
        pairs = head_dim // 4
        speeds = LONGEST_TURN ** -(torch.arange(pairs, device=columns.device, dtype=dtype) / pairs)
        angles = torch.cat([columns.unsqueeze(1) * speeds, rows.unsqueeze(1) * speeds], dim=1)
        self.cos, self.sin = angles.cos(), angles.sin()

    def __call__(self, x: Tensor) -> Tensor:
        """Queries or keys (B, heads, N, head_dim), turned."""
        first, second = x.chunk(2, dim=-1)
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class Attention(nn.Module):
    """Multi-head self-attention: (B, N, width) to the same."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.inputs = nn.Linear(config.width, 3 * config.width, bias=False)
        self.output = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x: Tensor, turns: Turns, seen: Tensor | None) -> Tensor:
        """`seen` is what each token (second last) sees of which (last), bool; None for all."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.inputs(x).chunk(3, dim=-1)
        )
        attended = F.scaled_dot_product_attention(turns(query), turns(key), value, attn_mask=seen)
        out: Tensor = self.output(attended.transpose(1, 2).flatten(2))
        return out


class SwiGlu(nn.Module):
    """W3 (silu(W1 x) * W2 x): Shazeer 2020, "GLU variants improve transformer" (arXiv 2002.05202)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(width, 2 * hidden, bias=False)
        self.output = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.inputs(x).chunk(2, dim=-1)
        out: Tensor = self.output(F.silu(gate) * value)
        return out


class Block(nn.Module):
    """Both, each added to what came in, behind an RMSNorm."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.RMSNorm(config.width), Attention(config)
        self.forward_norm, self.feed_forward = nn.RMSNorm(config.width), SwiGlu(config.width, config.hidden)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, turns: Turns, seen: Tensor | None) -> Tensor:
        x = x + self.drop(self.attention(self.attention_norm(x), turns, seen))
        return x + self.drop(self.feed_forward(self.forward_norm(x)))
