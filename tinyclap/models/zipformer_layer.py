"""What a layer of Zipformer is made of (Yao et al. 2024, arXiv 2310.11230, section 3), in inference.

Names are those of the published weights. What only trains (balancers, whiteners, scheduled dropout, limits on the
scales) is left out. Sequences are (B, T, width); `padded`, bool (B, T), is true where a clip has ended.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.08


@dataclass(frozen=True)
class StackConfig:
    """A stack of layers at one frame rate.

    Attributes:
        layers: how many.
        factor: by which its frames are fewer than the first stack's.
        heads: of attention.
        query_dim, position_dim, value_dim: a head's.
        feedforward: hidden units of the second feed-forward module; the first has 3/4, the third 5/4 of them.
        kernel: frames under a convolution, odd.
    """

    layers: int
    factor: int
    heads: int
    query_dim: int
    position_dim: int
    value_dim: int
    feedforward: int
    kernel: int


class Swoosh(nn.Module):
    """log(1 + exp(x - shift)) - 0.08 x - offset (section 3.4)."""

    def __init__(self, shift: float, offset: float) -> None:
        super().__init__()
        self.shift, self.offset = shift, offset

    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(x - self.shift) - SLOPE * x - self.offset


def swoosh_l() -> Swoosh:
    """For modules that are normally off; 0.035 makes it pass near the origin."""
    return Swoosh(4.0, 0.035)


def swoosh_r() -> Swoosh:
    """For convolutions; it passes through the origin."""
    return Swoosh(1.0, 0.313261687)


class BiasNorm(nn.Module):
    """x / RMS(x - bias) * exp(log_scale), over the last axis (section 3.3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.ones(()))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - self.bias
        return x * (centred * centred).mean(dim=-1, keepdim=True).rsqrt() * self.log_scale.exp()


class Bypass(nn.Module):
    """Between what a module got and what it made of it, by a learned share for each channel (section 3.2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bypass_scale = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        return before + (after - before) * self.bypass_scale


class AttentionWeights(nn.Module):
    """Attention weights (B, heads, T, T), computed once for a layer and used by three of its modules (section 3.2)."""

    def __init__(self, width: int, pos_dim: int, config: StackConfig) -> None:
        super().__init__()
        self.heads, self.query_dim, self.position_dim = config.heads, config.query_dim, config.position_dim
        self.in_proj = nn.Linear(width, config.heads * (2 * config.query_dim + config.position_dim))
        self.linear_pos = nn.Linear(pos_dim, config.heads * config.position_dim, bias=False)

    def forward(self, x: Tensor, positions: Tensor, padded: Tensor | None) -> Tensor:
        sizes = [self.heads * size for size in (self.query_dim, self.query_dim, self.position_dim)]
        query, key, place = (self._by_head(part) for part in self.in_proj(x).split(sizes, dim=-1))
        offsets = self._by_head(self.linear_pos(positions).unsqueeze(0))
        scores = query @ key.transpose(2, 3) + by_offset(place @ offsets.transpose(2, 3))
        if padded is not None:
            scores = scores.masked_fill(padded[:, None, None, :], float("-inf"))
        return scores.softmax(dim=-1)

    def _by_head(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)


def by_offset(scores: Tensor) -> Tensor:
    """Scores of offsets -(T - 1)..T - 1, (B, heads, T, 2T - 1), as those of places: [i, j] is that of offset j - i.

    One column more, and each row begins a place earlier than the one above it (Transformer-XL, arXiv 1901.02860,
    appendix B).
    """
    batch, heads, size, columns = scores.shape
    shifted = F.pad(scores, (1, 0)).reshape(batch, heads, columns + 1, size)[:, :, 1:]
    return shifted.reshape(batch, heads, size, columns)[..., :size]


class SelfAttention(nn.Module):
    """Values averaged by the attention weights of each head."""

    def __init__(self, width: int, config: StackConfig) -> None:
        super().__init__()
        self.in_proj = nn.Linear(width, config.heads * config.value_dim)
        self.out_proj = nn.Linear(config.heads * config.value_dim, width)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        batch, length, _ = x.shape
        values = self.in_proj(x).reshape(batch, length, weights.shape[1], -1).transpose(1, 2)
        out: Tensor = self.out_proj((weights @ values).transpose(1, 2).reshape(batch, length, -1))
        return out


class NonLinearAttention(nn.Module):
    """Values gated before and after they are averaged, by the weights of one head (section 3.2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 3 * width // 4
        self.in_proj, self.out_proj = nn.Linear(width, 3 * hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        gate, values, second_gate = self.in_proj(x).chunk(3, dim=-1)
        out: Tensor = self.out_proj((weights[:, 0] @ (values * gate.tanh())) * second_gate)
        return out


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.in_proj, self.activation, self.out_proj = nn.Linear(width, hidden), swoosh_l(), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out_proj(self.activation(self.in_proj(x)))
        return out


class Convolution(nn.Module):
    """A gated unit, a convolution of each channel, and a mix of the channels (after Conformer, arXiv 2005.08100)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(width, 2 * width)
        self.depthwise_conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.activation, self.out_proj = swoosh_r(), nn.Linear(width, width)

    def forward(self, x: Tensor, padded: Tensor | None) -> Tensor:
        x = F.glu(self.in_proj(x), dim=-1)
        if padded is not None:
            x = x.masked_fill(padded.unsqueeze(-1), 0.0)
        x = self.depthwise_conv(x.transpose(1, 2)).transpose(1, 2)
        out: Tensor = self.out_proj(self.activation(x))
        return out


class Layer(nn.Module):
    """Figure 2 of the paper: two halves, each with attention, convolution and feed-forward, that share their weights of
    attention; a bypass after each."""

    def __init__(self, width: int, pos_dim: int, config: StackConfig) -> None:
        super().__init__()
        self.self_attn_weights = AttentionWeights(width, pos_dim, config)
        self.self_attn1, self.self_attn2 = SelfAttention(width, config), SelfAttention(width, config)
        self.feed_forward1 = FeedForward(width, config.feedforward * 3 // 4)
        self.feed_forward2 = FeedForward(width, config.feedforward)
        self.feed_forward3 = FeedForward(width, config.feedforward * 5 // 4)
        self.nonlin_attention = NonLinearAttention(width)
        self.conv_module1, self.conv_module2 = Convolution(width, config.kernel), Convolution(width, config.kernel)
        self.norm, self.bypass, self.bypass_mid = BiasNorm(width), Bypass(width), Bypass(width)

    def forward(self, x: Tensor, positions: Tensor, padded: Tensor | None) -> Tensor:
        """(B, T, width) to the same, given the encoding of relative positions (2T - 1, pos_dim)."""
        before, weights = x, self.self_attn_weights(x, positions, padded)
        x = x + self.feed_forward1(x)
        x = x + self.nonlin_attention(x, weights)
        x = x + self.self_attn1(x, weights)
        x = x + self.conv_module1(x, padded)
        x = x + self.feed_forward2(x)
        x = self.bypass_mid(before, x)
        x = x + self.self_attn2(x, weights)
        x = x + self.conv_module2(x, padded)
        x = x + self.feed_forward3(x)
        out: Tensor = self.bypass(before, self.norm(x))
        return out
