"""Which sounds of a batch match which of its captions, and how low that lets the loss go."""

import numpy as np
import torch
from torch import Tensor

from tinyclap.data.captions import Captions
from tinyclap.data.views import Views


def matching(views: Views, captions: Captions, batch: np.ndarray, k: int) -> Tensor:
    """How much each sound of a batch matches each caption of the batch: float32 (B, B), every row summing to 1."""
    same, groups = captions.alike(batch), captions.groups
    matches = same / same.sum(1, keepdims=True)
    for row, index in enumerate(batch):
        view = views.draw(int(index), k)
        if view.other is None:
            continue
        others = groups[batch] == groups[view.other.index]
        if others.any():
            matches[row] = (1.0 - view.other_share) * matches[row] + view.other_share * others / others.sum()
    return torch.from_numpy(matches.astype(np.float32))


def floor(matches: Tensor) -> float:
    """The lowest loss that these matches allow: the mean entropy of their rows and columns."""
    by_text = matches.T / matches.T.sum(1, keepdim=True)
    entropies = [-(rows * rows.clamp_min(1e-12).log()).sum(1).mean() for rows in (matches, by_text)]
    return float((entropies[0] + entropies[1]) / 2)
