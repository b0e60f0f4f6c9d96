"""The two kinds of recipe: `distill` (a student learns a teacher) and `pretrain` (a teacher from scratch)."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, TypeAdapter

from tinyclap.config.data import Data, Views
from tinyclap.config.networks import Cnn14Tower, HtsatTower, PhiNetTower, ScratchText, Student, TransformersText
from tinyclap.config.sections import Count, Epochs, Name, Rate, Section, Seed, Share, Templates, Text, Width

HTSAT_WINDOW_S = 10.0  # LAION's front end
YEARS = (2022, 2023)  # of Microsoft's CLAPs; YAML reads an unquoted one as a number


class Teacher(Section):
    """A frozen CLAP: `hf` is a transformers ClapModel (hub id, folder or the built-in `demo`), `laion` an original .pt
    file, `msclap` Microsoft's ("2022", "2023" or a .pth file), `dual` our own pair. `parity: original` keeps to the
    original code also where it does worse, for comparison with published numbers."""

    kind: Literal["hf", "laion", "msclap", "dual"]
    source: Annotated[Text, BeforeValidator(lambda value: str(value) if value in YEARS else value)]
    parity: Literal["original"] | None = None

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.kind == "msclap" and not (self.source.endswith(".pth") or self.source in map(str, YEARS)):
            yield "source", f'got "{self.source}", allowed: "2022", "2023" or a .pth file with kind: msclap'
        if self.kind == "laion" and not self.source.endswith(".pt"):
            yield "source", f'got "{self.source}", allowed: a .pt file, or its name on the hub, with kind: laion'
        if self.kind == "dual" and self.parity:
            yield "parity", 'got "original", allowed: null with kind: dual, which has no other original'


class Training(Section):
    """What both kinds of training share; a global batch is `batch_size` clips."""

    epochs: Epochs = 60
    batch_size: Count = 32
    optimizer: Literal["adamw", "adam"] = "adamw"
    lr: Rate = 0.003
    weight_decay: Share = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    clip_norm: Annotated[float, Field(ge=0, le=1000)] = 1.0
    precision: Literal["no", "bf16", "fp16"] = "no"
    checkpoint_every: Epochs = 1


class DistillTraining(Training):
    """Loss and second stage (the head alone) of a distillation; `micro_batches` accumulates gradients.

    `keep_logmels` stores the student's spectrogram of every view; turn it off where they do not fit on the disk.
    """

    loss: Literal["cosine", "centred_cosine"] = "centred_cosine"
    plain_weight: Annotated[float, Field(ge=0, le=10)] = 0.2
    micro_batches: Count = 1
    keep_logmels: bool = True
    head_epochs: Annotated[int, Field(ge=0, le=100_000)] = 0
    head_lr: Rate = 0.004

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.batch_size % self.micro_batches:
            yield "micro_batches", f"got {self.micro_batches}, allowed: a divisor of batch_size = {self.batch_size}"


class PretrainTraining(Training):
    """Contrastive training: its own rate for the text tower, the temperature's start and bound, hard negatives."""

    batch_size: Annotated[int, Field(ge=2)] = 64
    lr: Rate = 0.001
    text_lr: Rate = 0.0005
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    logit_scale_init: Annotated[float, Field(gt=0, le=1000)] = 14.2857
    logit_scale_max: Annotated[float, Field(gt=0, le=1000)] = 100.0
    hard_negatives: Annotated[float, Field(ge=0, le=10)] = 0.0
    text_epochs: Annotated[int, Field(ge=0, le=100_000)] = 0
    lock_text: bool = False

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.logit_scale_init > self.logit_scale_max:
            yield (
                "logit_scale_init",
                f"got {self.logit_scale_init:g}, allowed: at most logit_scale_max = {self.logit_scale_max:g}",
            )


class Evaluate(Section):
    """Zero-shot evaluation; `prompts: null` takes the teacher's own."""

    prompts: Templates | None = None
    bootstrap: Annotated[int, Field(ge=1, le=1_000_000)] = 2000


class DistillRecipe(Section):
    """A student learns a frozen teacher's audio embeddings."""

    task: Literal["distill"]
    name: Name
    seed: Seed = 0
    teacher: Teacher
    data: Data
    views: Views = Views()
    student: Student = Student()
    training: DistillTraining = DistillTraining()
    evaluate: Evaluate = Evaluate()

    def conflicts(self) -> Iterator[tuple[str, str]]:
        yield from _view_conflicts(self.views, self.data)


class PretrainRecipe(Section):
    """A CLAP from scratch: an audio and a text tower learn one space.

    `licence` is what its model card states; `weights: float16` halves the files of an htsat teacher.
    """

    task: Literal["pretrain"]
    name: Name
    seed: Seed = 0
    licence: Text = "unknown"
    weights: Literal["float32", "float16"] = "float32"
    data: Data
    views: Views = Views()
    audio: Annotated[PhiNetTower | Cnn14Tower | HtsatTower, Field(discriminator="kind")]
    text: Annotated[TransformersText | ScratchText, Field(discriminator="kind")]
    embed_dim: Width = 512
    training: PretrainTraining = PretrainTraining()
    templates: Templates = ("This is a sound of {}.",)
    evaluate: Evaluate = Evaluate()

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Views longer than clips; towers that cannot be paired."""
        yield from _view_conflicts(self.views, self.data)
        if self.audio.kind == "htsat" and self.text.kind != "scratch":
            yield (
                "text.kind",
                f'got "{self.text.kind}", allowed: "scratch" with audio.kind: htsat (they make one ClapModel)',
            )
        if self.audio.kind == "htsat" and self.views.duration_s != HTSAT_WINDOW_S:
            yield (
                "views.duration_s",
                f"got {self.views.duration_s:g}, allowed: {HTSAT_WINDOW_S:g} with audio.kind: htsat",
            )
        if self.weights == "float16" and self.audio.kind != "htsat":
            yield "weights", 'got "float16", allowed: "float32" unless audio.kind is htsat'


def _view_conflicts(views: Views, data: Data) -> Iterator[tuple[str, str]]:
    if views.duration_s > data.max_clip_s:
        yield "views.duration_s", f"got {views.duration_s:g}, allowed: at most data.max_clip_s = {data.max_clip_s:g}"


Recipe = DistillRecipe | PretrainRecipe
RECIPE: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="task")])
