"""What the student is asked for. Losses are means over clips (the relational one over those of a micro-batch)."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.embeddings.joint_space import Head
from tinyclap.errors import TinyclapError
from tinyclap.training.options import DistillOptions


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


class PerTeacherLoss(nn.Module):
    """The mean by weight of each teacher's centred cosine loss, plus a share of the plain cosine loss of the whole.

    Centring the whole would spend the loss on the teacher whose sounds lie farthest apart. The plain cosine of the
    whole fixes how long each teacher's part is.

    Args:
        heads: the teachers' parts of the space.
        mean: mean embedding over the training views, (D,).
        plain_weight: weight of the plain cosine loss.
    """

    def __init__(self, heads: Sequence[Head], mean: Tensor, plain_weight: float = 0.2) -> None:
        super().__init__()
        self.heads, self.plain_weight, self.plain = tuple(heads), plain_weight, CosineLoss()
        self.each = nn.ModuleList(CentredCosineLoss(mean[head.place] / head.length, 0.0) for head in heads)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Unit-norm (B, D) and (B, D) -> scalar."""
        total = self.plain_weight * self.plain(student, teacher)
        for head, loss in zip(self.heads, self.each, strict=True):
            parts = (F.normalize(embeddings[:, head.place], dim=-1) for embeddings in (student, teacher))
            total = total + head.share * loss(*parts)
        return total


class TextAnchorLoss(nn.Module):
    """How differently student and teacher liken a sound to texts: KL(teacher || student) of softmax(similarities / t).

    The texts' embeddings stay as they are. As the "semantic alignment" of DCLAP and CLIP-KD's contrastive relations
    (arXiv 2307.12732) do, it spends the loss on directions that words point to.

    Args:
        texts: the teacher's text embeddings, unit norm (N, D).
        temperature: t.
    """

    texts: Tensor

    def __init__(self, texts: Tensor, temperature: float) -> None:
        super().__init__()
        self.register_buffer("texts", texts)
        self.temperature = temperature

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Unit-norm (B, D) and (B, D) -> scalar."""
        ours, theirs = (embeddings @ self.texts.T / self.temperature for embeddings in (student, teacher))
        return _divergence(ours, theirs)


class RelationalLoss(nn.Module):
    """How differently student and teacher liken the sounds of a batch to each other, about the teacher's mean.

    KL(teacher || student) of softmax(similarities / t) to the batch's other clips: affinity mimicking (TinyCLIP,
    arXiv 2309.12314) within one modality. A batch of one clip costs nothing.

    Args:
        mean: the teacher's mean embedding, (D,).
        temperature: t.
    """

    mean: Tensor

    def __init__(self, mean: Tensor, temperature: float) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.temperature = temperature

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Unit-norm (B, D) and (B, D) -> scalar."""
        if len(student) == 1:
            return student.sum() * 0.0
        ours, theirs = (self._to_others(embeddings) for embeddings in (student, teacher))
        return _divergence(ours, theirs)

    def _to_others(self, embeddings: Tensor) -> Tensor:
        """Similarities of every clip to the others: (B, B - 1)."""
        centred = F.normalize(embeddings - self.mean, dim=-1)
        others = ~torch.eye(len(centred), dtype=torch.bool, device=centred.device)
        return (centred @ centred.T)[others].view(len(centred), -1) / self.temperature


class WeightedSum(nn.Module):
    """Several losses, each times its weight."""

    def __init__(self, terms: Sequence[tuple[float, nn.Module]]) -> None:
        super().__init__()
        self.weights = [weight for weight, _ in terms]
        self.losses = nn.ModuleList(loss for _, loss in terms)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Unit-norm (B, D) and (B, D) -> scalar."""
        total = student.new_zeros(())
        for weight, loss in zip(self.weights, self.losses, strict=True):
            total = total + weight * loss(student, teacher)
        return total


def distillation_loss(
    options: DistillOptions, mean: Tensor, texts: Tensor | None = None, heads: Sequence[Head] = ()
) -> nn.Module:
    """The loss that the options name, of (student, teacher), unit-norm (B, D) each.

    Args:
        options: which terms, with which weights.
        mean: the teacher's mean embedding, (D,).
        texts: the teacher's embeddings of the anchor texts, (N, D), where `text_weight` is not 0.
        heads: of several teachers; none for one.
    """
    base: nn.Module = CosineLoss()
    if options.loss != "cosine":
        weight = options.plain_weight
        base = PerTeacherLoss(heads, mean, weight) if heads else CentredCosineLoss(mean, weight)
    more: list[tuple[float, nn.Module]] = []
    if options.text_weight:
        if texts is None:
            raise TinyclapError("training.text_weight needs the teacher's embeddings of the texts")
        more.append((options.text_weight, TextAnchorLoss(texts, options.temperature)))
    if options.relational_weight:
        more.append((options.relational_weight, RelationalLoss(mean, options.temperature)))
    return WeightedSum([(1.0, base), *more]) if more else base


def _divergence(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """KL(softmax(teacher) || softmax(student)), mean over rows."""
    ours, theirs = F.log_softmax(student_logits, -1), F.log_softmax(teacher_logits, -1)
    return F.kl_div(ours, theirs, reduction="batchmean", log_target=True)


def lowest_info_nce(logit_scale: float, batch_size: int) -> float:
    """What InfoNCE cannot fall below with this scale, where every sound of a batch has a text of its own.

    Cosines span 2, so a small scale leaves all logits nearly equal, however good the towers are: with 0.07 and 8 pairs
    the loss stays between 2.010 and ln 8 = 2.079. Reached where both of a pair coincide and the pairs form a regular
    simplex, whose other cosines are all -1 / (batch_size - 1).
    """
    others = batch_size - 1
    return math.log1p(others * math.exp(-logit_scale * batch_size / others)) if others else 0.0


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


def sigmoid_loss(audio: Tensor, text: Tensor, logit_scale: Tensor, logit_bias: Tensor, matches: Tensor) -> Tensor:
    """Each pair of a sound and a text on its own: do they belong together? SigLIP (arXiv 2303.15343, Eq. 1).

    No softmax over the batch, so that a sound may have several texts: all that it matches are right, be it by little.

    Args:
        audio, text: unit-norm (B, D).
        logit_scale, logit_bias: scalars.
        matches: non-negative (B, B), row i: how much sound i matches each text.

    Returns:
        Scalar: the sum over a sound's pairs, mean over sounds.
    """
    logits = logit_scale * audio @ text.T + logit_bias
    signs = 2.0 * (matches > 0) - 1.0
    return -F.logsigmoid(signs * logits).sum(1).mean()
