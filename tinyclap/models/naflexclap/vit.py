"""The audio tower: a vision transformer over patches of a log-mel spectrogram of any length.

OpenCLIP's NaFlexAudioEncoder around timm's NaFlexVit (Beyer et al. 2023, arXiv 2212.08013; Dehghani et al. 2023, arXiv
2307.06304), in inference. A clip's patches see those of no other clip, and its padding is seen by none.
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
    Mlp,
    Norm,
    Query,
    Rotation,
    frequencies,
    keys_only,
    norm_of,
    require_shape,
    rotation,
)
from tinyclap.models.zipformer import beyond, fewer

SILENCE_DB = -100.0  # of a spectrogram of nothing
PAD_MODES = ("floor", "silence", "repeat")
EPS = 1e-6


@dataclass(frozen=True)
class VitConfig:
    """The shape of the audio tower, by its names in OpenCLIP's `naflexvit_cfg` and `audio_cfg`.

    Attributes:
        mel_bins: bands of the spectrogram.
        patch_freq, patch_time: bands and frames of a patch.
        patch_pad_mode: what completes a clip's last patches: its lowest value, -100 dB, or its last frame.
        embed_dim, depth, num_heads: width of a token, blocks, heads of attention.
        mlp_ratio: hidden width of a block's MLP to its width; `attn_pool_mlp_ratio` that of the pool, if another.
        swiglu_mlp: whether that is gated.
        attn_pool_num_heads: of the pool, if other than num_heads.
        init_values: if not null, what a block adds has learned weights.
        class_token, reg_tokens: tokens before the patches.
        attn_gated, qk_norm, qkv_bias: of attention.
        pre_norm: a norm before the blocks, in place of the bias of patches.
        final_norm: a norm after them.
        norm_layer: kind of norm; null is `layernorm`.
        rope_temperature: of the positions.
    """

    mel_bins: int = 64
    patch_freq: int = 64
    patch_time: int = 4
    patch_pad_mode: str = "floor"
    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    mlp_ratio: float = 4.0
    swiglu_mlp: bool = False
    attn_pool_num_heads: int | None = None
    attn_pool_mlp_ratio: float | None = None
    init_values: float | None = None
    class_token: bool = False
    reg_tokens: int = 0
    attn_gated: bool = False
    qk_norm: bool = False
    qkv_bias: bool = True
    pre_norm: bool = False
    final_norm: bool = True
    norm_layer: str | None = None
    rope_temperature: float = 10_000.0

    def __post_init__(self) -> None:
        where = "audio_cfg"
        sizes = {"mel_bins": WIDEST, "embed_dim": WIDEST, "depth": MOST_BLOCKS, "patch_time": WIDEST}
        require_shape(self, where, sizes)
        fits = is_count(self.patch_freq) and self.mel_bins % self.patch_freq == 0
        require(self, where, "patch_freq", fits, f"a divisor of mel_bins = {self.mel_bins}")
        for name in ("num_heads", "attn_pool_num_heads"):
            heads = getattr(self, name)
            fits = heads is None and name != "num_heads"
            fits = fits or (is_count(heads) and self.embed_dim % heads == 0)
            require(self, where, name, fits, f"a divisor of embed_dim = {self.embed_dim}")
        whole = self.embed_dim // self.num_heads % 4 == 0
        require(self, where, "num_heads", whole, "such that heads have a multiple of 4 dimensions")
        require(self, where, "patch_pad_mode", self.patch_pad_mode in PAD_MODES, f"one of {', '.join(PAD_MODES)}")
        require(self, where, "norm_layer", self.norm_layer in (None, *NORMS), f"null, or one of {', '.join(NORMS)}")
        few = is_count(self.reg_tokens, 0) and self.reg_tokens <= WIDEST
        require(self, where, "reg_tokens", few, f"a whole number of 0 to {WIDEST}")
        for name in ("mlp_ratio", "attn_pool_mlp_ratio"):
            value = getattr(self, name)
            fits = (value is None and name != "mlp_ratio") or (is_number(value) and 0 < value <= MOST_RATIO)
            require(self, where, name, fits, f"a number above 0, at most {MOST_RATIO}")
        turns = is_number(self.rope_temperature) and self.rope_temperature > 0
        require(self, where, "rope_temperature", turns, "a number above 0")

    @property
    def rows(self) -> int:
        """Patches of a column."""
        return self.mel_bins // self.patch_freq

    @property
    def prefix(self) -> int:
        """Tokens before the patches."""
        return self.class_token + self.reg_tokens

    @property
    def norm(self) -> Norm:
        """What makes a norm for a width."""
        return norm_of(self.norm_layer or NORMS[0], EPS)


class Vit(nn.Module):
    """Log-mel spectrograms to pooled features, (B, embed_dim)."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embed_dim
        self.embeds = _Embeds(config)
        self.norm_pre = config.norm(width) if config.pre_norm else nn.Identity()
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.norm = config.norm(width) if config.final_norm else nn.Identity()
        self.attn_pool = _Pool(config)

    def forward(self, logmel: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Decibels (B, T, mel_bins), of these frames (B,) or all of T, to (B, embed_dim)."""
        config = self.config
        patches = patchified(logmel, lengths, config)
        columns = None if lengths is None else config.rows * fewer(lengths, config.patch_time)
        keys = keys_only(columns, patches.shape[1], config.prefix)
        x = self.norm_pre(self.embeds(patches))
        turn = positions(patches.shape[1], config, x)
        for block in self.blocks:
            x = block(x, turn, keys)
        x = self.norm(x)[:, config.prefix :]
        pooled: Tensor = self.attn_pool(x, keys_only(columns, x.shape[1]))
        return pooled


def patchified(logmel: Tensor, lengths: Tensor | None, config: VitConfig) -> Tensor:
    """Decibels (B, T, mel_bins), of these frames (B,) or all of T, to patches (B, columns * rows, values).

    In order of time, then of frequency; the values of a patch in order of frequency, then of time.
    """
    batch, frames, _ = logmel.shape
    columns = fewer(frames, config.patch_time)
    places = torch.arange(columns * config.patch_time, device=logmel.device)
    whole = logmel.index_select(1, places.clamp(max=frames - 1))
    own = torch.full((batch,), frames, device=logmel.device) if lengths is None else lengths
    whole = torch.where(beyond(own, len(places)).unsqueeze(2), _filling(logmel, own, config.patch_pad_mode), whole)
    cut = whole.reshape(batch, columns, config.patch_time, config.rows, config.patch_freq)
    return cut.permute(0, 1, 3, 4, 2).reshape(batch, columns * config.rows, -1)


def _filling(logmel: Tensor, lengths: Tensor, mode: str) -> Tensor:
    """What completes each clip's last patches, (B, 1, 1) or (B, 1, mel_bins)."""
    if mode == "repeat":
        last = (lengths - 1)[:, None, None].expand(-1, 1, logmel.shape[2])
        return logmel.gather(1, last)
    if mode == "silence":
        return logmel.new_full((1, 1, 1), SILENCE_DB)
    outside = beyond(lengths, logmel.shape[1]).unsqueeze(2)
    return logmel.masked_fill(outside, torch.finfo(logmel.dtype).max).amin(dim=(1, 2), keepdim=True)


def positions(patches: int, config: VitConfig, like: Tensor) -> Rotation:
    """What turns the tokens: a patch by its row in one half of the dimensions, by its column in the other."""
    half = config.embed_dim // config.num_heads // 4
    turns = frequencies(half, config.rope_temperature, like)
    number = torch.arange(patches, device=like.device)
    row, column = number % config.rows, torch.div(number, config.rows, rounding_mode="floor")
    angles = torch.cat([row[:, None] * turns, column[:, None] * turns], dim=1)
    return rotation(F.pad(angles, (0, 0, config.prefix, 0)), like)


class _Embeds(nn.Module):
    """Patches to tokens, behind those that hold no patch."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        width = config.embed_dim
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width)) if config.class_token else None
        self.reg_token = nn.Parameter(torch.zeros(1, config.reg_tokens, width)) if config.reg_tokens else None
        self.proj = nn.Linear(config.patch_freq * config.patch_time, width, bias=not config.pre_norm)

    def forward(self, patches: Tensor) -> Tensor:
        before = [token for token in (self.cls_token, self.reg_token) if token is not None]
        return torch.cat([*(token.expand(len(patches), -1, -1) for token in before), self.proj(patches)], dim=1)


class _Block(nn.Module):
    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        width, bias = config.embed_dim, config.qkv_bias
        self.norm1, self.norm2 = config.norm(width), config.norm(width)
        norm = config.norm if config.qk_norm else None
        self.attn = Attention(
            width, config.num_heads, norm, gated=config.attn_gated, bias=bias, gate_bias=bias, proj_bias=True
        )
        self.mlp = Mlp(width, int(width * config.mlp_ratio), glu=config.swiglu_mlp)
        scaled = config.init_values is not None
        self.gamma_1, self.gamma_2 = (nn.Parameter(torch.ones(width)) if scaled else None for _ in range(2))

    def forward(self, x: Tensor, turn: Rotation, keys: Tensor | None) -> Tensor:
        seen, _ = self.attn(self.norm1(x), turn, keys)
        x = x + (seen if self.gamma_1 is None else self.gamma_1 * seen)
        made = self.mlp(self.norm2(x))
        return x + (made if self.gamma_2 is None else self.gamma_2 * made)


class _Pool(Query):
    """Attention pooling, and an MLP."""

    def __init__(self, config: VitConfig) -> None:
        width = config.embed_dim
        super().__init__(width, config.attn_pool_num_heads or config.num_heads, "latent", bias=True)
        self.proj, self.norm = nn.Linear(width, width), config.norm(width)
        self.mlp = Mlp(width, int(width * (config.attn_pool_mlp_ratio or config.mlp_ratio)))

    def forward(self, x: Tensor, keys: Tensor | None) -> Tensor:
        pooled: Tensor = self.proj(self.attended(x, keys))
        return pooled + self.mlp(self.norm(pooled))
