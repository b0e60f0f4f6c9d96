"""Recipe sections on the frozen teacher, one a kind."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tinyclap.strict_yaml.sections import Name, PathText, Section
from tinyclap.teachers.options import OnnxOptions, TaggerOptions
from tinyclap.training.options import LoraOptions

YEARS = (2022, 2023)  # of Microsoft's CLAPs; YAML reads an unquoted one as a number


class _Clap(Section):
    """A CLAP of torch modules, by kind and place."""

    kind: str
    source: Annotated[PathText, BeforeValidator(lambda value: str(value) if value in YEARS else value)]

    def conflicts(self) -> Iterator[tuple[str, str]]:
        is_folder = "/" in self.source  # of a run
        if self.kind == "msclap" and not (self.source.endswith(".pth") or self.source in map(str, YEARS) or is_folder):
            yield "source", f'got "{self.source}", allowed: "2022", "2023" or a .pth file with kind: msclap'
        if self.kind == "laion" and not self.source.endswith(".pt"):
            yield "source", f'got "{self.source}", allowed: a .pt file, or its name on the hub, with kind: laion'

    def files(self) -> dict[str, str]:
        """What it names on this machine, by key."""
        return {"source": self.source} if self.kind == "dual" or _is_path(self.source) else {}

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine."""
        return Path(self.source).exists()


class ClapTeacher(_Clap):
    """A frozen CLAP: `hf` is a transformers ClapModel (hub id, folder or the built-in `demo`), `laion` an original .pt
    file, `msclap` Microsoft's ("2022", "2023" or a .pth file), `clsp` CLSP for speaking styles and `naflexclap`
    OpenCLIP's NaFlexClap (hub id or folder, both), `dual` our own pair. `parity: original` keeps to the original code
    also where it does worse, for comparison with published numbers."""

    kind: Literal["hf", "laion", "msclap", "clsp", "naflexclap", "dual"]
    parity: Literal["original"] | None = None

    def conflicts(self) -> Iterator[tuple[str, str]]:
        yield from super().conflicts()
        if self.kind == "dual" and self.parity:
            yield "parity", 'got "original", allowed: null with kind: dual, which has no other original'
        if self.kind in ("clsp", "naflexclap") and self.parity:
            told = f"kind: {self.kind}, which embeds a clip as its original does"
            yield "parity", f'got "original", allowed: null with {told}'


class Init(_Clap):
    """A trained CLAP to go on from, named as a teacher is. Its own front end, window, space and temperature are kept.
    `freeze` leaves parts as they are: `audio`, `text`, or `head`, what takes their outputs into the shared space;
    `lora` lets adapters learn in place of whole towers (`pip install "tinyclap[lora]"`)."""

    kind: Literal["hf", "laion", "msclap", "dual"]
    freeze: tuple[Literal["audio", "text", "head"], ...] = ()
    lora: LoraOptions | None = None

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Nothing left to learn; adapters in a part that is frozen."""
        yield from super().conflicts()
        if {*self.freeze} == {"audio", "text", "head"}:
            yield "freeze", "got all three, allowed: at most two of audio, text, head, else there is nothing to learn"
        both = [tower for tower in self.lora.towers if tower in self.freeze] if self.lora else []
        if both:
            yield "freeze", f'got "{both[0]}", allowed: no tower of lora.towers, whose weights stay as they are anyway'


@dataclass(frozen=True)
class TaggerTeacher(TaggerOptions):
    """An audio tagger and a sentence encoder, which together are a CLAP. `space: tags` embeds sounds and texts as
    mixtures of the tagger's classes, `space: names` in the sentence encoder's own space."""

    kind: Literal["tagger"] = field(kw_only=True)

    def files(self) -> dict[str, str]:
        """What it names on this machine, by key."""
        named = {"audio": self.audio} if self.audio.endswith((".pt", ".onnx")) else {}
        named |= {"classes": self.classes} if self.classes else {}
        return named | ({"text": self.text} if _is_path(self.text) else {})

    is_local = True  # its name is no hub id


@dataclass(frozen=True)
class OnnxTeacher(OnnxOptions):
    """A CLAP as two ONNX graphs. What an audio graph does not say itself (those of `tinyclap convert` do) is said here:
    with `frontend` it takes log-mel spectrograms, else waveforms."""

    kind: Literal["onnx"] = field(kw_only=True)

    def files(self) -> dict[str, str]:
        """What it names on this machine, by key."""
        return {"audio": self.audio, "text": self.text, "tokenizer": self.tokenizer}

    is_local = True  # its name is no hub id


AnyTeacher = Annotated[ClapTeacher | TaggerTeacher | OnnxTeacher, Field(discriminator="kind")]


class HeadTeacher(Section):
    """One of several teachers. The student gets one vector in which each teacher has its part, a head; together they
    judge by the mean of their cosines, by weight, and `--head NAME` asks one of them alone. Each hears at its own
    sample rate."""

    head: Name
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    teacher: AnyTeacher


SeveralTeachers = Annotated[tuple[HeadTeacher, ...], Field(min_length=2)]


def either(one: AnyTeacher | None, several: SeveralTeachers | None) -> AnyTeacher | SeveralTeachers:
    """Which of the two a recipe gives, that has no `teacher_conflicts`."""
    taught_by = several if one is None else one
    assert taught_by is not None
    return taught_by


def teacher_conflicts(one: AnyTeacher | None, several: SeveralTeachers | None) -> Iterator[tuple[str, str]]:
    """No teacher, or one beside several; several of one name, or one several times."""
    if one is None and several is None:
        yield "teacher", "missing, allowed: a section on the teacher, or several of them as a list `teachers`"
    if one is not None and several is not None:
        yield "teachers", "got a list beside teacher, allowed: one of the two"
    for number, each in enumerate(several or ()):
        before = (several or ())[:number]
        if each.head in [other.head for other in before]:
            yield f"teachers.{number}.head", f'got "{each.head}" twice, allowed: another name for each'
        same = [other.head for other in before if other.teacher == each.teacher]
        if same:
            yield (
                f"teachers.{number}.teacher",
                f"got that of {same[0]} once more, allowed: another one (a larger weight makes it count more)",
            )


def _is_path(source: str) -> bool:
    """Whether a source can only be a path: on the hub an id is `owner/name`, and a file's name has no "/"."""
    return source.startswith(("/", ".", "~")) or source.count("/") > 1 or ("/" in source and ".pt" in source)
