"""What the student is asked for. Every loss is a mean over clips, so micro-batches may be averaged."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CosineLoss(nn.Module):
    """1 - cos(student, teacher): the paper's loss (tinyCLAP, arXiv 2311.14517, Eq. 6) up to a constant."""

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Unit-norm (B, D) and (B, D) -> scalar."""
        return (1.0 - (student * teacher).sum(-1)).mean()


class CentredCosineLoss(nn.Module):
    """1 - cos(student - mean, teacher - mean), plus a share of the plain cosine loss.

    CLAP embeddings lie in a narrow cone, so a plain cosine is high for free; without the mean, the loss is spent on
    what differs between sounds.

    Args:
        mean: the teacher's mean embedding over the training views, (D,).
        plain_weight: weight of the plain cosine loss, which fixes the length that centring leaves free.
    """

    mean: Tensor

    def __init__(self, mean: Tensor, plain_weight: float = 0.2) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.plain_weight = plain_weight
        self.plain = CosineLoss()

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Unit-norm (B, D) and (B, D) -> scalar."""
        centred = F.cosine_similarity(student - self.mean, teacher - self.mean, dim=-1)
        return (1.0 - centred).mean() + self.plain_weight * self.plain(student, teacher)


def soft_info_nce(audio: Tensor, text: Tensor, logit_scale: Tensor, matches: Tensor, hardness: float = 0.0) -> Tensor:
    """Symmetric InfoNCE in which one sound may match several texts, and one text several sounds.

    With `matches` the identity this is CLIP's and CLAP's loss (arXiv 2206.04769, Eq. 3). Clips that share a caption
    match each other's texts and so are not negatives; a mixture matches the captions of both its parts.

    Args:
        audio, text: unit-norm (B, D).
        logit_scale: scalar.
        matches: non-negative (B, B), row i: how much sound i matches each text; no row and no column is all zero.
        hardness: raises the logits of negatives by this multiple of their similarity, after Robinson et al.,
            "Contrastive learning with hard negative samples" (arXiv 2010.04592).

    Returns:
        Scalar: mean of both directions.
    """
    similarity = audio @ text.T
    logits = logit_scale * similarity
    if hardness:
        logits = logits + hardness * similarity.detach() * (matches == 0)
    by_audio = matches / matches.sum(1, keepdim=True)
    by_text = matches.T / matches.T.sum(1, keepdim=True)
    audio_to_text = -(by_audio * torch.log_softmax(logits, 1)).sum(1).mean()
    text_to_audio = -(by_text * torch.log_softmax(logits.T, 1)).sum(1).mean()
    return (audio_to_text + text_to_audio) / 2
