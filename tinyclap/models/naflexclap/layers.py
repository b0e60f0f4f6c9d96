"""What both towers are made of, named as in the published weights: attention that is turned and gated, and MLPs."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.common.checks import is_count, require
from tinyclap.models.zipformer import beyond

NORMS = ("layernorm", "rmsnorm")
MOST_BLOCKS, WIDEST, MOST_RATIO = 256, 2**14, 64

Norm = Callable[[int], nn.Module]
Rotation = tuple[Tensor, Tensor]  # cosines and sines, each (L, d / 2) for heads of d dimensions


def require_shape(config: Any, place: str, sizes: Mapping[str, int]) -> None:
    """Raise a NotAllowedError for a size beyond its limit, and for options that are neither true nor false."""
    for name, most in sizes.items():
        value = getattr(config, name)
        require(config, place, name, is_count(value) and value <= most, f"a whole number of 1 to {most}")
    for entry in fields(config):
        if entry.type in (bool, bool | None):
            value = getattr(config, entry.name)
            fits = isinstance(value, bool) or (value is None and entry.type is not bool)
            require(config, place, entry.name, fits, "true or false")


def norm_of(kind: str, eps: float) -> Norm:
    """What makes a norm of this kind, `layernorm` or `rmsnorm`, for a width."""
    return (lambda width: nn.RMSNorm(width, eps=eps)) if kind == "rmsnorm" else (lambda width: nn.LayerNorm(width, eps))


def frequencies(count: int, temperature: float, like: Tensor) -> Tensor:
    """Turns per place, from 1 down towards 1 / temperature, (count,): as in float32, of a type of that precision."""
    turns = 1.0 / temperature ** (torch.arange(count, device=like.device).float() / count)
    return turns.to(torch.promote_types(like.dtype, torch.float32))


def rotation(angles: Tensor, like: Tensor) -> Rotation:
    """Angles (L, d / 2) as `Attention` takes them, of the type of `like`."""
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotated(x: Tensor, by: Rotation) -> Tensor:
    """(B, heads, L, d), of which each two neighbouring dimensions are turned (RoPE, Su et al., arXiv 2104.09864)."""
    cosine, sine = by
    first, second = x[..., ::2], x[..., 1::2]
    turned = torch.stack([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
    return turned.flatten(-2)


def keys_only(lengths: Tensor | None, size: int, prefix: int = 0) -> Tensor | None:
    """Which of prefix + size keys hold something, (B, 1, 1, keys); None for all of them."""
    if lengths is None:
        return None
    return ~beyond(lengths + prefix, size + prefix)[:, None, None, :]


def heads_of(x: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """(B, L, parts * width) to so many of (B, heads, L, width / heads)."""
    batch, length, _ = x.shape
    return x.reshape(batch, length, parts, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)


class Attention(nn.Module):
    """Self-attention; with `gated` each dimension of what comes out is let through as far as its token says.

    Args:
        width: of a token.
        heads: that divide it.
        norm: of queries and keys, for the width of a head; None for none.
        gated: with a gate.
        bias, gate_bias, proj_bias: of the linear layers.
        mixes: whether its values are mixed with the first layer's, in a proportion that is learned.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        norm: Norm | None,
        *,
        gated: bool,
        bias: bool,
        gate_bias: bool,
        proj_bias: bool,
        mixes: bool = False,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.q_norm, self.k_norm = (nn.Identity() if norm is None else norm(width // heads) for _ in range(2))
        self.gate = nn.Linear(width, width, bias=gate_bias) if gated else None
        self.vr_lambda = nn.Parameter(torch.full((1,), 0.5)) if mixes else None
        self.proj = nn.Linear(width, width, bias=proj_bias)

    def forward(
        self,
        x: Tensor,
        turn: Rotation | None,
        keys: Tensor | None,
        *,
        is_causal: bool = False,
        first_values: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Tokens (B, L, width), of which `keys` can be attended to, to (B, L, width); and the values, to mix with."""
        q, k, values = heads_of(self.qkv(x), 3, self.heads)
        v = values
        if self.vr_lambda is not None and first_values is not None:
            v = torch.lerp(first_values, values, self.vr_lambda)
        q, k = self.q_norm(q), self.k_norm(k)
        if turn is not None:
            q, k = rotated(q, turn), rotated(k, turn)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=keys, is_causal=is_causal)
        seen = seen.transpose(1, 2).flatten(2)
        if self.gate is not None:
            seen = seen * self.gate(x).sigmoid()
        return self.proj(seen), values


class Query(nn.Module):
    """Attention of one learned token to all others; its name in the weights is `name`."""

    def __init__(self, width: int, heads: int, name: str, norm: Norm | None = None, *, bias: bool) -> None:
        super().__init__()
        self.heads, self.name = heads, name
        self.register_parameter(name, nn.Parameter(torch.zeros(1, 1, width)))
        self.q, self.kv = nn.Linear(width, width, bias=bias), nn.Linear(width, 2 * width, bias=bias)
        self.q_norm, self.k_norm = (nn.Identity() if norm is None else norm(width // heads) for _ in range(2))

    def attended(self, x: Tensor, keys: Tensor | None) -> Tensor:
        """Tokens (B, L, width), of which `keys` (B, 1, 1, L) hold something, to (B, width)."""
        query = self.q(self.get_parameter(self.name)).expand(len(x), -1, -1)
        (q,), (k, v) = heads_of(query, 1, self.heads), heads_of(self.kv(x), 2, self.heads)
        seen = F.scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v, attn_mask=keys)
        return seen.transpose(1, 2).flatten(1)


class Mlp(nn.Module):
    """Two layers with a GELU between them; or with `glu` the SiLU of one half of the first times the other half."""

    def __init__(self, width: int, hidden: int, *, glu: bool = False) -> None:
        super().__init__()
        self.glu = glu
        self.fc1, self.fc2 = nn.Linear(width, 2 * hidden if glu else hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        if self.glu:
            gate, x = x.chunk(2, dim=-1)
            x = F.silu(gate) * x
        else:
            x = F.gelu(x)
        out: Tensor = self.fc2(x)
        return out
