"""From a feature map or tokens to an embedding: pooling, the two heads, unit norm."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def pool(feature_map: Tensor, pooling: str) -> Tensor:
    """Pool a map (B, C, h, w), h frames by w mel rows, to (B, C), or with "mels" to (B, C·w).

    "mean": over the map. "mean_max": mean over the mel rows, then mean + max over time (as CNN14 does). "mels": mean
    over time with the mel rows kept apart, so that a head can tell low sounds from high ones.
    """
    if pooling == "mels":
        return feature_map.mean(2).flatten(1)
    if pooling == "mean_max":
        over_time = feature_map.mean(3)
        return over_time.mean(2) + over_time.amax(2)
    return feature_map.mean((2, 3))


def unit_norm(embeddings: Tensor) -> Tensor:
    """Rows scaled to length 1, in plain arithmetic: `functional.normalize` upsets ONNX Runtime's quantiser."""
    return embeddings * torch.rsqrt(embeddings.square().sum(-1, keepdim=True).clamp_min(1e-24))


class AttentionPool(nn.Module):
    """Tokens (B, N, width) to one vector (B, width): multi-head attention with a learned query, then a feed-forward.

    Zhai et al. 2022, "Scaling Vision Transformers" (arXiv 2106.04560), as SigLIP and SLAP pool.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(heads, 1, width // heads))
        self.inputs, self.output = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor, valid: Tensor | None = None) -> Tensor:
        """`valid` (B, N) is true where a token belongs to its clip or text; None where all do."""
        query = self.query.expand(tokens.shape[0], -1, -1, -1)
        key, value = (
            part.unflatten(2, (query.shape[1], -1)).transpose(1, 2) for part in self.inputs(tokens).chunk(2, dim=-1)
        )
        seen = None if valid is None else valid[:, None, None]
        attended = functional.scaled_dot_product_attention(query.to(key.dtype), key, value, attn_mask=seen)
        pooled = self.output(attended.flatten(1))
        out: Tensor = pooled + self.feed_forward(self.norm(pooled))
        return out


class LinearHead(nn.Linear):
    """W·x + b: (B, in_features) to (B, embed_dim).

    A rotation R of the space folds into it exactly, as (R·W)·x + R·b, and so does leaving out dimensions: the bias,
    which CLAP's narrow cone asks for, costs nothing in pruning.
    """

    def __init__(self, in_features: int, embed_dim: int, dropout: float = 0.0) -> None:
        super().__init__(in_features, embed_dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.drop(x))


class Projection(nn.Module):
    """The head of the CLAPs of Microsoft and of tinyCLAP: (B, in_features) to (B, embed_dim).

    LayerNorm(e1 + dropout(W2·gelu(e1))) with e1 = W1·x, the exact GELU and no biases.
    """

    def __init__(self, in_features: int, embed_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear1 = nn.Linear(in_features, embed_dim, bias=False)
        self.linear2 = nn.Linear(embed_dim, embed_dim, bias=False)
        self.layer_norm = nn.LayerNorm(embed_dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        first = self.linear1(x)
        return self.layer_norm(first + self.drop(self.linear2(functional.gelu(first))))


class MappedProjection(nn.Module):
    """A `Projection` and a latent map behind it: (B, in_features) to (B, embed_dim).

    LayerNorm mixes all dimensions, so none can be taken out of a projection: pruned, it keeps its width and gets a
    matrix more.
    """

    def __init__(self, in_features: int, full_dim: int, embed_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.projection = Projection(in_features, full_dim, dropout)
        self.map = nn.Linear(full_dim, embed_dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(self.projection(x))


HEADS: dict[str, type[LinearHead] | type[Projection]] = {"linear": LinearHead, "projection": Projection}
