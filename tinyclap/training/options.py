"""How to train: the settings of both kinds of training, as recipes state them in `training`."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

from tinyclap.common.settings import Conflicts, PathText, Settings

Epochs = Annotated[int, Ge(1), Le(100_000)]
Rate = Annotated[float, Gt(0), Le(1)]
Share = Annotated[float, Ge(0), Le(1)]
Weight = Annotated[float, Ge(0), Le(10)]
BelowOne = Annotated[float, Ge(0), Lt(1)]


@dataclass(frozen=True)
class TrainingOptions(Settings):
    """What both kinds of training share.

    Args:
        epochs: passes over the clips; each uses one view of every clip.
        batch_size: clips in a step, over all processes.
        micro_batches: parts of a batch that pass the networks one after another, which takes less memory; their
            gradients are accumulated. A contrastive loss still compares all clips of the batch (gradient caching), but
            each part passes twice. BatchNorm takes its statistics from each part.
        optimizer: `adamw` or `adam`.
        lr: highest learning rate.
        weight_decay: of matrices; vectors and scalars are not decayed.
        schedule: `cosine`, down to zero, or `constant`.
        warmup_share: share of the steps in which the rate rises to `lr`.
        ema: decay of the weights' moving average, which is the trained model; 0 for none.
        clip_norm: largest norm of the gradient; 0 for any.
        precision: `no` (float32), `bf16` or `fp16`.
        checkpoint_every: epochs between checkpoints.
    """

    place: ClassVar[str] = "training"

    epochs: Epochs = 60
    batch_size: Annotated[int, Ge(1)] = 32
    micro_batches: Annotated[int, Ge(1)] = 1
    optimizer: Literal["adamw", "adam"] = "adamw"
    lr: Rate = 0.003
    weight_decay: Share = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_share: BelowOne = 0.05
    ema: BelowOne = 0.999
    clip_norm: Annotated[float, Ge(0), Le(1000)] = 1.0
    precision: Literal["no", "bf16", "fp16"] = "no"
    checkpoint_every: Epochs = 1

    def conflicts(self) -> Conflicts:
        """A batch that cannot be shared out evenly."""
        if self.batch_size % self.micro_batches:
            yield "micro_batches", f"a divisor of batch_size = {self.batch_size}"


@dataclass(frozen=True)
class DistillOptions(TrainingOptions):
    """How to distil.

    Args:
        loss: `cosine` (the paper's) or `centred_cosine`.
        plain_weight: share of the plain cosine inside `centred_cosine`.
        text_weight: of a further loss, the difference in similarities to `texts`; 0 for none.
        texts: `audioset`, the names of its 527 classes, or a file with a text a line.
        relational_weight: of a further loss, the difference in similarities within a batch; 0 for none.
        temperature: of the similarities in these two.
        balance_clusters: kinds of sound, found by k-means on the teacher's embeddings, that are trained on equally
            often; 0 for every clip once an epoch.
        keep_logmels: store the student's spectrogram of every view; turn it off where they do not fit on the disk.
        head_epochs: epochs of a second stage that trains the head alone.
        head_lr: its learning rate.
    """

    loss: Literal["cosine", "centred_cosine"] = "centred_cosine"
    plain_weight: Weight = 0.2
    text_weight: Weight = 0.0
    texts: PathText = "audioset"
    relational_weight: Weight = 0.0
    temperature: Annotated[float, Gt(0), Le(10)] = 0.1
    balance_clusters: Annotated[int, Ge(0), Le(100_000)] = 0
    keep_logmels: bool = True
    head_epochs: Annotated[int, Ge(0), Le(100_000)] = 0
    head_lr: Rate = 0.004


@dataclass(frozen=True)
class PretrainOptions(TrainingOptions):
    """How to pretrain contrastively.

    Args:
        text_lr: learning rate of the text tower, where it is not frozen.
        head_lr: learning rate of the maps from both towers into the shared space, and of the temperature; null: each
            map learns as its tower does, the temperature at `lr`.
        logit_scale_init: the temperature's inverse at the beginning (CLIP's 1/0.07).
        logit_scale_max: its clamp (CLIP's 100).
        hard_negatives: weight of hard negatives, see `losses.soft_info_nce`.
        confusable_share: share of the clips that get one beside them in the batch whose captions have the same rare
            words, so that order, number and what is missing tell them apart; 0 for batches of any clips.
        text_epochs: epochs in which the text tower alone learns to tell captions apart, before the audio tower joins.
            A text tower from scratch puts every caption in one narrow cone, and two towers that both have to leave
            it take long to meet.
        lock_text: leave the text tower as it is from then on, as in locked tuning (LiT, arXiv 2111.07991), so that an
            audio tower that cannot tell sounds apart yet does not draw the captions together again.
    """

    batch_size: Annotated[int, Ge(2)] = 64
    lr: Rate = 0.001
    ema: BelowOne = 0.0
    text_lr: Rate = 0.0005
    head_lr: Rate | None = None
    logit_scale_init: Annotated[float, Gt(0), Le(1000)] = 14.2857
    logit_scale_max: Annotated[float, Gt(0), Le(1000)] = 100.0
    hard_negatives: Weight = 0.0
    confusable_share: Share = 0.0
    text_epochs: Annotated[int, Ge(0), Le(100_000)] = 0
    lock_text: bool = False

    def conflicts(self) -> Conflicts:
        """A batch that cannot be shared out evenly, or a temperature that begins beyond its clamp."""
        yield from super().conflicts()
        if self.logit_scale_init > self.logit_scale_max:
            yield "logit_scale_init", f"at most logit_scale_max = {self.logit_scale_max:g}"


@dataclass(frozen=True)
class LoraOptions(Settings):
    """Low-rank adapters beside the linear layers of a transformer (LoRA, arXiv 2106.09685), which learn in their place.

    Args:
        rank: of each.
        alpha: times the adapter's output, divided by the rank.
        dropout: of its input.
        towers: that get some.
    """

    place: ClassVar[str] = "init.lora"

    rank: Annotated[int, Ge(1), Le(1024)] = 8
    alpha: Annotated[int, Ge(1), Le(10_000)] = 16
    dropout: BelowOne = 0.0
    towers: tuple[Literal["audio", "text"], ...] = ("audio", "text")

    def conflicts(self) -> Conflicts:
        """Nowhere, or twice in one place."""
        if not self.towers or len(set(self.towers)) < len(self.towers):
            yield "towers", "audio, text or both, each once"
