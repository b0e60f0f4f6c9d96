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
        gradient_checkpointing: keep of each block of the network its input alone, and compute the rest again on the way
            back, for wide students: less memory, about a third more time, the same weights.
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
    gradient_checkpointing: bool = False
    head_epochs: Annotated[int, Ge(0), Le(100_000)] = 0
    head_lr: Rate = 0.004


@dataclass(frozen=True)
class MaskedOptions(Settings):
    """Learning from sound alone: hidden patches take the prototypes that an averaged copy, which hears all, gives them.

    Args:
        weight: beside the other objectives.
        share: of a clip's patches that are hidden, another choice in every epoch.
        prototypes: of which each patch takes some.
        temperature: of the tower's choice among them.
        target_temperature: of the copy's.
        ema: decay of the copy at the beginning; it rises to 1 as half a cosine.
    """

    place: ClassVar[str] = "training.masked"

    weight: Annotated[float, Gt(0), Le(10)] = 1.0
    share: Annotated[float, Gt(0), Lt(1)] = 0.5
    prototypes: Annotated[int, Ge(2), Le(1_000_000)] = 1024
    temperature: Annotated[float, Gt(0), Le(10)] = 0.1
    target_temperature: Annotated[float, Gt(0), Le(10)] = 0.05
    ema: BelowOne = 0.994


@dataclass(frozen=True)
class CaptioningOptions(Settings):
    """Writing a clip's caption from its patches, word by word, by a decoder that is not kept; SLAP's shape.

    Args:
        weight: beside the other objectives.
        layers: of the decoder.
        heads: of its attention; they divide its width.
        width: of its tokens.
        dropout: in it.
    """

    place: ClassVar[str] = "training.captioning"

    weight: Annotated[float, Gt(0), Le(10)] = 0.5
    layers: Annotated[int, Ge(1), Le(48)] = 8
    heads: Annotated[int, Ge(1), Le(64)] = 8
    width: Annotated[int, Ge(1), Le(16_384)] = 512
    dropout: BelowOne = 0.1

    def conflicts(self) -> Conflicts:
        """Heads that do not share the width."""
        if self.width % self.heads:
            yield "heads", f"a divisor of width = {self.width}"


@dataclass(frozen=True)
class PretrainOptions(TrainingOptions):
    """How to pretrain: contrastively, and with more objectives in the same stage (SLAP, arXiv 2601.12594).

    Args:
        loss: of sounds and captions: `info_nce`, or `sigmoid`, each pair on its own (SigLIP, arXiv 2303.15343).
        contrastive_weight: of this loss.
        masked: a loss on hidden patches; clips without a caption teach this alone. null for none. It and captioning
            need a tower of patches (`audio.kind: vit`).
        captioning: a loss on captions that are written; null for none.
        logit_bias_init: of the sigmoid loss, at the beginning.
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
    loss: Literal["info_nce", "sigmoid"] = "info_nce"
    contrastive_weight: Weight = 1.0
    masked: MaskedOptions | None = None
    captioning: CaptioningOptions | None = None
    logit_bias_init: Annotated[float, Ge(-1000), Le(1000)] = -10.0
    text_lr: Rate = 0.0005
    head_lr: Rate | None = None
    logit_scale_init: Annotated[float, Gt(0), Le(1000)] = 14.2857
    logit_scale_max: Annotated[float, Gt(0), Le(1000)] = 100.0
    hard_negatives: Weight = 0.0
    confusable_share: Share = 0.0
    text_epochs: Annotated[int, Ge(0), Le(100_000)] = 0
    lock_text: bool = False

    def conflicts(self) -> Conflicts:
        """A batch that cannot be shared out evenly, a temperature beyond its clamp, nothing to learn from."""
        yield from super().conflicts()
        if self.logit_scale_init > self.logit_scale_max:
            yield "logit_scale_init", f"at most logit_scale_max = {self.logit_scale_max:g}"
        if self.loss == "sigmoid" and self.hard_negatives:
            yield "hard_negatives", "0 with loss: sigmoid"
        if not self.contrastive_weight and self.masked is None and self.captioning is None:
            yield "contrastive_weight", "above 0, without masked and captioning"

    @property
    def dense(self) -> str | None:
        """The first objective on single patches, which need a tower that has them."""
        return next((name for name in ("masked", "captioning") if getattr(self, name) is not None), None)


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
