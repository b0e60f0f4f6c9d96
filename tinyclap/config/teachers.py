"""Recipe sections on the frozen teacher, one a kind."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tinyclap.strict_yaml.sections import PathText, Section
from tinyclap.teachers.options import OnnxOptions, TaggerOptions

YEARS = (2022, 2023)  # of Microsoft's CLAPs; YAML reads an unquoted one as a number


class ClapTeacher(Section):
    """A frozen CLAP: `hf` is a transformers ClapModel (hub id, folder or the built-in `demo`), `laion` an original .pt
    file, `msclap` Microsoft's ("2022", "2023" or a .pth file), `clsp` CLSP for speaking styles (hub id or folder),
    `dual` our own pair. `parity: original` keeps to the original code also where it does worse, for comparison with
    published numbers."""

    kind: Literal["hf", "laion", "msclap", "clsp", "dual"]
    source: Annotated[PathText, BeforeValidator(lambda value: str(value) if value in YEARS else value)]
    parity: Literal["original"] | None = None

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.kind == "msclap" and not (self.source.endswith(".pth") or self.source in map(str, YEARS)):
            yield "source", f'got "{self.source}", allowed: "2022", "2023" or a .pth file with kind: msclap'
        if self.kind == "laion" and not self.source.endswith(".pt"):
            yield "source", f'got "{self.source}", allowed: a .pt file, or its name on the hub, with kind: laion'
        if self.kind == "dual" and self.parity:
            yield "parity", 'got "original", allowed: null with kind: dual, which has no other original'
        if self.kind == "clsp" and self.parity:
            yield "parity", 'got "original", allowed: null with kind: clsp, which embeds a clip as its original does'

    def files(self) -> dict[str, str]:
        """What it names on this machine, by key."""
        return {"source": self.source} if self.kind == "dual" or _is_path(self.source) else {}

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine."""
        return Path(self.source).exists()


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


def _is_path(source: str) -> bool:
    """Whether a source can only be a path: on the hub an id is `owner/name`, and a file's name has no "/"."""
    return source.startswith(("/", ".", "~")) or source.count("/") > 1 or ("/" in source and ".pt" in source)
