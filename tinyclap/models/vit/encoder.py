"""The transformer of SLAP's audio tower (arXiv 2601.12594): local and global attention over patches of any number."""

import torch
from torch import Tensor, nn

from tinyclap.models.vit.config import VitConfig
from tinyclap.models.vit.layers import Block, Turns
from tinyclap.models.vit.patches import Patches

LEVEL_DB, SPREAD_DB = -50.0, 20.0  # of log-mel spectrograms, about: mean and deviation over ESC-50


class VitEncoder(nn.Module):
    """Patches of log-mel spectrograms, in decibels, to a token for each.

    A token depends on its own clip alone. Padding is seen by nothing but itself.
    """

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Linear(config.patch_frames * config.patch_mels, config.width, bias=False)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width)

    def embed(self, patches: Patches) -> Tensor:
        """Each patch on its own, (B, N, width)."""
        tokens: Tensor = self.embedding((patches.values - LEVEL_DB) / SPREAD_DB)
        return tokens

    def attend(self, tokens: Tensor, patches: Patches) -> Tensor:
        """Embedded patches (B, N, width), which may hide some, to what is made of them together (B, N, width)."""
        head_dim = self.config.width // self.config.heads
        exact = torch.float64 if tokens.dtype == torch.float64 else torch.float32
        turns = Turns(patches.columns, patches.rows, head_dim, exact)
        seen = self._seen(patches)
        for number, block in enumerate(self.blocks, start=1):
            tokens = block(tokens, turns, seen[number % self.config.global_every == 0])
        out: Tensor = self.norm(tokens)
        return out

    def forward(self, patches: Patches) -> Tensor:
        return self.attend(self.embed(patches), patches)

    def _seen(self, patches: Patches) -> tuple[Tensor, Tensor | None]:
        """What each token sees in local and in global blocks, (1 or B, 1, N, N).

        Padding sees everything, because a softmax over nothing is not a number; nothing looks at it.
        """
        columns, valid = patches.columns, patches.valid
        near = ((columns.unsqueeze(1) - columns).abs() <= self.config.span // 2)[None, None]
        if valid is None:
            return near, None
        clip = (valid.unsqueeze(1) | ~valid.unsqueeze(2)).unsqueeze(1)
        return (near & valid[:, None, None]) | ~valid[:, None, :, None], clip
