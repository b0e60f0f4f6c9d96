"""What a pair of towers learns in one stage: sounds meet their captions, hidden patches are guessed, captions written.

Every objective but the contrastive one is a loss of each clip, and passes through a batch as an embedding does; so
gradient caching holds for all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tinyclap.data.captions import Captions
from tinyclap.errors import TinyclapError
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.teachers.dual.pair import DualTeacher
from tinyclap.teachers.dual.vit import VitTower
from tinyclap.training.contrastive.captioning import Captioner
from tinyclap.training.contrastive.diagnosis import spread
from tinyclap.training.contrastive.masked import MaskedPatches, hidden_patches
from tinyclap.training.contrastive.matching import floor
from tinyclap.training.losses import sigmoid_loss, soft_info_nce
from tinyclap.training.options import PretrainOptions


@dataclass(frozen=True)
class Heard:
    """Clips of a batch, or of a part of it.

    Attributes:
        clips: their numbers.
        waveforms: float32 (t,) each.
        texts: their captions, empty where there are none.
        epoch: that draws what is hidden.
    """

    clips: Sequence[int]
    waveforms: Sequence[Tensor]
    texts: list[str]
    epoch: int


class Objectives(nn.Module):
    """The objectives of a training, and the weights that they need beside the towers; these are not kept.

    Args:
        teacher: whose towers learn.
        options: which objectives.
        seed: of what is hidden.

    Raises:
        TinyclapError: an objective on patches, for a teacher whose audio tower has none.
    """

    def __init__(self, teacher: TrainableTeacher, options: PretrainOptions, seed: int) -> None:
        super().__init__()
        self.options, self.seed = options, seed
        self.bias = nn.Parameter(torch.tensor(options.logit_bias_init)) if options.loss == "sigmoid" else None
        self.masked: MaskedPatches | None = None
        self.captioner: Captioner | None = None
        if options.dense is None:
            return
        if not isinstance(teacher, DualTeacher) or not isinstance(teacher.audio, VitTower):
            raise TinyclapError(
                f"training.{options.dense} learns from the patches of a transformer, which teacher {teacher.name} does "
                "not have; set it to null, or take a pair with audio.kind: vit"
            )
        if options.masked is not None:
            self.masked = MaskedPatches(teacher.audio.encoder, options.masked)
        if options.captioning is not None:
            text, width = teacher.text, teacher.audio.config.width
            self.captioner = Captioner(width, text.tokenizer, text.max_tokens, options.captioning)

    @property
    def names(self) -> list[str]:
        """Of what `audio` returns behind the embeddings."""
        return [name for name, one in (("masked", self.masked), ("captioning", self.captioner)) if one is not None]

    def audio(self, teacher: TrainableTeacher, heard: Heard) -> list[Tensor]:
        """Unit-norm embeddings (B, D), and for each of `names` the losses of the clips, (B,)."""
        if self.options.dense is None:
            return [teacher.encode_clips(heard.waveforms)]
        assert isinstance(teacher, DualTeacher)
        assert isinstance(teacher.audio, VitTower)
        tower = teacher.audio
        patches = tower.patches(heard.waveforms)
        dense = tower.encoder(patches)
        found = [tower.pooled(dense, patches)]
        if self.masked is not None:
            hidden = hidden_patches(patches, self.masked.options.share, heard.clips, self.seed, heard.epoch)
            found.append(self.masked(tower.encoder, patches, hidden))
        if self.captioner is not None:
            found.append(self.captioner(dense, patches.valid, heard.texts))
        return found

    def follow(self, teacher: TrainableTeacher, step: int, steps: int) -> None:
        """After step `step` (from 0) of `steps`."""
        if self.masked is not None:
            assert isinstance(teacher, DualTeacher)
            assert isinstance(teacher.audio, VitTower)
            self.masked.follow(teacher.audio.encoder, step, steps)


class BatchLoss:
    """The weighted sum of a batch's objectives.

    Args:
        objectives: which.
        captions: say which clips have words; the others are left out of what needs them.
        batch: numbers of the clips, in order.
        matches: how much each sound matches each caption, (B, B).
        log_scale: of the similarities.

    Attributes:
        known: clips with words, bool (B,).
        terms: each objective's value, once it has been computed; none for one that no clip of the batch teaches.
    """

    def __init__(
        self, objectives: Objectives, captions: Captions, batch: np.ndarray, matches: Tensor, log_scale: Tensor
    ) -> None:
        self.objectives, self.log_scale = objectives, log_scale
        self.known = torch.from_numpy(captions.known[batch]).to(matches.device)
        self.matches = matches[self.known][:, self.known]
        self.terms: dict[str, float] = {}

    def __call__(self, audio: Tensor, text: Tensor, *more: Tensor) -> Tensor:
        """Embeddings (B, D) of sounds and captions, and the clips' other losses (B,) in the order of `names`."""
        options = self.objectives.options
        total = 0.0 * (audio.sum() + text.sum())
        weights = {"masked": options.masked, "captioning": options.captioning}
        if self.known.any() and options.contrastive_weight:
            value = self._contrast(audio[self.known], text[self.known])
            self.terms["contrastive"] = value.item()
            total = total + options.contrastive_weight * value
        for name, losses in zip(self.objectives.names, more, strict=True):
            taught = losses[self.known] if name == "captioning" else losses
            objective = weights[name]
            if len(taught) and objective is not None:
                value = taught.mean()
                self.terms[name] = value.item()
                total = total + objective.weight * value
        return total

    def _contrast(self, audio: Tensor, text: Tensor) -> Tensor:
        options, bias = self.objectives.options, self.objectives.bias
        if bias is not None:
            return sigmoid_loss(audio, text, self.log_scale.exp(), bias, self.matches)
        return soft_info_nce(audio, text, self.log_scale.exp(), self.matches, options.hard_negatives)

    def measured(self, audio: Tensor, text: Tensor, scale: Tensor) -> dict[str, float]:
        """For the metrics: the terms, and of the clips with words how many there are and how their embeddings lie."""
        told = dict(self.terms)
        if int(self.known.sum()) > 1:
            told["batch"] = float(self.known.sum())
            spreads = spread(audio[self.known], text[self.known], scale)
            told |= zip(("logit_sd", "audio_cosine", "text_cosine"), spreads, strict=True)
            if self.objectives.bias is None:
                told["loss_floor"] = floor(self.matches)
        return told
