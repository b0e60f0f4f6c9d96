"""Learning from sound alone: what a hidden patch would be, by an averaged copy of the tower that hears it.

SLAP's self-supervised objective (arXiv 2601.12594): scores over prototypes, cross entropy, a copy that follows. In what
the paper does not tell it is iBOT's (arXiv 2111.07832): a learned token stands in place of hidden patches, and the loss
is that of these alone; the copy's scores are balanced over prototypes by Sinkhorn and Knopp, as in SwAV
(arXiv 2006.09882), without which all patches end at one prototype.
"""

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.models.vit.encoder import VitEncoder
from tinyclap.models.vit.patches import Patches
from tinyclap.training.options import MaskedOptions

ROUNDS = 3  # of the balancing
STREAM = 4  # of the draws for a clip and an epoch; captions have the first ones


class Prototypes(nn.Module):
    """Tokens (..., width) to cosines with prototypes (..., K)."""

    def __init__(self, width: int, n: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)
        self.centres = nn.Parameter(torch.randn(n, width))

    def forward(self, tokens: Tensor) -> Tensor:
        return F.normalize(self.map(tokens), dim=-1) @ F.normalize(self.centres, dim=-1).T


class MaskedPatches(nn.Module):
    """The objective with its own weights: the token for hidden patches, the prototypes, and the copy.

    Args:
        encoder: of the tower that learns.
        options: of the objective.
    """

    def __init__(self, encoder: VitEncoder, options: MaskedOptions) -> None:
        super().__init__()
        self.options = options
        width = encoder.config.width
        self.token = nn.Parameter(0.02 * torch.randn(width))
        self.prototypes = Prototypes(width, options.prototypes)
        self.encoder_copy = copy.deepcopy(encoder).requires_grad_(False)
        self.prototypes_copy = copy.deepcopy(self.prototypes).requires_grad_(False)

    def train(self, mode: bool = True) -> "MaskedPatches":
        super().train(mode)
        self.encoder_copy.eval()  # without dropout
        return self

    def forward(self, encoder: VitEncoder, patches: Patches, hidden: Tensor) -> Tensor:
        """The loss of each clip, (B,): the mean over its patches that are `hidden`, bool (B, N), one at least."""
        tokens = torch.where(hidden.unsqueeze(-1), self.token.to(patches.values.dtype), encoder.embed(patches))
        scores = self.prototypes(encoder.attend(tokens, patches)[hidden]).float() / self.options.temperature
        with torch.no_grad():
            heard = self.prototypes_copy(self.encoder_copy(patches)[hidden])
            targets = balanced(heard.float() / self.options.target_temperature)
        losses = -(targets * scores.log_softmax(-1)).sum(-1)
        clips = hidden.nonzero()[:, 0]
        return losses.new_zeros(len(hidden)).index_add(0, clips, losses) / hidden.sum(1)

    @torch.no_grad()
    def follow(self, encoder: VitEncoder, step: int, steps: int) -> None:
        """Move the copy towards what learns, after step `step` (from 0) of `steps`."""
        towards = (1.0 - self.options.ema) * (1.0 + math.cos(math.pi * step / steps)) / 2.0
        for module, followed in ((self.encoder_copy, encoder), (self.prototypes_copy, self.prototypes)):
            for mine, theirs in zip(module.parameters(), followed.parameters(), strict=True):
                mine.lerp_(theirs.to(mine.dtype), towards)


def balanced(scores: Tensor) -> Tensor:
    """Scores (M, K) to shares of prototypes that sum to 1 in each row, and to nearly the same in each column."""
    shares = (scores - scores.max()).exp()
    for _ in range(ROUNDS):
        shares = shares / shares.sum(0, keepdim=True).clamp_min(1e-12)
        shares = shares / shares.sum(1, keepdim=True)
    return shares


def hidden_patches(patches: Patches, share: float, clips: Sequence[int], seed: int, epoch: int) -> Tensor:
    """Which patches are hidden, bool (B, N): a share of each clip's, one at least.

    It depends on the clip, the seed and the epoch alone, so that it is the same wherever the clip stands in a batch.
    """
    n = patches.values.shape[1]
    hidden = np.zeros((len(clips), n), bool)
    for row, (clip, count) in enumerate(zip(clips, patches.counts, strict=True)):
        order = np.random.default_rng([seed, clip, epoch, STREAM]).permutation(count)
        hidden[row, order[: max(1, round(share * count))]] = True
    return torch.from_numpy(hidden).to(patches.values.device)
