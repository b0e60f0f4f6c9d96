"""The kinds of recipe: `distill` (a student learns a teacher's ears), `distill_text` (its words) and `pretrain` (a
teacher from scratch)."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from tinyclap.config.data import Data, TestedOn, one_or_more
from tinyclap.config.networks import (
    AnyPhiNetTower,
    Cnn14Tower,
    Encoder,
    HtsatTower,
    PhiNetTower,
    ScratchText,
    TransformersText,
    VitTower,
    stride_conflicts,
)
from tinyclap.config.teachers import AnyTeacher, Init, SeveralTeachers, either, teacher_conflicts
from tinyclap.config.text_side import TextSide
from tinyclap.data.view_spec import ViewSpec
from tinyclap.models.student_config import EncoderConfig
from tinyclap.strict_yaml.sections import Name, Section, Seed, Templates, Text, Width
from tinyclap.training.options import DistillOptions, PretrainOptions

HTSAT_WINDOW_S = 10.0  # LAION's front end


class Evaluate(Section):
    """Zero-shot evaluation; `prompts: null` takes the teacher's own."""

    prompts: Templates | None = None
    bootstrap: Annotated[int, Field(ge=1, le=1_000_000)] = 2000


class DistillRecipe(Section):
    """A student learns a frozen teacher's audio embeddings; with `text`, another one its text embeddings.

    Attributes:
        text: the words, which a student of their own learns; null leaves them to the teacher.
    """

    task: Literal["distill"]
    name: Name
    seed: Seed = 0
    teacher: AnyTeacher | None = None
    teachers: SeveralTeachers | None = None
    data: Data
    views: ViewSpec = ViewSpec()
    student: Encoder = EncoderConfig()
    training: DistillOptions = DistillOptions()
    text: TextSide | None = None
    evaluate: Evaluate = Evaluate()

    @property
    def taught_by(self) -> AnyTeacher | SeveralTeachers:
        """The teacher, or all of them."""
        return either(self.teacher, self.teachers)

    @property
    def teacher_is_local(self) -> bool:
        """Whether the teacher lies on this machine; several have no one place on the hub either."""
        return self.teacher is None or self.teacher.is_local

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """No teacher; views longer than clips; strides that do not fit; trainings of one run in other precisions."""
        yield from teacher_conflicts(self.teacher, self.teachers)
        yield from _view_conflicts(self.views, self.data)
        if not self.views.repeat:
            yield "views.repeat", "got false, allowed: true with task: distill, whose students hear windows"
        yield from stride_conflicts("student", self.student)
        precision = self.training.precision
        if self.text is not None and self.text.training.precision != precision:
            yield (
                "text.training.precision",
                f'got "{self.text.training.precision}", allowed: "{precision}", as training.precision is',
            )


class DistillTextRecipe(Section):
    """A text student learns a frozen teacher's text embeddings, from captions alone.

    Attributes:
        text: the words: captions to learn from, and the student that learns them.
        data: sounds to name with the words, for a score beside the teacher's.
    """

    task: Literal["distill_text"]
    name: Name
    seed: Seed = 0
    teacher: AnyTeacher | None = None
    teachers: SeveralTeachers | None = None
    text: TextSide
    data: TestedOn = TestedOn()
    evaluate: Evaluate = Evaluate()

    @property
    def taught_by(self) -> AnyTeacher | SeveralTeachers:
        """The teacher, or all of them."""
        return either(self.teacher, self.teachers)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """No teacher, or both one and several."""
        yield from teacher_conflicts(self.teacher, self.teachers)


class PretrainRecipe(Section):
    """A CLAP from scratch: an audio and a text tower learn one space; or, with `init`, a trained one learns on.

    `licence` is what its model card states; `weights: float16` halves the files of a ClapModel.
    """

    task: Literal["pretrain"]
    name: Name
    seed: Seed = 0
    licence: Text = "unknown"
    weights: Literal["float32", "float16"] = "float32"
    data: Data
    views: ViewSpec = ViewSpec()
    init: Init | None = None
    audio: Annotated[AnyPhiNetTower | Cnn14Tower | HtsatTower | VitTower, Field(discriminator="kind")] | None = None
    text: Annotated[TransformersText | ScratchText, Field(discriminator="kind")] | None = None
    embed_dim: Width = 512
    training: PretrainOptions = PretrainOptions()
    templates: Templates = ("This is a sound of {}.",)
    evaluate: Evaluate = Evaluate()

    @property
    def kind(self) -> str:
        """The kind by which a recipe names the teacher that this one makes."""
        if self.init is not None:
            return "hf" if self.init.kind == "laion" else self.init.kind
        return "hf" if isinstance(self.audio, HtsatTower) else "dual"

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Views longer than clips; towers that cannot be paired; what this training does not know."""
        if any(part.weight != 1 for part in one_or_more(self.data.train)):
            yield "data.train", "got a weight, allowed: none with task: pretrain"
        yield from _view_conflicts(self.views, self.data)
        if self.views.student is not None:
            yield "views.student", "got degradations, allowed: null with task: pretrain"
        if len(self.views.durations_s) > 1:
            yield "views.duration_s", "got several, allowed: one with task: pretrain"
        elif isinstance(self.audio, HtsatTower) and self.views.longest_s != HTSAT_WINDOW_S:
            yield (
                "views.duration_s",
                f"got {self.views.longest_s:g}, allowed: {HTSAT_WINDOW_S:g} with audio.kind: htsat",
            )
        if self.weights == "float16" and self.kind != "hf":
            yield "weights", 'got "float16", allowed: "float32" unless a ClapModel is made: htsat, or init hf or laion'
        yield from self._of_init() if self.init else self._of_towers()

    def _of_init(self) -> Iterator[tuple[str, str]]:
        """What a trained CLAP has already."""
        for key in ("audio", "text"):
            if getattr(self, key) is not None:
                yield key, f"got a section, allowed: null with init, whose own {key} tower learns on"
        if self.embed_dim != PretrainRecipe.model_fields["embed_dim"].default:
            yield "embed_dim", f"got {self.embed_dim}, allowed: none with init, whose own space is kept"
        if self.training.text_epochs:
            yield "training.text_epochs", f"got {self.training.text_epochs}, allowed: 0 with init"

    def _of_towers(self) -> Iterator[tuple[str, str]]:
        """What a CLAP from scratch needs."""
        for key in ("audio", "text"):
            if getattr(self, key) is None:
                yield key, f"missing, allowed: a section on the {key} tower, unless init names a trained CLAP"
        if self.audio is None or self.text is None:
            return
        if isinstance(self.audio, PhiNetTower):
            yield from stride_conflicts("audio", self.audio)
        if not isinstance(self.audio, VitTower):
            if not self.views.repeat:
                yield "views.repeat", "got false, allowed: true unless audio.kind: vit, which hears any length"
            if self.training.dense:
                yield f"training.{self.training.dense}", "got a section, allowed: null unless audio.kind: vit"
        if self.audio.kind == "htsat" and self.text.kind != "scratch":
            yield (
                "text.kind",
                f'got "{self.text.kind}", allowed: "scratch" with audio.kind: htsat (they make one ClapModel)',
            )


def _view_conflicts(views: ViewSpec, data: Data) -> Iterator[tuple[str, str]]:
    if views.longest_s > data.max_clip_s:
        yield "views.duration_s", f"got {views.longest_s:g}, allowed: at most data.max_clip_s = {data.max_clip_s:g}"


Recipe = DistillRecipe | DistillTextRecipe | PretrainRecipe
RECIPE: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="task")])
