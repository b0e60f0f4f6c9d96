"""The text tower: OpenCLIP's ModernTextTransformer, in inference.

Rotations in place of learned positions, gated layers, and texts of any length beside each other.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.common.checks import is_count, is_number, require
from tinyclap.models.naflexclap.layers import (
    MOST_BLOCKS,
    MOST_RATIO,
    NORMS,
    WIDEST,
    Attention,
    Norm,
    Query,
    Rotation,
    frequencies,
    norm_of,
    require_shape,
    rotation,
)

POOLS, MODES, POSITIONS = ("eos", "argmax", "mean", "map"), ("causal", "bidirectional"), ("rope", "none", "")
MLPS, PLACEMENTS, PROJECTIONS = ("swiglu", "mlp", "relu2"), ("pre", "sandwich"), ("linear", "none")
MOST_WORDS = 2**20


@dataclass(frozen=True)
class TextConfig:
    """The shape of the text tower, by its names in OpenCLIP's `text_cfg`.

    Attributes:
        context_length: tokens of the longest text.
        vocab_size: rows of the table, of which the last ones are the end, the filling and the beginning of a text.
        eos_id, pad_id, bos_id: those tokens.
        width, heads, layers: width of a token, heads of attention, blocks.
        mlp_ratio, mlp_type: hidden width of a block's MLP to its width, and its activation.
        pool_type: token that stands for a text: the first `eos` (or `argmax`), the `mean`, or one that attends (`map`).
        attention_mode: `causal` tokens see none after them.
        pos_embed, rope_temperature: of the positions.
        norm_type, norm_eps, norm_placement, pre_norm: norms; `sandwich` also of what a block adds.
        ls_init_value: if not null, what a block adds has learned weights.
        qk_norm, attn_gated, value_residual: of attention; the last mixes values with the first block's.
        attention_bias, gate_bias, mlp_bias, proj_bias: of linear layers; null makes gates follow attention_bias.
        proj_type: `none` if the width is the shared space's.
        reg_tokens: tokens before the text.
    """

    context_length: int = 77
    vocab_size: int = 49_408
    eos_id: int | None = None
    pad_id: int = 0
    bos_id: int | None = None
    width: int = 512
    heads: int = 8
    layers: int = 12
    mlp_ratio: float = 4.0
    mlp_type: str = "swiglu"
    pool_type: str = "argmax"
    attention_mode: str = "causal"
    pos_embed: str = "rope"
    rope_temperature: float = 10_000.0
    norm_type: str | None = None
    norm_eps: float = 1e-6
    norm_placement: str = "pre"
    pre_norm: bool = False
    ls_init_value: float | None = None
    qk_norm: bool = False
    attn_gated: bool = False
    value_residual: bool = False
    attention_bias: bool | None = None
    gate_bias: bool | None = None
    mlp_bias: bool | None = None
    proj_bias: bool = False
    proj_type: str = "linear"
    reg_tokens: int = 0

    def __post_init__(self) -> None:
        where = "text_cfg"
        sizes = {"context_length": WIDEST, "vocab_size": MOST_WORDS, "width": WIDEST, "layers": MOST_BLOCKS}
        require_shape(self, where, sizes)
        even = is_count(self.heads) and self.width % self.heads == 0 and self.width // self.heads % 2 == 0
        require(self, where, "heads", even, f"a divisor of width = {self.width} that leaves an even number")
        for name in ("eos_id", "pad_id", "bos_id"):
            value = getattr(self, name)
            fits = is_count(value, 0) and value < self.vocab_size
            fits = fits or (value is None and name != "pad_id")
            require(self, where, name, fits, f"a token of 0 to vocab_size - 1 = {self.vocab_size - 1}")
        ends = self.pool_type in ("eos", "argmax")
        require(
            self, where, "eos_id", self.eos_id is not None or not ends, f"a token with pool_type = {self.pool_type}"
        )
        for name in ("mlp_ratio", "rope_temperature", "norm_eps"):
            value, most = getattr(self, name), MOST_RATIO if name == "mlp_ratio" else float("inf")
            fits = is_number(value) and 0 < value <= most
            require(self, where, name, fits, f"a number above 0, at most {most:g}")
        few = is_count(self.reg_tokens, 0) and self.reg_tokens <= WIDEST
        require(self, where, "reg_tokens", few, f"a whole number of 0 to {WIDEST}")
        choices = {"pool_type": POOLS, "attention_mode": MODES, "pos_embed": POSITIONS, "mlp_type": MLPS}
        choices |= {"norm_placement": PLACEMENTS, "proj_type": PROJECTIONS}
        for name, allowed in choices.items():
            require(self, where, name, getattr(self, name) in allowed, f"one of {', '.join(filter(None, allowed))}")
        require(self, where, "norm_type", self.norm_type in (None, *NORMS), f"null, or one of {', '.join(NORMS)}")

    @property
    def norm(self) -> Norm:
        """What makes a norm for a width."""
        return norm_of(self.norm_type or NORMS[1], self.norm_eps)


class ModernText(nn.Module):
    """Token ids and mask (N, L) to features (N, embed_dim)."""

    def __init__(self, config: TextConfig, embed_dim: int) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.token_embedding = nn.Embedding(config.vocab_size, width)
        self.reg_tokens = nn.Parameter(torch.zeros(1, config.reg_tokens, width)) if config.reg_tokens else None
        self.norm_pre = config.norm(width) if config.pre_norm else nn.Identity()
        self.blocks = nn.ModuleList(_Block(config, is_first=number == 0) for number in range(config.layers))
        self.ln_final = config.norm(width)
        self.pool = _Pool(config) if config.pool_type == "map" else nn.Identity()
        is_linear = config.proj_type == "linear"
        self.text_projection = nn.Linear(width, embed_dim, bias=config.proj_bias) if is_linear else nn.Identity()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        config, is_causal = self.config, self.config.attention_mode == "causal"
        x, held = self.token_embedding(input_ids), attention_mask.bool()
        keys = held
        if self.reg_tokens is not None:
            x = torch.cat([self.reg_tokens.expand(len(x), -1, -1), x], dim=1)
            keys = F.pad(held, (config.reg_tokens, 0), value=True)
        x = self.norm_pre(x)
        turn, first_values = self._turn(x), None
        for block in self.blocks:
            # What fills up a text comes after it: causal tokens do not see it.
            x, values = block(x, turn, None if is_causal else keys[:, None, None], first_values, is_causal=is_causal)
            first_values = values if first_values is None else first_values
        pooled = self._pooled(self.ln_final(x)[:, config.reg_tokens :], input_ids, held)
        out: Tensor = self.text_projection(pooled)
        return out

    def _turn(self, x: Tensor) -> Rotation | None:
        config = self.config
        if config.pos_embed != "rope":
            return None
        turns = frequencies(config.width // config.heads // 2, config.rope_temperature, x)
        return rotation(torch.arange(x.shape[1], device=x.device)[:, None] * turns, x)

    def _pooled(self, x: Tensor, input_ids: Tensor, held: Tensor) -> Tensor:
        """Tokens (N, L, width) to (N, width)."""
        if isinstance(self.pool, _Pool):
            return self.pool.attended(x, held[:, None, None])
        if self.config.pool_type == "mean":
            weights = held.to(x.dtype).unsqueeze(2)
            return (x * weights).sum(dim=1) / weights.sum(dim=1)
        assert self.config.eos_id is not None
        ends = input_ids.eq(self.config.eos_id).int()
        place = torch.where(ends.amax(dim=1) > 0, ends.argmax(dim=1), held.sum(dim=1) - 1)
        return x.gather(1, place[:, None, None].expand(-1, 1, x.shape[2]))[:, 0]


class _Block(nn.Module):
    def __init__(self, config: TextConfig, *, is_first: bool) -> None:
        super().__init__()
        width, bias = config.width, bool(config.attention_bias)
        scaled, wrapped = config.ls_init_value is not None, config.norm_placement == "sandwich"
        self.norm1, self.norm2 = config.norm(width), config.norm(width)
        self.attn = Attention(
            width,
            config.heads,
            config.norm if config.qk_norm else None,
            gated=config.attn_gated,
            bias=bias,
            gate_bias=bias if config.gate_bias is None else config.gate_bias,
            proj_bias=bias,
            mixes=config.value_residual and not is_first,
        )
        self.norm1_post, self.norm2_post = (config.norm(width) if wrapped else nn.Identity() for _ in range(2))
        self.ls1, self.ls2 = (_Scale(width) if scaled else nn.Identity() for _ in range(2))
        hidden, with_bias = int(width * config.mlp_ratio), bool(config.mlp_bias)
        gated = config.mlp_type == "swiglu"
        self.mlp: nn.Module = (_SwiGlu if gated else _Plain)(width, hidden, bias=with_bias)
        if isinstance(self.mlp, _Plain):
            self.mlp.squares = config.mlp_type == "relu2"

    def forward(
        self, x: Tensor, turn: Rotation | None, keys: Tensor | None, first_values: Tensor | None, *, is_causal: bool
    ) -> tuple[Tensor, Tensor]:
        seen, values = self.attn(self.norm1(x), turn, keys, is_causal=is_causal, first_values=first_values)
        x = x + self.ls1(self.norm1_post(seen))
        return x + self.ls2(self.norm2_post(self.mlp(self.norm2(x)))), values


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _SwiGlu(nn.Module):
    def __init__(self, width: int, hidden: int, *, bias: bool) -> None:
        super().__init__()
        self.w12, self.w3 = nn.Linear(width, 2 * hidden, bias=bias), nn.Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.w12(x).chunk(2, dim=-1)
        out: Tensor = self.w3(x * F.silu(gate))
        return out


class _Plain(nn.Module):
    squares = False  # of what is above zero, in place of GELU

    def __init__(self, width: int, hidden: int, *, bias: bool) -> None:
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(width, hidden, bias=bias), nn.Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c_fc(x)
        x = F.relu(x).square() if self.squares else F.gelu(x)
        out: Tensor = self.c_proj(x)
        return out


class _Pool(Query):
    """One token that attends to all of a text."""

    def __init__(self, config: TextConfig) -> None:
        norm = config.norm if config.qk_norm else None
        super().__init__(config.width, config.heads, "query", norm, bias=bool(config.attention_bias))
